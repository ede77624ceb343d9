"""What a worker refuses, at the door: topics that are not as it needs them, events that are gone, no broker."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from pipeline.topics import SOURCE_TOPICS
from tests.contract.workers import Deployment, stopped


@pytest.fixture
def deployment(kafka: str, tmp_path: Path) -> Iterator[Deployment]:
    one = Deployment(kafka, "refuses.", tmp_path, {"topics.partitions": 2})
    one.create_topics()
    yield one
    one.end()


def configure(deployment: Deployment, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, deployment.prefix + topic, incremental_configs=[entry])
    for future in deployment.admin.incremental_alter_configs([resource]).values():
        future.result(10)


def test_topics_that_are_wrong_are_told_all_at_once_and_the_worker_does_not_start(deployment: Deployment) -> None:
    configure(deployment, "events.sms", "message.timestamp.type", "CreateTime")
    configure(deployment, "journal", "retention.ms", "1000000")
    for future in deployment.admin.delete_topics([f"{deployment.prefix}events.crm"]).values():
        future.result(10)
    time.sleep(0.2)
    assert deployment.start().wait(20) == 1
    told = deployment.told()
    assert f"{deployment.prefix}events.crm: missing" in told
    assert f"{deployment.prefix}events.sms: message.timestamp.type is CreateTime; it must be LogAppendTime" in told
    assert f"{deployment.prefix}journal: retention.ms is 1000000; it must be -1" in told
    assert "`tally topics apply`" in told


def test_a_journal_that_is_missing_is_told_and_the_worker_does_not_start(deployment: Deployment) -> None:
    for future in deployment.admin.delete_topics([f"{deployment.prefix}journal"]).values():
        future.result(10)
    time.sleep(0.2)
    assert deployment.start().wait(20) == 1
    assert f"{deployment.prefix}journal: missing" in deployment.told()


def test_events_that_are_gone_or_transactional_stop_their_partition_and_nothing_else(deployment: Deployment) -> None:
    deployment.produce(10)
    worker = deployment.start()
    deployment.wait_complete(20)
    assert stopped(worker)[0] == 0
    deployment.produce(10, iter([("events.email", 0)]))
    delete_before(deployment, "events.email", 0, 15)
    write_in_a_transaction(deployment, "events.web", 1)
    deployment.start()
    deployment.wait_told("partition 0 is not read: events.email holds 15 to 19, but the journal goes on at offset 10")
    deployment.wait_told(f"partition 1 is not read: {deployment.prefix}events.web, partition 1, offset 10: a record of")
    found = deployment.found()
    assert found.faults == ["0: events.email: the journal goes on at 10, but the topic holds [15, 20)"]
    assert {place: len(numbers) for place, numbers in found.numbers.items()} == {
        (topic, number): 10 for topic in SOURCE_TOPICS for number in (0, 1)
    }


def delete_before(deployment: Deployment, topic: str, partition: int, offset: int) -> None:
    place = TopicPartition(deployment.prefix + topic, partition, offset)
    for future in deployment.admin.delete_records([place]).values():
        future.result(10)


def write_in_a_transaction(deployment: Deployment, topic: str, partition: int) -> None:
    producer = Producer({"bootstrap.servers": deployment.address, "transactional.id": deployment.prefix})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(deployment.prefix + topic, b"x", partition=partition)
    producer.commit_transaction(30)


def no_broker(tmp_path: Path) -> Deployment:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Deployment(f"127.0.0.1:{free.getsockname()[1]}", "x.", tmp_path)


def test_an_absent_broker_is_told_with_its_address_and_waited_for_with_a_bound(tmp_path: Path) -> None:
    deployment = no_broker(tmp_path)
    began = time.monotonic()
    worker = deployment.start(COUNTING_BROKER_WAIT="4")
    assert worker.wait(20) == 1
    assert time.monotonic() - began < 10
    told = deployment.told()
    assert f"Kafka does not answer at {deployment.address}" in told
    assert "Gave up after 4 s" in told
    assert len(told.splitlines()) < 6


def test_a_worker_that_waits_for_its_broker_stops_on_a_signal(tmp_path: Path) -> None:
    deployment = no_broker(tmp_path)
    worker = deployment.start()
    deployment.wait_told("metrics on")
    code, seconds = stopped(worker, signal.SIGTERM)
    assert (code, deployment.told().count("Traceback")) == (0, 0)
    assert seconds < 9
