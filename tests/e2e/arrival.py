"""What arrived and in which order it was decided, read back from Kafka: what the oracle is told.

A journal record says which offsets of which topics it decided: of two records the earlier one comes first. Inside a
record its `sources` say the order. Where they are runs, which happens only after the broker's clock went back, they
are the order themselves. Else they have one entry a topic, and an event's time decides: the highest of the broker's
times among the record's offsets of its topic up to its own; equal times go by the topic's place in the flow, and a
topic keeps its own order. (tests/property/test_decided_order.py holds that.)

Publishing gives one account's topics different milliseconds all the same, so that what is expected does not hang on
this rule; that is asserted.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_LOG_APPEND_TIME, Consumer, Message, TopicPartition

from pipeline.core.origins import place
from pipeline.core.record import Record
from pipeline.journal.ports import Place
from pipeline.journal.reader import KafkaReader
from pipeline.journal.verify import Check
from pipeline.settings import Settings
from pipeline.topics import JOURNAL, SOURCE_TOPICS, logical, physical
from tests.property.running import Sent, identity_hash

READ_SECONDS = 30.0
RECORDS = 1000  # of one call

Told = dict[str, Any]
Coordinates = tuple[str, int, int]  # topic, partition, offset


@dataclass(frozen=True)
class Arrived:
    """A record as the broker keeps it; `key` is its account."""

    topic: str
    partition: int
    offset: int
    arrived_ms: int
    key: str
    value: bytes | None


class Decided(NamedTuple):
    """A record of the journal, and what it decided in the order in which it did."""

    record: Record
    arrived: list[Arrived]


class Journal(NamedTuple):
    """A partition of the journal: its valid records with their offsets, and the check of the whole chain."""

    valid: list[tuple[int, Record]]
    check: Check


def journal(settings: Settings, number: int) -> Journal:
    """A partition of the journal, whole."""
    return asyncio.run(_journal(settings, number))


def read_back(settings: Settings, held: Mapping[tuple[str, int], int]) -> dict[Coordinates, Arrived]:
    """Every record of the source topics; `held` says how many there are by topic and partition."""
    prefix = settings.topics.prefix
    consumer = Consumer({"bootstrap.servers": settings.kafka_address(), "group.id": "unused"})
    consumer.assign([TopicPartition(physical(prefix, t), n, OFFSET_BEGINNING) for t, n in held])
    found: dict[Coordinates, Arrived] = {}
    deadline = time.monotonic() + READ_SECONDS
    try:
        while len(found) < sum(held.values()):
            assert time.monotonic() < deadline, f"read {len(found)} of {sum(held.values())} records"
            for message in consumer.consume(RECORDS, timeout=1):
                one = _arrived(prefix, message)
                found[one.topic, one.partition, one.offset] = one
    finally:
        consumer.close()
    return found


def decisions(settings: Settings, arrived: Mapping[Coordinates, Arrived]) -> dict[int, list[Decided]]:
    """By partition: the journal's valid records with what each decided; together they are all that arrived."""
    found = {}
    for number in range(settings.topics.partitions):
        read = journal(settings, number)
        assert read.check.faults == []
        found[number] = [Decided(record, in_order(record, number, arrived)) for _, record in read.valid]
    decided = [(a.topic, a.partition, a.offset) for of in found.values() for one in of for a in one.arrived]
    assert len(decided) == len(set(decided)), "an event was decided twice"
    assert set(decided) == set(arrived), "events were not decided"
    return found


def assert_order_is_proven(decided: list[Decided]) -> None:
    """No account has two topics that share a record and a millisecond; and the records say that this was the order."""
    for one in decided:
        ties = {(a.key, a.arrived_ms, a.topic) for a in one.arrived}
        accounts = [(key, arrived_ms) for key, arrived_ms, _ in ties]
        assert len(accounts) == len(set(accounts)), "topics of one account share a millisecond: their order is unknown"
        times = {(a.topic, a.offset): a.arrived_ms for a in one.arrived}
        rejected = [times[r.topic, r.offset] for r in one.record.rejects]
        assert rejected == sorted(rejected), "rejects, which stand in the order of decision, are not in the broker's"
        places = [place(int(origin)) for origin in one.record.origins]
        for kind, of_kind in itertools.groupby(places, key=lambda at: _schema(at[0])):
            rows = [times[at] for at in of_kind]
            assert kind == "profile" or rows == sorted(rows), "rows of one schema are not in the broker's order"


def told(decided: list[Decided], sent: Mapping[tuple[str, bytes | None], Sent]) -> list[Told]:
    """A partition's history as the oracle is told it; `sent` knows an event by its topic and bytes."""
    return [_told(arrived, sent[arrived.topic, arrived.value]) for one in decided for arrived in one.arrived]


def _arrived(prefix: str, message: Message) -> Arrived:
    assert message.error() is None, message.error()
    kind, arrived_ms = message.timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    key = message.key() or b""
    return Arrived(logical(prefix, topic), partition, offset, arrived_ms, str(key, "utf-8"), message.value())


async def _journal(settings: Settings, number: int) -> Journal:
    reader = KafkaReader({"bootstrap_servers": settings.kafka_address()}, settings.topics.journal_message_bytes)
    found: list[tuple[int, Record]] = []
    async with reader.session() as session:
        at = Place(physical(settings.topics.prefix, JOURNAL), number)
        held = (await session.bounds([at]))[at]
        check = Check(number, held.first)
        async for entries in session.read(at, held.first, held.next):
            seen = [check.take(entry) for entry in entries]
            found += [(one.entry.offset, one.record) for one in seen if one.valid and one.record is not None]
    return Journal(found, check)


def in_order(record: Record, number: int, arrived: Mapping[Coordinates, Arrived]) -> list[Arrived]:
    """What a record decided, in the order in which it did."""
    places = order(record, lambda topic, offset: arrived[topic, number, offset].arrived_ms)
    return [arrived[topic, number, offset] for topic, offset in places]


def order(record: Record, arrived_ms: Callable[[str, int], int]) -> list[tuple[str, int]]:
    """Topic and offset of all that a record decided, in the order of decision: by `sources` and the topics alone."""
    if record.runs:
        return [(source.topic, offset) for source in record.sources for offset in range(source.first, source.next)]
    found: list[tuple[int, int, int]] = []
    for source in record.sources:
        times = (arrived_ms(source.topic, offset) for offset in range(source.first, source.next))
        topic = SOURCE_TOPICS.index(source.topic)
        found += [(time_ms, topic, source.first + n) for n, time_ms in enumerate(itertools.accumulate(times, max))]
    return [(SOURCE_TOPICS[topic], offset) for _, topic, offset in sorted(found)]


def _schema(topic: str) -> str:
    name = topic.removeprefix("events.")
    return name if name in ("profile", "account", "crm") else "channel"


def _told(arrived: Arrived, sent: Sent) -> Told:
    place: Told = {"topic": arrived.topic, "offset": arrived.offset, "arrived_at": arrived.arrived_ms * 1000}
    if sent.event is None:
        return place | {"unreadable": sent.unreadable}
    assert arrived.value is not None
    rank = identity_hash(sent.event, arrived.topic, arrived.value)
    return sent.event | place | {"body": arrived.value[5:], "rank": rank}


def by_value(histories: Mapping[str, list[Sent]]) -> dict[tuple[str, bytes | None], Sent]:
    """What was sent, by topic and bytes."""
    return {(sent.topic, sent.value): sent for history in histories.values() for sent in history}
