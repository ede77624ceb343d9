"""A worker's life: stops and starts, from snapshots and from the journal alone, with its broker gone and back."""

from __future__ import annotations

import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException

from connectors.local import kafka as ladder
from connectors.local.progress import silent
from connectors.local.service import Service, Wish
from pipeline.topics import logical
from tests.contract.workers import Deployment, stopped, wait_until

STOP_S = 4  # allowed to a worker whose broker is gone


@pytest.fixture
def deployment(kafka: str, tmp_path: Path) -> Iterator[Deployment]:
    one = Deployment(kafka, "restart.", tmp_path)
    one.create_topics()
    yield one
    one.end()


def test_a_restart_goes_on_from_a_snapshot_and_without_one_from_the_journal(deployment: Deployment) -> None:
    variables = {"TALLY_WORKER__SNAPSHOT_EVENTS": "1000", "TALLY_WORKER__BATCH_EVENTS_MAX": "500"}
    deployment.produce(100)
    worker = deployment.start(**variables)
    deployment.wait_told("snapshot up to journal offset")
    deployment.wait_complete(20)
    assert stopped(worker)[0] == 0
    log_of_first = len(deployment.told())

    deployment.produce(20)
    worker = deployment.start(**variables)
    deployment.wait_complete(20)
    assert "snapshot up to journal offset" in deployment.told()[log_of_first:]
    assert stopped(worker, signal.SIGINT)[0] == 0

    shutil.rmtree(deployment.home / "state")
    deployment.produce(20)
    worker = deployment.start(**variables)
    deployment.wait_complete(20)
    read = metric(deployment, "tally_events_read_total")
    assert (read, metric(deployment, "tally_lane_ready")) == (20 * 44, 4)
    assert metric(deployment, "tally_journal_folded_records_total") > 0
    code, seconds = stopped(worker)
    assert code == 0
    assert seconds < 5


def test_what_the_journal_says_is_committed_though_nothing_more_comes(deployment: Deployment) -> None:
    """Of a worker that died behind its last decision: lag monitors would see a lag until the next event."""
    deployment.produce(5)
    worker = deployment.start()
    deployment.wait_complete(20)
    worker.kill()
    worker.wait()
    group = f"{deployment.prefix}workers"
    wait_until(lambda: deleted(deployment, group), 60, lambda: "the group still has its dead member")
    deployment.start()
    ends = dict.fromkeys(deployment.places(), 5)
    wait_until(lambda: committed(deployment, group) == ends, 20, lambda: f"{committed(deployment, group)}")


def deleted(deployment: Deployment, group: str) -> bool:
    """Whether the group's offsets could be deleted: it has no member any more."""
    try:
        deployment.admin.delete_consumer_groups([group])[group].result(10)
    except KafkaException:
        return False
    return True


def committed(deployment: Deployment, group: str) -> dict[tuple[str, int], int]:
    """The group's offsets by place."""
    found = deployment.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(10)
    places = found.topic_partitions or []
    return {(logical(deployment.prefix, place.topic), place.partition): place.offset for place in places}


def metric(deployment: Deployment, name: str) -> float:
    """The sum of a metric of the last worker, over its labels."""
    url = deployment.told().rsplit("metrics on ", 1)[1].split("/metrics", 1)[0] + "/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


class OwnBroker:
    """A broker that a test may kill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.service: Service | None = None
        self.port: int | None = None

    def start(self) -> None:
        """Start it, on the same port as before."""
        self.service = ladder.from_jars(self.folder, Wish(port=self.port, bound_to_parent=True), silent)
        self.port = int(self.service.address.rsplit(":", 1)[1])

    def kill(self) -> None:
        """End it at once, with kill -9."""
        if self.service is not None:
            process = psutil.Process(self.service.pid)
            process.kill()
            process.wait(10)
            self.service = None


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[OwnBroker]:
    broker = OwnBroker(tmp_path / "kafka")
    broker.start()
    yield broker
    broker.kill()


def test_a_worker_outlives_its_broker_and_stops_in_time_without_it(own_broker: OwnBroker, tmp_path: Path) -> None:
    deployment = Deployment(f"127.0.0.1:{own_broker.port}", "outlives.", tmp_path)
    deployment.create_topics()
    worker = deployment.start(TALLY_WORKER__STOP_SECONDS=str(STOP_S))
    deployment.produce(10)
    deployment.wait_complete(20)
    own_broker.kill()
    own_broker.start()
    deployment.produce(10)
    deployment.wait_complete(30)
    assert worker.poll() is None
    own_broker.kill()
    code, seconds = stopped(worker)
    assert code == 0
    assert seconds < STOP_S + 2
    assert len(deployment.told().splitlines()) < 200
