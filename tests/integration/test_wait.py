"""`tally wait` where Kafka's retention has deleted events: it ends neither too early nor never."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from connectors.clickhouse import migrations
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.cli import app, console
from pipeline.core.record import Link, Record, Source, encode
from pipeline.settings import load
from pipeline.topics import JOURNAL
from tests.integration.sink_journal import RULES

RUNNER = CliRunner()
EMAIL, SMS = "events.email", "events.sms"


class World(NamedTuple):
    """Topics of one partition, and tables without a row; what a worker and a sink would have done is said by hand."""

    prefix: str
    producer: Producer
    admin: AdminClient
    service: Service

    def produce(self, topic: str, *values: bytes) -> None:
        """Into the partition 0."""
        for value in values:
            self.producer.produce(self.prefix + topic, value, partition=0)
        assert self.producer.flush(30) == 0

    def delete_before(self, topic: str, offset: int) -> None:
        """As Kafka's retention does."""
        for done in self.admin.delete_records([TopicPartition(self.prefix + topic, 0, offset)]).values():
            done.result(30)

    def take(self, topic: str, read: int) -> None:
        """What the sink says of events that were read, all of them accepted."""
        self.service.command(f"INSERT INTO {self.prefix[:-1]}.intake VALUES ('{topic}', 0, {read}, {read}, 0, 0)")

    def missing(self) -> int:
        """What `tally wait` says that it lacks at once."""
        run = RUNNER.invoke(app.app, ["wait", "--timeout", "0", "--format", "json"])
        found = json.loads(run.stdout)
        assert run.exit_code == (console.Exit.FAILED if found["missing"] else console.Exit.OK), run.output
        assert found["events"] == found["accounted"] + sum(one["missing"] for one in found["missing"])
        return sum(one["missing"] for one in found["missing"])


@pytest.fixture
def world(kafka: str, clickhouse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    name = f"wait_{tmp_path.name}".replace("-", "_")[:40]
    for variable, value in {
        "TALLY_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "TALLY_CLICKHOUSE__URL": clickhouse,
        "TALLY_CLICKHOUSE__DATABASE": name,
        "TALLY_HOME": str(tmp_path),
        "TALLY_TOPICS__PREFIX": f"{name}.",
        "TALLY_TOPICS__PARTITIONS": "1",
    }.items():
        monkeypatch.setenv(variable, value)
    assert RUNNER.invoke(app.app, ["topics", "apply"]).exit_code == console.Exit.OK
    service = Service(target(load()), 60)
    migrations.apply(service, migrations.find(service))
    address = {"bootstrap.servers": kafka, "log_level": 0}
    yield World(f"{name}.", Producer(address), AdminClient(address), service)
    service.command(f"DROP DATABASE {name}")
    service.close()


def record(*sources: Source, id: int = 1, prev: int = 0) -> bytes:
    return encode(Record(RULES, 0, list(sources)), Link(id, prev, "worker"))


def test_events_that_were_read_and_then_deleted_stand_for_none_that_were_not(world: World) -> None:
    world.produce(EMAIL, *[b"x"] * 10)
    world.produce(JOURNAL, record(Source(EMAIL, 0, 7, 7)))
    world.take(EMAIL, 7)
    assert world.missing() == 3
    world.delete_before(EMAIL, 5)
    assert world.missing() == 3
    world.take(EMAIL, 3)
    assert world.missing() == 0


def test_what_was_deleted_before_anything_was_read_is_not_waited_for(world: World) -> None:
    world.produce(EMAIL, *[b"x"] * 10)
    world.produce(SMS, *[b"x"] * 8)
    world.delete_before(EMAIL, 4)
    world.delete_before(SMS, 2)
    assert world.missing() == 6 + 6
    rival = record(Source(EMAIL, 3, 7, 4), id=2, prev=9)
    world.produce(JOURNAL, rival, record(Source(EMAIL, 4, 7, 3)), record(Source(SMS, 2, 8, 6), id=3, prev=1))
    world.take(EMAIL, 3)
    world.take(SMS, 6)
    assert world.missing() == 3
    world.delete_before(EMAIL, 6)
    assert world.missing() == 3
    world.take(EMAIL, 1)  # another block than before: ClickHouse takes the same one for a repetition
    world.take(EMAIL, 2)
    assert world.missing() == 0


def test_what_is_gone_is_not_waited_for(world: World) -> None:
    world.produce(EMAIL, *[b"x"] * 10)
    world.delete_before(EMAIL, 10)
    assert world.missing() == 0
