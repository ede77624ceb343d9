"""Kafka beside the group: what a partition holds and its last record, and transactions.

A transaction writes records and the group's positions together or not at all, and not if the member that asks has lost
its partitions: its positions carry the generation in which it got them.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from connectors.alerts.settings import LOOK_BACK, TRANSACTION_MS, TRANSACTION_SECONDS_MAX
from connectors.group import ENTRIES_MAX, REQUEST_SECONDS_MAX
from connectors.kafka_faults import FOR_GOOD, LOST, KafkaAway, PartitionLost, silent, words
from pipeline import topics
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings

_LOG = logging.getLogger("tally.notify")
_PRODUCE_POLL_SECONDS = 0.1


class Bounds(NamedTuple):
    """Offsets `[low, high)`; `settled`: no transaction in them is open."""

    low: int
    high: int
    settled: bool


class Row(NamedTuple):
    """A record to write; `topic` without prefix, `at` UTC milliseconds or None for now."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    at: int | None = None


class Log:
    """Partitions as they are, without a group."""

    def __init__(self, settings: Settings) -> None:
        self._prefix, self._address = settings.topics.prefix, settings.kafka_address()
        self._client = kafka_client(settings)
        self._admin = AdminClient(
            self._client | {"log_level": 0, "error_cb": lambda _error: None}, logger=silent("notify")
        )

    def bounds(self, topic: str, partition: int) -> Bounds:
        """What a partition holds.

        Raises:
            KafkaAway
        """
        place = TopicPartition(topics.physical(self._prefix, topic), partition)
        high = self._offset(place, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)
        stable = self._offset(place, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)
        low = self._offset(place, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)
        return Bounds(low, high, stable >= high)

    def last(self, topic: str, partition: int, bounds: Bounds) -> bytes | None:
        """The value of the last record in the bounds; None: there is none.

        Raises:
            KafkaAway
        """
        back, begin = LOOK_BACK, bounds.high
        while begin > bounds.low:
            begin = max(bounds.low, bounds.high - back)
            for entry in reversed(list(self.read(topic, partition, begin, bounds.high))):
                return bytes(entry.value() or b"")
            back *= 2
        return None

    def read(self, topic: str, partition: int, begin: int, end: int) -> Iterable[Any]:
        """The committed records of `[begin, end)`.

        Raises:
            KafkaAway
        """
        consumer = Consumer(
            self._client
            | {
                "group.id": "none",  # the client wants one; nothing is committed
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "log_level": 0,
            },
            logger=silent("notify"),
        )
        try:
            place = TopicPartition(topics.physical(self._prefix, topic), partition, begin)
            consumer.assign([place])
            # To wait for the first alone: `consume` waits until it has as many as it may take.
            while (first := consumer.poll(REQUEST_SECONDS_MAX)) is not None:
                messages = [first, *consumer.consume(ENTRIES_MAX, 0.0)]
                kept = list(itertools.takewhile(lambda message: self._is_record(message, end), messages))
                yield from kept
                if len(kept) < len(messages):
                    return
            raise KafkaAway(f"Kafka at {self._address}: no record of {place.topic} for {REQUEST_SECONDS_MAX} s")
        finally:
            consumer.close()

    def _is_record(self, message: Any, end: int) -> bool:
        """Whether it is a record before `end`, not the partition's end itself."""
        error = message.error()
        if error is None:
            return bool(message.offset() < end)
        if error.code() != KafkaError._PARTITION_EOF:
            raise KafkaAway(f"Kafka at {self._address}: {error.str()}")
        return False

    def _offset(self, place: TopicPartition, spec: OffsetSpec, level: IsolationLevel) -> int:
        asked = self._admin.list_offsets({place: spec}, request_timeout=REQUEST_SECONDS_MAX, isolation_level=level)
        try:
            return int(asked[place].result(REQUEST_SECONDS_MAX).offset)
        except (KafkaException, TimeoutError) as error:
            said = words(error) if isinstance(error, KafkaException) else "no answer"
            raise KafkaAway(f"Kafka at {self._address}: {said}") from None


class Transactions:
    """One producer, made anew after every fault: what became of a transaction is then seen in the topic."""

    def __init__(self, settings: Settings, group_id: str, sent: Callable[[], None] = lambda: None) -> None:
        """`sent` is called when the records are sent, and nothing is committed."""
        self._prefix, self._address, self._sent = settings.topics.prefix, settings.kafka_address(), sent
        self._settings = kafka_client(settings) | {
            # Of this process alone: zombies are kept out by the group's generation, not by the producer's name.
            "transactional.id": f"{self._prefix}{group_id}.{uuid.uuid4().hex}",
            "transaction.timeout.ms": TRANSACTION_MS,
            "acks": "all",
            "linger.ms": 0,
            "compression.type": "lz4",
            "error_cb": lambda _error: None,
            "log_level": 0,
        }
        self._producer: Producer | None = None

    def write(self, rows: Sequence[Row], positions: list[TopicPartition], membership: object) -> None:
        """Write records and positions; returns when both are there.

        Raises:
            PartitionLost: nothing was written: a partition is somebody else's now.
            KafkaAway: all or nothing was written; a new look at the topic and the positions tells.
        """
        try:
            self._write(rows, positions, membership)
        except KafkaException as error:
            self._forget()
            code = error.args[0].code()
            if code in LOST:
                raise PartitionLost(words(error)) from None
            if code in FOR_GOOD:
                raise
            raise KafkaAway(f"Kafka at {self._address}: {words(error)}") from None

    def _write(self, rows: Sequence[Row], positions: list[TopicPartition], membership: object) -> None:
        if self._producer is None:
            self._producer = Producer(self._settings, logger=silent("notify"))
            self._producer.init_transactions(TRANSACTION_SECONDS_MAX)
        producer = self._producer
        producer.begin_transaction()
        for row in rows:
            self._produce(producer, row)
        producer.send_offsets_to_transaction(positions, membership, TRANSACTION_SECONDS_MAX)
        if producer.flush(TRANSACTION_SECONDS_MAX):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "records of a transaction were not acknowledged"))
        self._sent()
        producer.commit_transaction(TRANSACTION_SECONDS_MAX)

    def _produce(self, producer: Producer, row: Row) -> None:
        name, at = topics.physical(self._prefix, row.topic), row.at or 0  # 0: now, as the client has it
        while True:
            try:
                producer.produce(name, row.value, row.key, partition=row.partition, timestamp=at)
            except BufferError:
                producer.poll(_PRODUCE_POLL_SECONDS)
            else:
                return

    def _forget(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaException):  # what cannot be aborted is, by the broker, in its time
                producer.abort_transaction(REQUEST_SECONDS_MAX)
