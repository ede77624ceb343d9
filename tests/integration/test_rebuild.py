"""`tally rebuild clickhouse` on a real Kafka and a real engine: whatever was lost or killed, exact afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.clickhouse.rebuild_group import Commit, Group, GroupTaken
from pipeline.cli.console import Exit
from pipeline.settings import load
from tests.integration.rebuild_world import KILLED, RebuildWorld

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
    assert world.rebuild(gap=0).code == KILLED
    before = world.uuids()
    assert world.rebuild(gap=1).code == KILLED  # behind the fence
    with world.sink() as sink:
        sink.await_line("`tally rebuild clickhouse` has begun to exchange the tables")
        ended = world.rebuild()
        assert (ended.code, ended.found["begun"]) == (Exit.WAITS, True)
        assert "They refuse to go on" in ended.err
        assert sink.stop() == 0
    assert world.uuids() != before
    undo(world)
    for gap in (
        1,
        2,
        3,
        4,
        5,
        6,
    ):  # behind views dropped, database claimed, tables completed, exchanged, views, commits
        assert world.rebuild(gap=gap).code == KILLED
        assert world.databases("former") == []
    ended = world.rebuild()
    assert (ended.code, ended.found["end"], ended.found["audit"]) == (Exit.OK, "exchanged", None), ended.err
    assert (world.databases("fresh"), world.databases("exchange")) == ([], [])
    go_on(world, 9)


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
    assert world.rebuild("--anew", gap=0).code == KILLED  # audited
    (anew,) = world.databases("fresh")
    world.service.command(f"ALTER TABLE {anew}.engagement DELETE WHERE type = 'email_opened' {SETTLED}")
    ended = world.rebuild()
    assert (ended.code, ended.found["audit"]) == (Exit.DIFFERENT, None)
    assert any("accepted in engagement" in difference for difference in ended.found["differences"])
    assert (world.uuids(), anew != fresh) == (before, True)


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
