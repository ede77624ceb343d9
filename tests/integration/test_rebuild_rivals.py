"""Several `tally rebuild clickhouse`: at once, one that slept, and what those that are over have left."""

from __future__ import annotations

import json
import signal
import time

import pytest

from connectors.clickhouse import rebuild_plan
from connectors.clickhouse.rebuild_group import Commit, Group
from pipeline.cli.console import Exit
from pipeline.settings import load
from tests.integration.rebuild_world import RebuildWorld, empty
from tests.integration.sink_world import await_that

world = pytest.fixture(empty)


def test_a_rebuild_that_slept_while_another_one_finished_it_changes_nothing(world: RebuildWorld) -> None:
    world.settings["TALLY_SINK__ROWS"] = "1"
    world.publish_part(0)
    with world.rebuilding() as sleeper:
        await_that(lambda: world.fresh_events() > 0, lambda: "the first rows")
        sleeper.send_signal(signal.SIGSTOP)
        assert world.rebuild().code == Exit.OK
        sleeper.send_signal(signal.SIGCONT)
        out, err = sleeper.communicate(timeout=30)
        assert (sleeper.returncode, json.loads(out)["end"]) == (Exit.OK, "finished"), err
        assert "another `tally rebuild clickhouse` has finished the work while this one was at it" in err
        assert "clickhouse` again" not in err, "there is nothing to go on with"
        assert "Traceback" not in err
    world.assert_exact()
    assert world.groups() == []


def test_of_two_rebuilds_at_once_one_does_the_work_and_the_other_leaves_it_to_that_one(world: RebuildWorld) -> None:
    world.settings["TALLY_SINK__ROWS"] = "1"
    world.publish_part(0)
    with world.rebuilding() as one, world.rebuilding() as two:
        said = [process.communicate(timeout=90) for process in (one, two)]
        pairs = zip((one, two), said, strict=True)
        ends = {json.loads(out)["end"]: (process.returncode, err) for process, (out, err) in pairs}
    assert ends.pop("exchanged")[0] == Exit.OK, said
    ((end, (code, err)),) = ends.items()
    assert (end, code) in {("taken", Exit.WAITS), ("finished", Exit.OK)}, err
    assert "another `tally rebuild clickhouse`" in err
    assert "Traceback" not in err
    world.assert_exact()
    assert (world.databases("fresh"), world.databases("exchange"), world.groups()) == ([], [], [])


def test_groups_of_rebuilds_that_are_over_are_deleted_and_no_others(world: RebuildWorld) -> None:
    world.publish_part(0)
    world.settings["TALLY_SINK__ROWS"] = "1"
    world.kill_at(1)
    (dead,) = world.groups()
    left, alive = f"{world.name}-rebuild-20260131_120000", f"{world.name}-rebuild-20260131_120001"
    Group(load({}, world.settings, world.folder), left).commit({0: Commit(0, "")})
    Group(load({}, world.settings, world.folder), f"{world.name}-rebuild-of-mine").commit({0: Commit(0, "")})
    with world.member(alive):
        ended = world.rebuild("--anew")
        assert ended.code == Exit.OK, ended.err
        assert "could not be deleted" not in ended.err
        kept = {alive, f"{world.name}-rebuild-of-mine"}
        assert set(world.groups()) - {dead} == kept  # the killed one's member counts for the session's 10 s


def test_of_rebuilds_that_began_at_the_same_moment_none_exchanges_tables(world: RebuildWorld) -> None:
    world.publish_part(0)
    world.service.command(f"CREATE DATABASE {world.name}_fresh_20260131_120000")
    world.service.command(f"CREATE DATABASE {world.name}_fresh_20260131_120001")
    before = world.uuids()
    ended = world.rebuild()
    assert ended.code == Exit.FAILED
    assert f"{world.name}_fresh_20260131_120000, {world.name}_fresh_20260131_120001" in ended.err
    assert world.uuids() == before


def test_of_rebuilds_that_began_at_once_the_younger_yields_or_else_the_one_that_was_not_seen(
    world: RebuildWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild_plan, "YIELD_SECONDS", 1.0)
    older, younger = (f"{world.name}_fresh_20260131_12000{n}" for n in (0, 1))
    world.service.command(f"CREATE DATABASE {older}")
    assert rebuild_plan.goes_on(world.service, older)
    world.service.command(f"CREATE DATABASE {younger}")
    assert not rebuild_plan.goes_on(world.service, younger)
    began = time.monotonic()
    assert not rebuild_plan.goes_on(world.service, older), "the younger one has not seen it, and is at work"
    assert time.monotonic() - began >= rebuild_plan.YIELD_SECONDS
