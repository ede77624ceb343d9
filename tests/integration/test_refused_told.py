"""`tally status` and `tally wait` say which partitions are refused, by whom, and what to do: no wait is in vain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from connectors.clickhouse import migrations
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.settings import load
from tests.contract.workers import Deployment, stopped
from tests.integration.sink_world import ROOT, World
from tests.integration.test_broker_truth import LOOK, SMS, make_anew

PATIENCE_SECONDS = 100  # of a wait that must not take it
ENDED_SECONDS_MAX = 60.0  # on a busy machine; 8 alone


def tally(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli.app", *arguments],
        cwd=ROOT, env=plain | dict(settings), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def refused(settings: Mapping[str, str], *arguments: str) -> dict[tuple[str, int], dict[str, Any]]:
    """What a command's JSON says of refusals, by service and partition; it must not have succeeded."""
    done = tally(settings, *arguments, "--format", "json")
    assert done.returncode == 1, done.stdout + done.stderr
    return {(one["service"], one["partition"]): one for one in json.loads(done.stdout)["refused"]}


@pytest.fixture
def deployment(kafka: str, clickhouse: str, tmp_path: Path) -> Iterator[Deployment]:
    """Two partitions that a worker has read, and tables that no sink has filled."""
    one = Deployment(kafka, "told.", tmp_path, {"topics.partitions": 2, "clickhouse.url": clickhouse})
    one.create_topics()
    yield one
    one.end()


def environment(deployment: Deployment, clickhouse: str) -> dict[str, str]:
    return {
        "TALLY_HOME": str(deployment.home),
        "TALLY_KAFKA__BOOTSTRAP_SERVERS": deployment.address,
        "TALLY_TOPICS__PREFIX": deployment.prefix,
        "TALLY_WORKER__GROUP_ID": f"{deployment.prefix}workers",
        "TALLY_SINK__GROUP_ID": f"{deployment.prefix}sinks",
        "TALLY_CLICKHOUSE__URL": clickhouse,
        "TALLY_CLICKHOUSE__DATABASE": deployment.prefix.replace(".", "_").strip("_"),
    }


def test_a_topic_made_anew_is_told_by_status_and_ends_a_wait(deployment: Deployment, clickhouse: str) -> None:
    settings = environment(deployment, clickhouse)
    service = Service(target(load({}, settings, deployment.home)), 60)
    migrations.apply(service, migrations.find(service))
    deployment.produce(10, iter([(topic, n) for topic, n in deployment.places() if (topic, n) != (SMS, 1)]))
    worker = deployment.start(**LOOK)
    deployment.wait_complete(30)
    assert tally(settings, "status").returncode == 0
    make_anew(deployment, SMS)
    deployment.wait_told(f"partition 0 is not read: {SMS} was deleted and made anew")
    told = deployment.told()
    found = refused(settings, "status")
    assert found.keys() == {("worker", 0)}
    assert found["worker", 0]["group"] == f"{deployment.prefix}workers"
    assert f"partition 0 is not read: {found['worker', 0]['why']}" in told
    assert stopped(worker)[0] == 0

    done = tally(settings, "status")
    assert done.returncode == 1
    assert f"partition 0 is refused by the workers (group {deployment.prefix}workers): {SMS} was deleted" in done.stderr
    assert "To go on, begin anew under another TALLY_TOPICS__PREFIX" in done.stderr

    began = time.monotonic()
    done = tally(settings, "wait", "--timeout", str(PATIENCE_SECONDS))
    assert time.monotonic() - began < ENDED_SECONDS_MAX
    assert done.returncode == 1
    assert f"partition 0 is refused by the workers (group {deployment.prefix}workers): {SMS} was deleted" in done.stderr
    assert "nothing comes of waiting" in done.stderr
    assert refused(settings, "wait", "--timeout", "0").keys() == {("worker", 0)}
    service.command(f"DROP DATABASE {service.target.database}")
    service.close()


def test_what_a_sink_refuses_is_told_with_the_rebuild(kafka: str, clickhouse: str, tmp_path: Path, seed: int) -> None:
    world = World(kafka, clickhouse, tmp_path)
    world.make_topic()
    world.migrate()
    world.publish(seed, records=4)
    with world.sink() as sink:
        world.await_all()
        assert sink.stop() == 0
    assert ("sink", 0) not in refused(world.settings, "status")  # without events' topics the workers refuse both
    world.service.command(f"ALTER TABLE {world.name}.ranges DELETE WHERE partition = 0 SETTINGS mutations_sync = 2")
    found = refused(world.settings, "status")
    assert found.keys() == {("worker", 0), ("worker", 1), ("sink", 0)}
    assert found["sink", 0]["group"] == world.name
    assert "the tables are new or were set back" in found["sink", 0]["why"]
    assert "Run `tally rebuild clickhouse`" in found["sink", 0]["why"]
    world.drop()
