"""A member of a consumer group, whatever it reads: assignment, commits, records from given offsets on.

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

from connectors.kafka_faults import CUT, GONE, LOST, KafkaAway, NoTopic, PartitionLost, is_for_good, silent, words
from pipeline import topics
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings

MIB = 1024 * 1024

REQUEST_SECONDS_MAX = 5  # one request to Kafka
SESSION_MS = 10_000  # after which a silent member's partitions go to others; heartbeats have a thread of their own
QUEUE_BYTES = 64 * MIB  # fetched and not yet taken, over all partitions
FETCH_BYTES = 50 * MIB  # of one answer, as librdkafka's default; more where one record may be larger
ENTRIES_MAX = 500  # taken at once


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
    """What a group reads: `topic`, whose partitions are given, beside it `others`, and topics that must be there.

    Topics are named without `prefix`. `service` reads them, `sink` of `tally.sink`; `name` makes it a static member.
    """

    service: str
    group_id: str
    prefix: str
    topic: str
    others: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    name: str = ""
    level: str = "read_committed"  # also makes the group's commits wait for open transactions
    mend: str = "run `tally topics apply`"  # where a topic is missing


class Member:
    """The consumer. `assigned` are the partitions that are this member's now; `rebalances` counts when that changed."""

    def __init__(self, settings: Settings, reading: Reading, leave: Callable[[], None] = lambda: None) -> None:
        """`leave` is called while partitions are given back, when they still are this member's."""
        self._reading, self._leave = reading, leave
        self._log = logging.getLogger(f"tally.{reading.service}")
        self.address = settings.kafka_address()
        self.assigned: frozenset[int] = frozenset()
        self.rebalances = 0
        self.membership: Any = None
        self._away: str | None = None
        self._is_cut = False  # a connection broke since the group was joined
        self._client = _consumer_settings(settings, reading) | {"error_cb": self._note}
        self._consumer = Consumer(self._client, logger=silent(reading.service))

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
            raise NoTopic(f"Kafka at {self.address} has no {topics.listed(missing)}: {self._reading.mend}")
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise NoTopic(f"the topics must have the same number of partitions, but {told}: see `tally topics plan`")
        self._subscribe()

    def close(self) -> None:
        """Leave the group; nothing is committed."""
        self._consumer.close()

    def poll(self, seconds: float, most: int = ENTRIES_MAX) -> list[Entry | End | Gone]:
        """What comes next of the partitions that are read, `most` at once. Serves the group: call it often.

        Raises:
            KafkaAway: no broker answers.
            KafkaException: it cannot go on.
        """
        self._away = None
        # To wait for the first alone: `consume` waits until it has as many as it may take.
        first = self._consumer.poll(seconds)
        more = self._consumer.consume(most - 1, 0.0) if first is not None and most > 1 else []
        messages = [] if first is None else [first, *more]
        if any(self._is_by_itself(error) for message in messages if (error := message.error()) is not None):
            self._join_anew()
            return []
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

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The offsets that a partition holds: `[low, high)`.

        Raises:
            KafkaAway
        """
        place = TopicPartition(self._physical(topic), partition)
        try:
            low, high = self._consumer.get_watermark_offsets(place, timeout=REQUEST_SECONDS_MAX)
        except KafkaException as error:
            raise self._fault(error) from None
        return low, high

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
        return [TopicPartition(name, p, offset, metadata=said or "") for p, (offset, said) in commits.items()]

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

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            [self._physical(self._reading.topic)], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose
        )

    def _is_by_itself(self, error: KafkaError) -> bool:
        """Whether it was fenced by itself; the client can do nothing any more.

        Where the answer of joining was lost with the connection, the broker knows a member with a name under another id
        than its own. Without a broken connection it is another process that has the name: that is for a person.
        """
        return error.code() == KafkaError._FATAL and self._is_cut

    def _join_anew(self) -> None:
        """As a new member of the same name, with a new client."""
        told = "Kafka knows %s under another id since the connection broke: joining the group anew"
        self._log.warning(told, self._reading.name)
        fenced, self._consumer = self._consumer, Consumer(self._client, logger=silent(self._reading.service))
        fenced.close()
        self.assigned = frozenset()
        self.rebalances += 1
        self._is_cut = False
        self._subscribe()

    def _fault(self, error: KafkaException) -> Exception:
        if error.args[0].code() in LOST or self._is_by_itself(error.args[0]):
            return PartitionLost(words(error))
        return error if is_for_good(error.args[0]) else KafkaAway(f"Kafka at {self.address}: {words(error)}")

    def _found(self, message: Any) -> Entry | End | Gone | None:
        error, name, partition = message.error(), message.topic(), message.partition()
        topic = "" if name is None else topics.logical(self._reading.prefix, name)
        if error is None:
            place = (topic, partition, message.offset())
            return Entry(*place, message.key(), message.value(), message.timestamp()[1])
        if error.code() == KafkaError._PARTITION_EOF:
            return End(topic, partition)
        if error.code() in GONE and partition is not None:
            return Gone(topic, partition, error.str())
        if is_for_good(error):
            raise KafkaException(error)
        self._log.warning("Kafka: %s", error.str())
        return None

    def _physical(self, topic: str) -> str:
        return topics.physical(self._reading.prefix, topic)

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
        self._is_cut |= error.code() in CUT


def _consumer_settings(settings: Settings, reading: Reading) -> dict[str, Any]:
    record = settings.topics.journal_message_bytes + MIB  # a record batch is a little larger than its record
    answer = max(FETCH_BYTES, record)
    named = {"group.instance.id": reading.name} if reading.name else {}
    own = {
        "group.id": reading.group_id,
        "client.id": reading.name or f"tally-{reading.service}",
        "group.protocol": "classic",
        # All partitions are given back at a rebalance: one way to lose one.
        "partition.assignment.strategy": "range",
        "session.timeout.ms": SESSION_MS,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "isolation.level": reading.level,
        "max.partition.fetch.bytes": record,
        "fetch.max.bytes": answer,
        "receive.message.max.bytes": answer + MIB,
        "queued.max.messages.kbytes": QUEUE_BYTES // 1024,
        "fetch.wait.max.ms": 100,
    }
    return kafka_client(settings) | named | own
