"""`tally rebuild clickhouse` on a real Kafka and a real engine: whatever was lost or killed, exact afterwards."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.clickhouse import migrations
from connectors.clickhouse import rebuild_statements as sql
from connectors.clickhouse.rebuild_group import Commit, Group, GroupTaken
from connectors.clickhouse.service import Refused
from connectors.local.ports import any_free
from pipeline.cli.console import Exit
from pipeline.settings import load
from tests.integration.audit_world import SETTLED
from tests.integration.rebuild_world import RebuildWorld, empty
from tests.integration.sink_world import await_that

KILLS = 3
WHOLE = 11  # records of each partition


world = pytest.fixture(empty)


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
