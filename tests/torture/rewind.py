"""Sinks' offsets set back, as an operator's reset, a restored backup or a broker's power loss would.

What the group has committed before is read where Kafka keeps it: in the topic `__consumer_offsets`, whose records are
big-endian (key: version 0 or 1, group, topic, partition; value from version 3 on: version, offset, leader epoch,
metadata, commit time, and what later versions append).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from connectors.clickhouse import ranges
from connectors.clickhouse.ranges import Position

OFFSETS_TOPIC = "__consumer_offsets"
READ_SECONDS = 30.0  # to read what a run's groups have committed: some thousand small records
REQUEST_SECONDS = 10.0
COMMIT_KEYS = (0, 1)  # versions of keys of offset commits; others are about members
VALUE_VERSION_MIN = 3  # since Kafka 2.1
FLEXIBLE_FROM = 4  # since Kafka 4.1: a text's size is a varint, one too large


class Place(NamedTuple):
    """Whose commits on what."""

    group: str
    topic: str
    partition: int


class StillTaken(RuntimeError):
    """The group has a member, or its coordinator does not answer: nothing was set back."""


def history(address: str, place: Place) -> list[Position]:
    """What the sinks have committed there, oldest first; the last one holds. Not what compaction has removed.

    Raises:
        TimeoutError: it could not be read in time.
    """
    reader = Consumer({"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False, "log_level": 0})
    deadline = time.monotonic() + READ_SECONDS
    try:
        while True:
            with suppress(KafkaException):  # a broker that was killed a moment ago
                found = list(_all(reader, deadline))
                return [position for message in found if (position := _position(message, place)) is not None]
            if time.monotonic() > deadline:
                raise TimeoutError(f"{OFFSETS_TOPIC}: no answer within {READ_SECONDS:g} s")
    finally:
        reader.close()


def rewind(address: str, place: Place, position: Position) -> None:
    """Commit a position from outside the group, which must have no member.

    Raises:
        StillTaken
    """
    settings = {"group.id": place.group, "enable.auto.commit": False, "log_level": 0}
    outside = Consumer({"bootstrap.servers": address, **settings})
    target = TopicPartition(place.topic, place.partition, position.offset, metadata=ranges.metadata(position))
    try:
        (done,) = outside.commit(offsets=[target], asynchronous=False)
        if done.error is not None:
            raise KafkaException(done.error)
    except KafkaException as error:
        raise StillTaken(f"group {place.group}: {error.args[0].str()}") from None
    finally:
        outside.close()


def _all(reader: Consumer, deadline: float) -> Iterator[Message]:
    """Every record of the topic up to its present end, partition by partition.

    Raises:
        KafkaException, TimeoutError
    """
    for number in sorted(reader.list_topics(OFFSETS_TOPIC, timeout=REQUEST_SECONDS).topics[OFFSETS_TOPIC].partitions):
        low, high = reader.get_watermark_offsets(TopicPartition(OFFSETS_TOPIC, number), timeout=REQUEST_SECONDS)
        reader.assign([TopicPartition(OFFSETS_TOPIC, number, low)])
        while reader.position([TopicPartition(OFFSETS_TOPIC, number)])[0].offset < high and low < high:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{OFFSETS_TOPIC}, partition {number}: not read within {READ_SECONDS:g} s")
            message = reader.poll(0.2)
            if message is not None and message.error() is None:
                yield message


def _position(message: Message, place: Place) -> Position | None:
    key, value = _Bytes(message.key() or b""), message.value()
    if value is None or key.short() not in COMMIT_KEYS or (key.text(), key.text(), key.integer()) != place:
        return None
    fields = _Bytes(value)
    version = fields.short()
    assert version >= VALUE_VERSION_MIN, f"an offset commit of version {version}: the broker is too old"
    offset = fields.long()
    fields.integer()  # the leader's epoch
    try:
        text = fields.compact() if version >= FLEXIBLE_FROM else fields.text()
        return ranges.position(offset, text.rstrip("\0"))  # confluent-kafka sends the C string's end with it
    except ranges.JournalGone:  # somebody else's commit, as an operator's
        return None


class _Bytes:
    """Kafka's fixed fields, read one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def short(self) -> int:
        return self._number(">h")

    def integer(self) -> int:
        return self._number(">i")

    def long(self) -> int:
        return self._number(">q")

    def text(self) -> str:
        size = self._number(">h")
        self._at += size
        return self._content[self._at - size : self._at].decode()

    def compact(self) -> str:
        size = shift = 0
        while True:
            byte = self._number(">B")
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        self._at += size - 1
        return self._content[self._at - size + 1 : self._at].decode()

    def _number(self, form: str) -> int:
        (number,) = struct.unpack_from(form, self._content, self._at)
        self._at += struct.calcsize(form)
        return number
