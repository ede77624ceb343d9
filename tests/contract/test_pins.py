"""The transport stands on insides of Faust and aiokafka. When one changes, this says which, before it loses data.

After an upgrade: read the new source against `pipeline/transport`, run the kill tests, then renew the digests with
`python -m tests.contract.test_pins`.
"""

from __future__ import annotations

import hashlib
import inspect
from importlib import metadata

import aiokafka.client as client
import aiokafka.consumer.fetcher as fetcher
import aiokafka.consumer.group_coordinator as coordinator
import faust.app.base as app
import faust.assignor.partition_assignor as assignor
import faust.transport.conductor as conductor
import faust.transport.consumer as consumer
import faust.transport.drivers.aiokafka as driver
import mode.worker as worker
import pytest
from faust.streams import Stream

from pipeline.transport.assignor import WholeAssignor
from pipeline.transport.bootstrap import PatientProducer
from pipeline.transport.commits import CommittingConsumer
from pipeline.transport.consumer import SlabConsumer
from pipeline.transport.service import Service
from pipeline.transport.thread import SlabThread

VERSIONS = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0", "mode-streaming": "0.7.1"}

# What we override, with the class that holds the original.
OVERRIDDEN = [
    (SlabConsumer, consumer.Consumer, "on_init"),
    (SlabConsumer, consumer.Consumer, "on_partitions_revoked"),
    (SlabConsumer, consumer.Consumer, "perform_seek"),
    (SlabConsumer, consumer.Consumer, "_drain_messages"),
    (CommittingConsumer, consumer.Consumer, "_new_offset"),
    (CommittingConsumer, consumer.Consumer, "_commit_offsets"),
    (CommittingConsumer, consumer.Consumer, "verify_all_partitions_active"),
    (SlabConsumer, consumer.Consumer, "ack"),
    (SlabConsumer, driver.Consumer, "on_stop"),
    (SlabConsumer, driver.Consumer, "_new_consumer_thread"),
    (SlabThread, driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
    (SlabThread, driver.AIOKafkaConsumerThread, "assignment"),
    (PatientProducer, driver.Producer, "_new_producer"),
    (WholeAssignor, assignor.PartitionAssignor, "_get_copartitioned_groups"),
    (Service, worker.Worker, "_on_sigint"),
    (Service, worker.Worker, "_on_sigterm"),
]

# What we rely on: the originals, and what calls or is called by them.
DIGESTS = {
    "Consumer.on_partitions_revoked": "d04b7ae72c6fc206",
    "Consumer.perform_seek": "0e8c130ff4b0afd8",
    "Consumer._drain_messages": "44a2500309e83c63",
    "Consumer._new_offset": "1d2c7ea89a7ad4f1",
    "Consumer._commit_offsets": "1a69799041188441",
    "Consumer.verify_all_partitions_active": "4e0e46f5c297305d",
    "Consumer.ack": "5fcf41cf45153475",
    "Consumer.on_stop": "173f86b366f3608e",
    "Consumer._new_consumer_thread": "0870ec53dea75083",
    "AIOKafkaConsumerThread._create_worker_consumer": "c2701bfc3e6f6cad",
    "AIOKafkaConsumerThread.assignment": "61f105132ae619f6",
    "Producer._new_producer": "e72355c3430ed02f",
    "PartitionAssignor._get_copartitioned_groups": "82b7a3764ad596f6",
    "Worker._on_sigint": "25334ac514b211b2",
    "Worker._on_sigterm": "6b99528ef557db1d",
    "PartitionAssignor._group_co_subscribed": "f4e674eedfda0448",
    "PartitionAssignor._perform_assignment": "1e0bf2c5c8f42574",
    "Consumer.__init__": "302410d59e6972d1",
    "Consumer._filter_committable_offsets": "dc5e9baf5d994485",
    "Consumer._should_commit": "5ce941793947ad42",
    "Consumer._wait_for_ack": "d9c9337d4af88e54",
    "Consumer.wait_empty": "e4662fe24f094819",
    "Consumer.on_partitions_assigned": "29ce96596f05a18c",
    "AIOKafkaConsumerThread._seek_wait": "9d221e816d940467",
    "AIOKafkaConsumerThread._fetch_records": "39a2c6c79fc1455a",
    "AIOKafkaConsumerThread._commit": "932852ce7a23f658",
    "AIOKafkaConsumerThread.on_start": "38b4e8bd1e10723a",
    "Producer.on_start": "219c9a7a785d77b2",
    "Transport": "a06006f6ae8ed716",
    "App.on_stop": "bfe5a933defb2324",
    "App._stop_consumer": "55854a5de12c3f52",
    "App._on_partitions_revoked": "d5c895bbe57dc73a",
    "App._on_partitions_assigned": "de932b7927db85b3",
    "ConductorCompiler.build": "837cf521368c1ee4",
    "Conductor._compile_message_handler": "9fbc0538097aa4ec",
    "Stream.noack": "921a6f5c674d32d4",
    "Stream.events": "c62f4dd3a73fe7aa",
    "Worker._schedule_shutdown": "1a6a5dfc88c2298b",
    "Worker.execute_from_commandline": "212e98f635d7a69b",
    "AIOKafkaClient.set_topics": "9f9b55d6d8997834",
    "AIOKafkaClient.bootstrap": "198943b004e55849",
    "FetchResult": "d7db13f06de8248c",
    "FetchError": "10966ad4c7954483",
    "PartitionRecords": "94aa0da0dbec8d1b",
    "Fetcher.__init__": "bf21ecb7e0f210b7",
    "Fetcher.fetched_records": "be4348896b9b66af",
    "Fetcher._notify": "d3a30d94f34fd3a0",
    "Fetcher._create_fetch_waiter": "61d840568746477e",
    "Fetcher._fetch_requests_routine": "2a8ec5932644c9b0",
    "Fetcher._proc_fetch_request": "59bf948fff47eed5",
    "GroupCoordinator._do_heartbeat": "dc1d6632aaa68e96",
    "GroupCoordinator._send_req": "fa4b12e914ce9fcf",
    "AIOKafkaClient.send": "246b277687d7b687",
}

SOURCES = {
    **{f"{original.__name__}.{name}": getattr(original, name) for _, original, name in OVERRIDDEN if name != "on_init"},
    "PartitionAssignor._group_co_subscribed": assignor.PartitionAssignor._group_co_subscribed,
    "PartitionAssignor._perform_assignment": assignor.PartitionAssignor._perform_assignment,
    "Consumer.__init__": consumer.Consumer.__init__,
    "Consumer._filter_committable_offsets": consumer.Consumer._filter_committable_offsets,
    "Consumer._should_commit": consumer.Consumer._should_commit,
    "Consumer._wait_for_ack": consumer.Consumer._wait_for_ack,
    "Consumer.wait_empty": consumer.Consumer.wait_empty,
    "Consumer.on_partitions_assigned": consumer.Consumer.on_partitions_assigned,
    "AIOKafkaConsumerThread._seek_wait": driver.AIOKafkaConsumerThread._seek_wait,
    "AIOKafkaConsumerThread._fetch_records": driver.AIOKafkaConsumerThread._fetch_records,
    "AIOKafkaConsumerThread._commit": driver.AIOKafkaConsumerThread._commit,
    "AIOKafkaConsumerThread.on_start": driver.AIOKafkaConsumerThread.on_start,
    "Producer.on_start": driver.Producer.on_start,
    "Transport": driver.Transport.__init__,
    "App.on_stop": app.App.on_stop,
    "App._stop_consumer": app.App._stop_consumer,
    "App._on_partitions_revoked": app.App._on_partitions_revoked,
    "App._on_partitions_assigned": app.App._on_partitions_assigned,
    "ConductorCompiler.build": conductor.ConductorCompiler.build,
    "Conductor._compile_message_handler": conductor.Conductor._compile_message_handler,
    "Stream.noack": Stream.noack,
    "Stream.events": Stream.events,
    "Worker._schedule_shutdown": worker.Worker._schedule_shutdown,
    "Worker.execute_from_commandline": worker.Worker.execute_from_commandline,
    "AIOKafkaClient.set_topics": client.AIOKafkaClient.set_topics,
    "AIOKafkaClient.bootstrap": client.AIOKafkaClient.bootstrap,
    "FetchResult": fetcher.FetchResult,
    "FetchError": fetcher.FetchError,
    "PartitionRecords": fetcher.PartitionRecords,
    "Fetcher.__init__": fetcher.Fetcher.__init__,
    "Fetcher.fetched_records": fetcher.Fetcher.fetched_records,
    "Fetcher._notify": fetcher.Fetcher._notify,
    "Fetcher._create_fetch_waiter": fetcher.Fetcher._create_fetch_waiter,
    "Fetcher._fetch_requests_routine": fetcher.Fetcher._fetch_requests_routine,
    "Fetcher._proc_fetch_request": fetcher.Fetcher._proc_fetch_request,
    "GroupCoordinator._do_heartbeat": coordinator.GroupCoordinator._do_heartbeat,
    "GroupCoordinator._send_req": coordinator.GroupCoordinator._send_req,
    "AIOKafkaClient.send": client.AIOKafkaClient.send,
}


def digest(source: object) -> str:
    """Of the source text."""
    return hashlib.sha256(inspect.getsource(source).encode()).hexdigest()[:16]  # type: ignore[arg-type]


@pytest.mark.parametrize("package", VERSIONS)
def test_the_version_is_the_one_that_the_transport_was_proven_on(package: str) -> None:
    assert metadata.version(package) == VERSIONS[package]


@pytest.mark.parametrize("name", SOURCES)
def test_what_the_transport_stands_on_is_unchanged(name: str) -> None:
    assert digest(SOURCES[name]) == DIGESTS.get(name), f"{name} changed: see this module's head"


@pytest.mark.parametrize(("ours", "original", "name"), OVERRIDDEN, ids=lambda x: getattr(x, "__name__", x))
def test_an_override_takes_what_the_original_takes(ours: type, original: type, name: str) -> None:
    assert name in vars(ours), "the override is gone"
    mine, theirs = (list(inspect.signature(getattr(one, name)).parameters) for one in (ours, original))
    assert mine == theirs


if __name__ == "__main__":
    for key, value in SOURCES.items():
        print(f'    "{key}": "{digest(value)}",')  # noqa: T201
