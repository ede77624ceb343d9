"""Where the worker began to read source partitions whose beginning is gone: its journal's first records say so.

Only an empty journal begins behind a topic's offset 0, so all that a partition's journal says of it later is without a
gap. A topic that is not among the first records began at 0, or was not read at all.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from pipeline.core.record import NotARecord, UnknownFormat, decode
from pipeline.journal import chain
from pipeline.kafka_cluster import quiet
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings
from pipeline.topics import JOURNAL, physical

LOOK_SECONDS = 3.0  # a journal's first records come at once; beyond, what is not found counts as read from 0 on
FETCH_BYTES = 64 * 1024  # one record of a partition is enough; a larger one still comes
MESSAGES = 100  # taken from the client at a time

Place = tuple[str, int]  # topic without prefix, partition


def first_reads(settings: Settings, begins: Mapping[Place, int]) -> dict[Place, int]:
    """The offset of the first event that was read of each place; where the journal is empty, what it begins with now.

    `begins`: where these partitions of source topics begin now.
    """
    if not begins:
        return {}
    small = {"fetch.message.max.bytes": FETCH_BYTES, "queued.min.messages": 1, "enable.partition.eof": True}
    own = {"group.id": f"{settings.worker.group_id}-first-reads", "enable.auto.commit": False}
    consumer = Consumer({**quiet(kafka_client(settings), []), **small, **own, "auto.offset.reset": "earliest"})
    try:
        return _Search(consumer, physical(settings.topics.prefix, JOURNAL), begins).found()
    finally:
        consumer.close()


class _Search:
    """Reads each journal partition from its beginning until it has named all topics that are looked for."""

    def __init__(self, consumer: Consumer, journal: str, begins: Mapping[Place, int]) -> None:
        self._consumer, self._journal, self._begins = consumer, journal, begins
        self._wanted = {number: {t for t, n in begins if n == number} for _, number in begins}
        self._last = dict.fromkeys(self._wanted, chain.FIRST)
        self._found: dict[Place, int] = {}

    def found(self) -> dict[Place, int]:
        """See `first_reads`."""
        self._consumer.assign([TopicPartition(self._journal, number, 0) for number in self._wanted])
        deadline = time.monotonic() + LOOK_SECONDS
        while self._wanted and (left := deadline - time.monotonic()) > 0:
            for message in self._consumer.consume(MESSAGES, min(left, 0.2)):
                self._take(message)
        return self._found

    def _take(self, message: Message) -> None:
        number = message.partition()
        wanted = None if number is None else self._wanted.get(number)
        if number is None or wanted is None:
            return
        error = message.error()
        if error is None:
            self._read(number, wanted, message.value() or b"")
        elif error.code() == KafkaError._PARTITION_EOF:
            if self._last[number] == chain.FIRST:
                self._found |= {(topic, number): self._begins[topic, number] for topic in wanted}
            wanted.clear()
        if not wanted:
            del self._wanted[number]
            self._consumer.pause([TopicPartition(self._journal, number)])

    def _read(self, number: int, wanted: set[str], value: bytes) -> None:
        try:
            link, record = decode(value)
        except (NotARecord, UnknownFormat):
            return
        if not chain.extends(link, self._last[number]):
            return
        self._last[number] = link.id
        for source in record.sources:
            if source.topic in wanted:
                wanted.discard(source.topic)
                self._found[source.topic, number] = source.first
