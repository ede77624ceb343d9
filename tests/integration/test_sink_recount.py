"""The recount finds what it is there to find: a row twice, a row lost, a unique too many, on a real engine."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.clickhouse import migrations, recount
from connectors.clickhouse.rows import Decided, translate
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.settings import load
from tests.integration.sink_journal import Partition


@pytest.fixture
def filled(clickhouse: str, tmp_path: Path, seed: int) -> Iterator[Service]:
    """Two partitions' journals in tables of the test's own."""
    database = f"r{uuid.uuid4().hex[:12]}"
    found = Service(target(load({"clickhouse.url": clickhouse, "clickhouse.database": database}, {}, tmp_path)), 60)
    migrations.apply(found, migrations.find(found))
    for number in range(2):
        made = Partition(number, random.Random(seed + number))
        decided = [Decided(offset, record) for offset, record in enumerate(made.records(30, 25))]
        for table, content in translate(number, decided).items():
            found.insert(table, content.columns, content.stream, f"journal-{number}-0-29")
    yield found
    found.command(f"DROP DATABASE IF EXISTS {database}")
    found.close()


def differing(service: Service) -> set[tuple[str, str]]:
    return {(difference.view, difference.column) for difference in recount.compare(service)}


def test_what_was_inserted_once_is_right(filled: Service) -> None:
    assert recount.compare(filled) == []


def test_the_same_range_again_is_absorbed(filled: Service, seed: int) -> None:
    made = Partition(0, random.Random(seed))
    decided = [Decided(offset, record) for offset, record in enumerate(made.records(30, 25))]
    for table, content in translate(0, decided).items():
        filled.insert(table, content.columns, content.stream, "journal-0-0-29")
    assert recount.compare(filled) == []


def test_an_event_that_is_there_twice_is_found(filled: Service) -> None:
    db = filled.target.database
    sent = "hits = 1 AND NOT is_test AND type = 'email_sent'"
    filled.command(f"INSERT INTO {db}.events SELECT * FROM {db}.events WHERE {sent} LIMIT 1")
    assert differing(filled) >= {("conservation", "accepted"), ("events and rejects", "number of rows")}


def test_a_rollup_that_missed_rows_is_found(filled: Service) -> None:
    db = filled.target.database
    filled.command(f"DETACH TABLE {db}.engagement_mv")
    sent = "hits = 1 AND NOT is_test AND type = 'email_sent'"
    row = "* REPLACE (origin_offset + 1000000 AS origin_offset)"
    filled.command(f"INSERT INTO {db}.events SELECT {row} FROM {db}.events WHERE {sent} LIMIT 1")
    filled.command(f"ATTACH TABLE {db}.engagement_mv")
    assert differing(filled) >= {("engagement_daily", "sent"), ("conservation", "accepted")}


def test_a_rollup_that_counted_twice_is_found(filled: Service) -> None:
    db = filled.target.database
    sent = "hits > 0 AND type = 'email_sent'"
    filled.command(f"INSERT INTO {db}.engagement SELECT * FROM {db}.engagement WHERE {sent} LIMIT 1")
    assert differing(filled) >= {("engagement_daily", "sent"), ("conservation", "accepted in engagement")}


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("unique_open", "unique_opened"),
        ("unique_click", "unique_clicked"),
        ("unique_link_click", "unique_link_clicked"),
    ],
)
def test_a_correction_too_many_is_found(filled: Service, kind: str, column: str) -> None:
    db = filled.target.database
    row = f"* REPLACE (0 AS hits, 0 AS activity, -1 AS {kind}, '' AS origin_topic)"
    one = f"SELECT * FROM {db}.events WHERE hits = 1 AND {kind} = 1 LIMIT 1"
    filled.command(f"INSERT INTO {db}.events SELECT {row} FROM ({one})")
    assert ("engagement_daily", column) in differing(filled)


def test_a_merge_that_corrected_nothing_is_found(filled: Service) -> None:
    db = filled.target.database
    everybody = f"SELECT account_id, profile_id, 'one', 1000000000000, 0, 0 FROM {db}.persons"
    filled.command(f"INSERT INTO {db}.person_map {everybody}")
    assert ("engagement_daily", "unique_opened") in differing(filled)


def test_an_activity_that_was_not_counted_is_found(filled: Service) -> None:
    db = filled.target.database
    change = "* REPLACE (used + 1 AS used, version + 1 AS version)"
    filled.command(f"INSERT INTO {db}.allowance SELECT {change} FROM {db}.allowance ORDER BY version DESC LIMIT 1")
    assert differing(filled) == {("allowance_cycles", "used_as_corrected")}


def test_a_dead_letter_that_is_lost_is_found(filled: Service) -> None:
    db = filled.target.database
    filled.command(f"INSERT INTO {db}.intake VALUES ('events.email', 0, 1, 0, 0, 1)")
    assert differing(filled) == {("conservation", "read"), ("conservation", "rejected")}


def test_a_difference_says_where_it_is_and_both_numbers() -> None:
    found = recount.Difference("conservation", ("events.email", "0"), "read", 5, 6)
    assert str(found) == "conservation (events.email, 0): read is 5, the raw rows give 6"
