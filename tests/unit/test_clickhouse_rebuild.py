"""What a rebuild says and asks for without a server: names, statements, progress, refusals."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from connectors.clickhouse import migrations
from connectors.clickhouse import rebuild_statements as sql
from connectors.clickhouse.ranges import Position
from connectors.clickhouse.rebuild import Progress, _is_at
from connectors.clickhouse.rebuild_exchange import At, RebuildRefused
from connectors.clickhouse.rebuild_group import Bounds
from connectors.clickhouse.rebuild_groups import over
from connectors.clickhouse.rebuild_plan import Plan, after, refuse_headless
from connectors.clickhouse.settings import Target
from pipeline.settings import Settings

ALONE = Target("127.0.0.1", 8123, False, "default", "", "tally", None)
CLUSTER = Target("127.0.0.1", 8123, False, "default", "", "tally", "main")
FRESH = Target("127.0.0.1", 8123, False, "default", "", "tally_fresh_20260131_120000", "main")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NAMES = sql.names("tally", "tally-sink", sql.stamp(NOON))
TEXTS = [migration.text for migration in migrations.committed()]


def test_a_rebuild_is_named_by_the_moment_at_which_it_began() -> None:
    assert NAMES.fresh == "tally_fresh_20260131_120000"
    assert NAMES.former == "tally_former_20260131_120000"
    assert NAMES.group == "tally-sink-rebuild-20260131_120000"


def test_what_was_begun_is_found_under_both_of_its_names_and_nothing_else_is() -> None:
    claimed = sql.claimed("tally", NAMES.fresh, 0xAB)
    assert claimed == "tally_exchange_20260131_120000_000000ab"
    others = ["tally", NAMES.former, "tally_fresh_", "tally_fresh_20260131", "x_tally_fresh_20260131_120000"]
    others += [f"{NAMES.fresh}_x", "tally_two_fresh_20260131_120000"]
    assert sql.begun("tally", others) == []
    assert sql.begun("tally", [*others, NAMES.fresh]) == [(NAMES.fresh, "20260131_120000")]
    assert sql.begun("tally", [*others, claimed]) == [(claimed, "20260131_120000")]


def test_all_tables_are_exchanged_by_one_statement() -> None:
    fresh = "`tally_fresh_20260131_120000`"
    assert sql.exchange(CLUSTER, FRESH, ["events", "intake"]) == (
        f"EXCHANGE TABLES `tally`.`events` AND {fresh}.`events`, `tally`.`intake` AND {fresh}.`intake`"
        " ON CLUSTER `main`"
    )


def test_on_a_cluster_every_statement_that_changes_something_says_so() -> None:
    made = [
        *sql.make_tables(CLUSTER, TEXTS),
        *sql.make_views(CLUSTER, TEXTS),
        sql.create_notes(FRESH),
        sql.exchange(CLUSTER, FRESH, ["events"]),
        sql.rename(FRESH, NAMES.former),
        sql.drop(CLUSTER, NAMES.former),
        sql.drop_view(FRESH, "engagement_mv"),
    ]
    assert [statement for statement in made if "ON CLUSTER `main`" not in statement] == []
    assert "clusterAllReplicas(`main`, system.tables)" in sql.storage(CLUSTER)
    assert "clusterAllReplicas" not in sql.storage(ALONE)


def test_views_that_fill_rollups_are_dropped_before_they_are_made_and_the_others_replaced() -> None:
    made = sql.make_views(ALONE, TEXTS)
    names = [found[1] for s in made if (found := re.match(r"CREATE MATERIALIZED VIEW IF NOT EXISTS `tally`\.(\w+)", s))]
    assert len(names) == sum(text.count("CREATE MATERIALIZED VIEW") for text in TEXTS) > 0
    for name in names:
        at = made.index(f"DROP VIEW IF EXISTS `tally`.`{name}` SYNC")
        assert made[at + 1].startswith(f"CREATE MATERIALIZED VIEW IF NOT EXISTS `tally`.{name} ")
    others = [s for s in made if not s.startswith(("DROP", "CREATE MATERIALIZED"))]
    assert len(others) == sum(text.count("CREATE OR REPLACE VIEW") for text in TEXTS) > 0


def test_tables_are_exchanged_when_every_one_of_them_is() -> None:
    uuids = {"events": "1", "intake": "2"}
    assert sql.exchanged(uuids, {"events": "1", "intake": "2", "own": "9"})
    assert not sql.exchanged(uuids, {"events": "1", "intake": "8"})
    assert not sql.exchanged(uuids, {"events": "1"})


def test_a_journal_without_its_beginning_is_refused_with_every_partition_named() -> None:
    refuse_headless({0: Bounds(0, 5), 1: Bounds(0, 0)})
    with pytest.raises(
        RebuildRefused, match=r"partition 1 begins at offset 3, partition 2 begins at offset 9.*restore"
    ):
        refuse_headless({0: Bounds(0, 5), 1: Bounds(3, 5), 2: Bounds(9, 9)})


def test_a_partition_is_done_when_its_end_is_inserted_and_nothing_is_open() -> None:
    assert _is_at(Position(5, 1, 4), Bounds(0, 5))
    assert _is_at(Position(0, 0, -1), Bounds(0, 0))
    assert not _is_at(Position(4, 1, 3), Bounds(0, 5))
    assert not _is_at(Position(5, 1, 4, end=7), Bounds(0, 5))


def test_progress_tells_records_rows_rate_and_time_left_of_this_run() -> None:
    progress = Progress(total=1_000, begun=200, done=200, since=100.0)
    assert progress.text(100.0) == "200 of 1,000 journal records, 0 rows, 0 rows/s"
    progress.done, progress.rows = 400, 50_000
    assert progress.text(110.0) == "400 of 1,000 journal records, 50,000 rows, 5,000 rows/s, 0:00:30 left"


def test_a_rebuild_that_begins_anew_never_has_the_names_of_the_one_it_replaces() -> None:
    found = Plan(At(NAMES, NAMES.fresh), True, {0: Bounds(0, 5)}, {0: 3}, [], 1, 2)
    settings = Settings()
    made = after(found, settings, NOON)
    assert made.at.names.group != NAMES.group
    assert (made.at.place, made.resumed, made.rebuilt) == (made.at.names.fresh, False, {0: 0})
    assert made.at.place == "tally_fresh_20260131_120001"


def test_the_groups_of_rebuilds_that_are_over_are_known_by_their_names() -> None:
    mine = NAMES.group
    groups = ["tally-sink", mine, f"{mine}-x", "tally-sink-rebuild-", "other-sink-rebuild-20260131_120000"]
    assert over("tally-sink", groups, []) == [mine]
    assert over("tally-sink", groups, ["20260131_120001"]) == [mine]
    assert over("tally-sink", groups, [sql.stamp(NOON)]) == []
