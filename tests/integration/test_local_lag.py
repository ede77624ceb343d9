"""The lag of worker and sink on a real Kafka."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.lag import Lag, lag, totals
from pipeline.settings import Settings, load

PARTITIONS = 2
WAITED_SECONDS = 1.2


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    """Topics and groups of this test alone; of the source topics only two exist."""
    own = f"lag-{uuid.uuid4().hex[:8]}"
    settings = load(
        {
            "kafka.bootstrap_servers": kafka,
            "topics.prefix": f"{own}.",
            "worker.group_id": own,
            "sink.group_id": f"{own}-sink",
        }
    )
    admin = AdminClient({"bootstrap.servers": kafka})
    config = {"message.timestamp.type": "LogAppendTime"}
    names = [f"{own}.{topic}" for topic in ("events.email", "events.crm", "journal")]
    for future in admin.create_topics([NewTopic(name, PARTITIONS, 1, config=config) for name in names]).values():
        future.result()
    yield settings
    for future in admin.delete_topics(names).values():
        future.result()


def produce(settings: Settings, topic: str, partition: int, count: int) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka_address(), "linger.ms": 0, "compression.type": "zstd"})
    for number in range(count):
        producer.produce(settings.topics.prefix + topic, b"%d" % number * 100, partition=partition)
    assert producer.flush(20) == 0


def commit(settings: Settings, group: str, topic: str, partition: int, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": settings.kafka_address(), "group.id": group})
    place = TopicPartition(settings.topics.prefix + topic, partition, offset)
    deadline = time.monotonic() + 20
    while True:
        try:
            consumer.commit(offsets=[place], asynchronous=False)
            break
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    consumer.close()


def by_place(lags: list[Lag]) -> dict[tuple[str, int], Lag]:
    return {(found.topic, found.partition): found for found in lags}


def test_nothing_produced_is_no_lag_and_topics_that_do_not_exist_are_left_out(settings: Settings) -> None:
    found = lag(settings)
    assert [(part.service, part.topic, part.partition) for part in found] == [
        ("worker", "events.email", 0),
        ("worker", "events.email", 1),
        ("worker", "events.crm", 0),
        ("worker", "events.crm", 1),
        ("sink", "journal", 0),
        ("sink", "journal", 1),
    ]
    assert {(part.records, part.seconds, part.committed) for part in found} == {(0, 0.0, None)}


def test_records_and_the_age_of_the_oldest_unread_one(settings: Settings) -> None:
    produce(settings, "events.email", 0, 10)
    produce(settings, "events.crm", 1, 3)
    produce(settings, "journal", 1, 5)
    time.sleep(WAITED_SECONDS)
    produce(settings, "events.email", 0, 7)
    produce(settings, "events.crm", 1, 2)
    commit(settings, settings.worker.group_id, "events.email", 0, 10)
    commit(settings, settings.sink.group_id, "journal", 1, 5)
    found = by_place(lag(settings))

    email = found["events.email", 0]
    assert (email.committed, email.end, email.records) == (10, 17, 7)
    assert email.seconds is not None
    assert 0 <= email.seconds < WAITED_SECONDS, "its oldest unread record is of the second lot"
    crm = found["events.crm", 1]
    assert (crm.committed, crm.end, crm.records) == (None, 5, 5)
    assert crm.seconds is not None
    assert WAITED_SECONDS <= crm.seconds < 60
    journal = found["journal", 1]
    assert (journal.committed, journal.records, journal.seconds) == (5, 0, 0.0)

    worker, sink = totals(found.values())
    assert (worker.service, worker.records, worker.seconds) == ("worker", 12, crm.seconds)
    assert (sink.service, sink.records, sink.seconds) == ("sink", 0, 0.0)


def test_records_that_retention_took_are_not_behind_any_more(settings: Settings) -> None:
    produce(settings, "events.email", 0, 10)
    commit(settings, settings.worker.group_id, "events.email", 0, 2)
    admin = AdminClient({"bootstrap.servers": settings.kafka_address()})
    place = TopicPartition(f"{settings.topics.prefix}events.email", 0, 6)
    for future in admin.delete_records([place]).values():
        future.result()
    assert by_place(lag(settings))["events.email", 0].records == 4
