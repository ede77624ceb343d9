"""Partitions as a consumer group gives them: assignment, commits, records from given offsets on.

Read are partitions of one topic, and of others beside it, each from an offset of the caller's. Commits are synchronous
and carry the group's generation, so one that succeeds proves that the partition is still this member's. `membership`
is taken when the partitions are: who slept through a rebalance has an old one, which no transaction gets past.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.alerts.settings import ENTRIES_MAX, FETCH_BYTES, MIB, QUEUE_BYTES, REQUEST_SECONDS_MAX, SESSION_MS
from pipeline import topics
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings

_LOG = logging.getLogger("tally.notify")
LOST = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._STATE,
    }
)
FOR_GOOD = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.OFFSET_METADATA_TOO_LARGE,
    }
)
_GONE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION, KafkaError.OFFSET_OUT_OF_RANGE})


class KafkaAway(Exception):
    """Kafka did not answer, or not now: trying again may help."""


class NoTopic(Exception):
    """A topic is not there, or has another number of partitions."""


class PartitionLost(Exception):
    """The group gave the partition to somebody else."""


class Entry(NamedTuple):
    """A record as Kafka has it; `at` is its timestamp, UTC milliseconds."""

    topic: str  # without prefix
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    at: int


class End(NamedTuple):
    """All that a partition has was given."""

    topic: str
    partition: int


class Gone(NamedTuple):
    """What is to be read next of a partition is not there."""

    topic: str
    partition: int
    why: str


class Commit(NamedTuple):
    """An offset commit."""

    offset: int
    metadata: str | None


@dataclass(frozen=True)
class Reading:
    """What a group reads: `topic`, whose partitions are given, beside it `others`, and topics that must be there."""

    group_id: str
    topic: str
    others: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


class Source:
    """The consumer. `assigned` are the partitions that are this member's now; `rebalances` counts when that changed."""

    def __init__(self, settings: Settings, reading: Reading, leave: Callable[[], None] = lambda: None) -> None:
        """`leave` is called while partitions are given back, when they still are this member's."""
        self._reading, self._prefix, self._leave = reading, settings.topics.prefix, leave
        self.address = settings.kafka_address()
        self.assigned: frozenset[int] = frozenset()
        self.rebalances = 0
        self.membership: Any = None
        self._away: str | None = None
        self._consumer = Consumer(_consumer_settings(settings, reading) | {"error_cb": self._note}, logger=silent())

    def open(self) -> None:
        """Join the group.

        Raises:
            KafkaAway: no broker answers.
            NoTopic: one is missing, or has another number of partitions.
        """
        names = (self._reading.topic, *self._reading.others, *self._reading.required)
        try:
            found = self._consumer.list_topics(timeout=REQUEST_SECONDS_MAX).topics
        except KafkaException as error:
            raise KafkaAway(f"Kafka at {self.address}: {words(error)}") from None
        counts = {name: len(found[name].partitions) if name in found else 0 for name in map(self._physical, names)}
        if missing := [name for name, count in counts.items() if not count]:
            raise NoTopic(f"Kafka at {self.address} has no {topics.listed(missing)}: run `tally topics apply`")
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise NoTopic(f"the topics must have the same number of partitions, but {told}: see `tally topics plan`")
        self._consumer.subscribe(
            [self._physical(self._reading.topic)], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose
        )

    def close(self) -> None:
        """Leave the group; nothing is committed."""
        self._consumer.close()

    def poll(self, seconds: float) -> list[Entry | End | Gone]:
        """What comes next of the partitions that are read. Serves the group: call it often.

        Raises:
            KafkaAway: no broker answers.
            KafkaException: it cannot go on.
        """
        self._away = None
        # To wait for the first alone: `consume` waits until it has as many as it may take.
        first = self._consumer.poll(seconds)
        messages = [] if first is None else [first, *self._consumer.consume(ENTRIES_MAX, 0.0)]
        if not messages and self._away is not None:
            raise KafkaAway(f"Kafka at {self.address}: {self._away}")
        return [found for message in messages if (found := self._found(message)) is not None]

    def committed(self, partition: int) -> Commit | None:
        """What the group committed for a partition; None: nothing.

        Raises:
            KafkaAway: also while a transaction that carries such a commit is open.
        """
        place = TopicPartition(self._physical(self._reading.topic), partition)
        try:
            (found,) = self._consumer.committed([place], timeout=REQUEST_SECONDS_MAX)
            if found.error is not None:
                raise KafkaException(found.error)
        except KafkaException as error:
            raise self._fault(error) from None
        return None if found.offset < 0 else Commit(found.offset, found.metadata)

    def read(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Read these partitions, by topic and number, from these offsets on, and no others."""
        self._consumer.assign([TopicPartition(self._physical(t), p, offset) for (t, p), offset in offsets.items()])

    def pause(self, topic: str, partitions: Iterable[int]) -> None:
        """Take nothing more of them until `resume`."""
        self._consumer.pause([TopicPartition(self._physical(topic), p) for p in partitions])

    def resume(self, topic: str, partitions: Iterable[int]) -> None:
        """Take from them again."""
        self._consumer.resume([TopicPartition(self._physical(topic), p) for p in partitions])

    def places(self, commits: Mapping[int, Commit]) -> list[TopicPartition]:
        """Commits, as a transaction takes them."""
        name = self._physical(self._reading.topic)
        return [TopicPartition(name, p, offset, metadata=said) for p, (offset, said) in commits.items()]

    def commit(self, commits: Mapping[int, Commit]) -> None:
        """Commit positions by partition; returns when the broker has them.

        Raises:
            PartitionLost: one is somebody else's now.
            KafkaAway: not acknowledged; the broker may have them or not.
        """
        try:
            for found in self._consumer.commit(offsets=self.places(commits), asynchronous=False):
                if found.error is not None:
                    raise KafkaException(found.error)
        except KafkaException as error:
            raise self._fault(error) from None

    def high(self, topic: str, partition: int) -> int:
        """A partition's next offset as of the last fetch; negative where none was."""
        place = TopicPartition(self._physical(topic), partition)
        return int(self._consumer.get_watermark_offsets(place, cached=True)[1])

    def _fault(self, error: KafkaException) -> Exception:
        code = error.args[0].code()
        if code in LOST:
            return PartitionLost(words(error))
        return (
            error
            if code in FOR_GOOD or error.args[0].fatal()
            else KafkaAway(f"Kafka at {self.address}: {words(error)}")
        )

    def _found(self, message: Any) -> Entry | End | Gone | None:
        error, name, partition = message.error(), message.topic(), message.partition()
        topic = "" if name is None else topics.logical(self._prefix, name)
        if error is None:
            place = (topic, partition, message.offset())
            return Entry(*place, message.key(), message.value(), message.timestamp()[1])
        if error.code() == KafkaError._PARTITION_EOF:
            return End(topic, partition)
        if error.code() in _GONE and partition is not None:
            return Gone(topic, partition, error.str())
        if error.fatal() or error.code() in FOR_GOOD:
            raise KafkaException(error)
        _LOG.warning("Kafka: %s", error.str())
        return None

    def _physical(self, topic: str) -> str:
        return topics.physical(self._prefix, topic)

    def _assign(self, consumer: Consumer, partitions: Collection[TopicPartition]) -> None:
        # Nothing is read until `read`: where to begin takes requests that a rebalance should not wait for.
        consumer.assign([])
        self.membership = consumer.consumer_group_metadata()
        self.assigned = frozenset(p.partition for p in partitions)
        self.rebalances += 1

    def _revoke(self, consumer: Consumer, partitions: Collection[TopicPartition]) -> None:
        self._leave()
        self._lose(consumer, partitions)

    def _lose(self, consumer: Consumer, partitions: Collection[TopicPartition]) -> None:
        consumer.unassign()
        self.assigned -= {p.partition for p in partitions}
        self.rebalances += 1

    def _note(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._AUTHENTICATION):
            self._away = error.str()


def words(error: KafkaException) -> str:
    """What went wrong, in the client's words."""
    found = error.args[0]
    return str(found.str()) if isinstance(found, KafkaError) else str(found)


def silent() -> logging.Logger:
    """librdkafka's own lines repeat what is said here, without a bound."""
    quiet = logging.getLogger("tally.notify.librdkafka")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    return quiet


def _consumer_settings(settings: Settings, reading: Reading) -> dict[str, Any]:
    record = settings.topics.journal_message_bytes + MIB  # a record batch is a little larger than its record
    answer = max(FETCH_BYTES, record)
    return kafka_client(settings) | {
        "group.id": reading.group_id,
        "client.id": "tally-notify",
        "group.protocol": "classic",
        # All partitions are given back at a rebalance: one way to lose one.
        "partition.assignment.strategy": "range",
        "session.timeout.ms": SESSION_MS,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        # Also makes the group's commits wait for open transactions.
        "isolation.level": "read_committed",
        "max.partition.fetch.bytes": record,
        "fetch.max.bytes": answer,
        "receive.message.max.bytes": answer + MIB,
        "queued.max.messages.kbytes": QUEUE_BYTES // 1024,
        "fetch.wait.max.ms": 100,
    }
