"""`tally rebuild clickhouse` on a real Kafka and a real engine: whatever was lost or killed, exact afterwards."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.clickhouse import migrations, rebuild_plan
from connectors.clickhouse import rebuild_statements as sql
from connectors.clickhouse.rebuild_group import Commit, Group, GroupTaken
from connectors.clickhouse.service import Refused
from connectors.local.ports import any_free
from pipeline.cli.console import Exit
from pipeline.settings import load
from tests.integration.rebuild_world import RebuildWorld
from tests.integration.sink_world import await_that

KILLS = 3
WHOLE = 11  # records of each partition
SETTLED = "SETTINGS mutations_sync = 2"


@pytest.fixture
def world(kafka: str, clickhouse: str, tmp_path: Path, seed: int) -> Iterator[RebuildWorld]:
    """Tables without a row, a journal without a record."""
    made = RebuildWorld(kafka, clickhouse, tmp_path, seed)
    made.make_topic()
    made.migrate()
    yield made
    made.drop()


def made_again(world: RebuildWorld) -> bool:
    try:
        world.make_topic()
    except KafkaException:  # the old one is still being deleted
        return False
    return True


def go_on(world: RebuildWorld, begin: int) -> None:
    """The rest of the journal, and a sink that inserts it."""
    world.publish_part(begin)
    with world.sink() as sink:
        world.await_all()
        assert sink.stop() == 0
    world.assert_exact()


def test_a_partition_refused_behind_a_truncated_journal_is_rebuilt_and_its_sinks_go_on(world: RebuildWorld) -> None:
    world.fill()  # all records were inserted; then the journal lost its end
    world.publish_part(0, 7)
    with world.sink() as sink:
        sink.await_line("journal partition 0 is refused: the journal ends at offset 7")
        assert "Run `tally rebuild clickhouse`" in sink.log
        assert sink.stop() == 0
    ended = world.rebuild()
    assert (ended.code, ended.found["end"]) == (Exit.OK, "exchanged"), ended.err
    assert ended.found["former"] in ended.err
    assert world.databases("former") == [ended.found["former"]]
    assert world.groups() == []
    go_on(world, 7)


def test_sinks_and_traffic_go_on_while_fresh_tables_are_filled_and_the_exchange_waits_for_them(
    world: RebuildWorld,
) -> None:
    world.publish_part(0, 5)
    before = world.uuids()
    with world.sink() as sink:
        world.await_all()
        with world.rebuilding() as process:
            for at in range(5, 9):
                world.publish_part(at, at + 1)
            _, err = process.communicate(timeout=60)
        assert process.returncode == Exit.WAITS, err
        assert "has 1 member (tally-sink on " in err
        assert "Stop them and run this again" in err
        with pytest.raises(GroupTaken):
            Group(load({}, world.settings, world.folder), world.name).commit({0: Commit(0, "")})
        world.await_all()
        assert sink.stop() == 0
    assert world.uuids() == before
    ended = world.rebuild()
    assert ended.code == Exit.OK, ended.err
    assert ended.found["offsets"] == {"0": 9, "1": 9}
    assert world.uuids() != before
    go_on(world, 9)


def test_a_rebuild_killed_again_and_again_goes_on_and_is_exact(world: RebuildWorld, seed: int) -> None:
    world.settings["TALLY_SINK__ROWS"] = "1"  # a range for each record
    world.publish_part(0)
    chance = random.Random(seed)
    for rows in sorted(chance.sample(range(1, 700), KILLS)):
        world.kill_at(rows)
    ended = world.rebuild()
    assert (ended.code, ended.found["audit"]["drift"]) == (Exit.OK, 0), ended.err
    world.assert_exact()


def test_a_rebuild_killed_in_any_gap_of_the_exchange_is_finished_by_the_next(world: RebuildWorld) -> None:
    world.publish_part(0, 9)
    before = world.uuids()
    world.die_at(0, 1)  # in front of the exchange, and behind the fence
    assert world.uuids() == before
    with world.sink() as sink:
        sink.await_line("`tally rebuild clickhouse` has begun to exchange the tables")
        ended = world.rebuild()
        assert (ended.code, ended.found["begun"]) == (Exit.WAITS, True)
        assert "They refuse to go on" in ended.err
        assert sink.stop() == 0
    assert world.uuids() != before
    undo(world)
    (first,) = world.databases("exchange")
    world.die_at(1, 2, 3, 4, 5, 6)  # behind: views dropped, name claimed, tables completed, exchanged, views, commits
    assert world.databases("former") == []
    ended = world.rebuild()
    assert (ended.code, ended.found["end"], ended.found["audit"]) == (Exit.OK, "exchanged", None), ended.err
    assert (world.databases("fresh"), world.databases("exchange")) == ([], [])
    after, place = world.uuids(), replace(world.service.target, database=first)
    with pytest.raises(Refused):  # what an earlier one, frozen in front of its statement, would say when it wakes up
        world.service.command(sql.exchange(world.service.target, place, ["events"]))
    assert world.uuids() == after
    go_on(world, 9)


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


def test_what_never_began_is_not_said_to_go_on(world: RebuildWorld) -> None:
    (port,) = any_free(1)
    address = world.settings["TALLY_CLICKHOUSE__URL"]
    world.settings["TALLY_CLICKHOUSE__URL"] = f"http://127.0.0.1:{port}"
    ended = world.rebuild()
    world.settings["TALLY_CLICKHOUSE__URL"] = address
    assert ended.code == Exit.FAILED
    assert "This run has begun nothing and changed nothing" in ended.err
    assert "goes on" not in ended.err


def undo(world: RebuildWorld) -> None:
    """The tables as an exchange leaves them that got as far as the first one."""
    (place,) = world.databases("exchange")
    for name, _ in world.uuids()[1:]:
        world.service.command(f"EXCHANGE TABLES {world.name}.{name} AND {place}.{name}")


def test_tables_that_were_damaged_or_dropped_are_right_again_and_the_former_ones_dropped(world: RebuildWorld) -> None:
    world.publish_part(0, 9)
    with world.sink() as sink:
        world.await_all()
        assert sink.stop() == 0
    for damage in (
        f"ALTER TABLE {world.name}.events DELETE WHERE type = 'email_opened' {SETTLED}",
        f"DROP TABLE {world.name}.person_map SYNC",
        f"DROP VIEW {world.name}.engagement_mv SYNC",
        f"DROP VIEW {world.name}.engagement_daily SYNC",
        f"ALTER TABLE {world.name}.alerts ADD COLUMN more String DEFAULT 'another layout' {SETTLED}",
        f"ALTER TABLE {world.name}.migrations UPDATE sha256 = 'of another text' WHERE number = 1 {SETTLED}",
    ):
        world.service.command(damage)
    ended = world.rebuild("--drop-old")
    assert (ended.code, ended.found["former"]) == (Exit.OK, None), ended.err
    assert world.databases("former") == []
    go_on(world, 9)


def test_fresh_tables_that_were_tampered_with_are_not_exchanged(world: RebuildWorld) -> None:
    world.publish_part(0)
    world.settings["TALLY_SINK__ROWS"] = "1"
    world.kill_at(1)
    before = world.uuids()
    (fresh,) = world.databases("fresh")
    world.service.command(f"ALTER TABLE {fresh}.events DELETE WHERE 1 {SETTLED}")
    ended = world.rebuild()
    assert (ended.code, ended.found["end"]) == (Exit.DIFFERENT, "different"), ended.err
    assert ended.found["audit"]["drift"] > 0
    assert "Nothing was exchanged" in ended.err
    assert "--anew" in ended.err
    world.die_at(0, options=["--anew"])  # audited
    (anew,) = world.databases("fresh")
    world.service.command(f"ALTER TABLE {anew}.engagement DELETE WHERE type = 'email_opened' {SETTLED}")
    ended = world.rebuild()
    assert (ended.code, ended.found["audit"]) == (Exit.DIFFERENT, None)
    assert any("accepted in engagement" in difference for difference in ended.found["differences"])
    assert (world.uuids(), anew != fresh) == (before, True)


def test_a_journal_that_is_replaced_while_it_is_rebuilt_is_refused_until_it_is_begun_anew(world: RebuildWorld) -> None:
    world.publish_part(0)
    world.settings["TALLY_SINK__ROWS"] = "1"
    world.kill_at(200)
    world.delete_topic()
    await_that(lambda: made_again(world), lambda: "the topic to be made again")
    world.publish_part(0, 8)
    ended = world.rebuild()
    assert ended.code == Exit.FAILED
    assert "they are another journal's. It is not the journal that" in ended.err
    assert "begin again with --anew" in ended.err
    assert world.rebuild("--anew").code == Exit.OK
    world.assert_exact()


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


def test_on_a_cluster_every_statement_is_one_that_the_engine_reads(world: RebuildWorld) -> None:
    live = replace(world.service.target, cluster="main")
    fresh = replace(live, database="fresh")
    texts = [migration.text for migration in migrations.committed()]
    made = [*sql.make_tables(live, texts), *sql.make_views(live, texts), sql.create_notes(fresh), sql.storage(live)]
    made += [
        sql.exchange(live, fresh, ["events", "intake"]),
        sql.rename(fresh, "x"),
        sql.create(live, "x"),
        sql.drop(live, "x"),
        sql.views(live),
    ]
    for statement in made:
        world.service.query("SELECT formatQuery({sql:String})", {"sql": statement})  # parsed, not run


def test_a_journal_without_its_beginning_is_refused_and_a_dry_run_changes_nothing(world: RebuildWorld) -> None:
    world.publish_part(0)
    ended = world.rebuild("--dry-run")
    assert (ended.code, [part["records"] for part in ended.found["partitions"]]) == (Exit.OK, [WHOLE, WHOLE])
    assert all(part["about_bytes"] > 0 for part in ended.found["partitions"])
    admin = AdminClient({"bootstrap.servers": world.kafka})
    for done in admin.delete_records([TopicPartition(world.topic, 1, 2)]).values():
        done.result(30)
    ended = world.rebuild()
    assert ended.code == Exit.FAILED
    assert "the journal's beginning is gone (partition 1 begins at offset 2)" in ended.err
    assert world.databases("fresh") == []
