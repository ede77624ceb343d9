"""The journal as the sinks' consumer group reads it: assignment, positions, records, commits. The only calls to Kafka.

What a commit says is decided elsewhere (`ranges.py`). A commit is synchronous and carries the group's generation, so
one that succeeds proves that the partition is still this sink's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.clickhouse import ranges
from connectors.clickhouse.settings import MIB, REQUEST_SECONDS_MAX
from pipeline import topics
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings

_LOG = logging.getLogger("tally.sink")
_QUEUE_BYTES = 64 * MIB  # fetched and not yet taken, over all partitions
_FETCH_BYTES = 50 * MIB  # of one answer, as librdkafka's default; more where one record may be larger
_SESSION_MS = 10_000  # after which a silent sink's partitions go to others; heartbeats have a thread of their own
_LOST = frozenset(
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
_GONE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION, KafkaError.OFFSET_OUT_OF_RANGE})
_FOR_GOOD = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.OFFSET_METADATA_TOO_LARGE,
        KafkaError._FATAL,  # of the client itself: another member took this one's name, for one
    }
)


class KafkaAway(Exception):
    """Kafka did not answer, or not now: trying again may help."""


class NoJournal(Exception):
    """There is no journal topic."""


class PartitionLost(Exception):
    """The group gave the partition to somebody else."""


class Entry(NamedTuple):
    """A journal record as Kafka has it, and since when, Unix milliseconds."""

    partition: int
    offset: int
    value: bytes | None
    journaled_ms: int


class Gone(NamedTuple):
    """What is to be read next of a partition is not there."""

    partition: int
    why: str


class Begin(NamedTuple):
    """What a partition's reading begins with: the group's commit (None: none), and the journal's bounds."""

    committed: ranges.Position | None
    low: int
    high: int


class Source:
    """The consumer. `assigned` are the partitions that are this sink's now; `rebalances` counts when that changed."""

    def __init__(self, settings: Settings) -> None:
        self._topic = topics.physical(settings.topics.prefix, topics.JOURNAL)
        self.address = settings.kafka_address()
        self.assigned: frozenset[int] = frozenset()
        self.rebalances = 0
        self._away: str | None = None
        self._consumer = Consumer(_consumer_settings(settings) | {"error_cb": self._note}, logger=_silent())

    def open(self) -> None:
        """Join the group.

        Raises:
            KafkaAway: no broker answers.
            NoJournal: there is none.
        """
        try:
            found = self._consumer.list_topics(self._topic, timeout=REQUEST_SECONDS_MAX).topics[self._topic]
        except KafkaException as error:
            raise KafkaAway(f"Kafka at {self.address}: {_words(error)}") from None
        if found.error is not None or not found.partitions:
            raise NoJournal(f"Kafka at {self.address} has no topic {self._topic}: run `tally topics apply`")
        self._consumer.subscribe([self._topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)

    def close(self) -> None:
        """Leave the group; nothing is committed."""
        self._consumer.close()

    def poll(self, seconds: float) -> Entry | Gone | None:
        """The next record of a partition that is read, or None. Serves the group: call it often.

        Raises:
            KafkaAway: no broker answers.
            KafkaException: it cannot go on.
        """
        self._away = None
        message = self._consumer.poll(seconds)
        if message is None:
            if self._away is not None:
                raise KafkaAway(f"Kafka at {self.address}: {self._away}")
            return None
        error, partition, offset = message.error(), message.partition(), message.offset()
        if error is None:
            assert partition is not None, "a record has its place"
            assert offset is not None, "a record has its place"
            return Entry(partition, offset, message.value(), message.timestamp()[1])
        if error.code() in _GONE and partition is not None:
            return Gone(partition, f"{error.str()}. {ranges.MEND}")
        if error.fatal() or error.code() in _FOR_GOOD:
            raise KafkaException(error)
        _LOG.warning("Kafka: %s", error.str())
        return None

    def begin(self, partition: int) -> Begin:
        """What the group committed for a partition, and the journal's bounds.

        Raises:
            KafkaAway
            JournalGone: the commit is not a sink's.
        """
        place = TopicPartition(self._topic, partition)
        try:
            (found,) = self._consumer.committed([place], timeout=REQUEST_SECONDS_MAX)
            if found.error is not None:
                raise KafkaException(found.error)
            low, high = self._consumer.get_watermark_offsets(place, timeout=REQUEST_SECONDS_MAX)
        except KafkaException as error:
            if error.args[0].code() in _FOR_GOOD:
                raise
            raise KafkaAway(f"Kafka at {self.address}: {_words(error)}") from None
        if found.offset < 0:
            return Begin(None, low, high)
        return Begin(ranges.position(found.offset, found.metadata), low, high)

    def read(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions from these offsets on, and no others."""
        self._consumer.assign([TopicPartition(self._topic, p, offset) for p, offset in offsets.items()])

    def pause(self, partitions: Iterable[int]) -> None:
        """Take nothing more of them until `resume`."""
        self._consumer.pause([TopicPartition(self._topic, p) for p in partitions])

    def resume(self, partitions: Iterable[int]) -> None:
        """Take from them again."""
        self._consumer.resume([TopicPartition(self._topic, p) for p in partitions])

    def commit(self, partition: int, position: ranges.Position) -> None:
        """Commit a position; returns when the broker has it.

        Raises:
            PartitionLost: it is somebody else's now.
            KafkaAway: not acknowledged; the broker may have it or not.
        """
        place = TopicPartition(self._topic, partition, position.offset, metadata=ranges.metadata(position))
        try:
            (found,) = self._consumer.commit(offsets=[place], asynchronous=False)
            if found.error is not None:
                raise KafkaException(found.error)
        except KafkaException as error:
            code = error.args[0].code()
            if code in _LOST:
                raise PartitionLost(_words(error)) from None
            if code in _FOR_GOOD:
                raise
            raise KafkaAway(f"Kafka at {self.address}: {_words(error)}") from None

    def high(self, partition: int) -> int:
        """The journal's next offset as of the last fetch; negative where none was."""
        place = TopicPartition(self._topic, partition)
        return int(self._consumer.get_watermark_offsets(place, cached=True)[1])

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Nothing is read until `read`: where to begin takes requests that a rebalance should not wait for.
        consumer.assign([])
        self.assigned = frozenset(p.partition for p in partitions)
        self.rebalances += 1

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.unassign()
        self.assigned -= {p.partition for p in partitions}
        self.rebalances += 1

    def _note(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._AUTHENTICATION):
            self._away = error.str()


def _consumer_settings(settings: Settings) -> dict[str, Any]:
    record = settings.topics.journal_message_bytes + MIB  # a record batch is a little larger than its record
    answer = max(_FETCH_BYTES, record)
    named = {"group.instance.id": settings.sink.name} if settings.sink.name else {}
    return (
        kafka_client(settings)
        | named
        | {
            "group.id": settings.sink.group_id,
            "client.id": settings.sink.name or "tally-sink",
            "group.protocol": "classic",
            # All partitions are given back at a rebalance: one way to lose one.
            "partition.assignment.strategy": "range",
            "session.timeout.ms": _SESSION_MS,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_uncommitted",
            "max.partition.fetch.bytes": record,
            "fetch.max.bytes": answer,
            "receive.message.max.bytes": answer + MIB,
            "queued.max.messages.kbytes": _QUEUE_BYTES // 1024,
            "fetch.wait.max.ms": 100,
        }
    )


def _words(error: KafkaException) -> str:
    found = error.args[0]
    return str(found.str()) if isinstance(found, KafkaError) else str(found)


def _silent() -> logging.Logger:
    """librdkafka's own lines repeat what is said here, without a bound."""
    silent = logging.getLogger("tally.sink.librdkafka")
    silent.addHandler(logging.NullHandler())
    silent.propagate = False
    return silent
