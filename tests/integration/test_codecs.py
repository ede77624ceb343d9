"""Tables that were filled before their codecs changed: rows, sums and what absorbs a repeated insert stay."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.clickhouse import migrations, recount
from connectors.clickhouse.rows import Content, Decided, translate
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.settings import load
from tests.integration.sink_journal import Partition

RECORDS, EVENTS = 20, 25
FIRST, SECOND = "journal-0-0-19", "journal-0-20-39"
CODECS = 7  # the number of the migration
CHANGED = ("events", "engagement", "profile_seen", "profile_state", "burn")


@pytest.fixture
def former(clickhouse: str, tmp_path: Path) -> Iterator[Service]:
    """Tables as they were before."""
    database = f"c{uuid.uuid4().hex[:12]}"
    found = Service(target(load({"clickhouse.url": clickhouse, "clickhouse.database": database}, {}, tmp_path)), 60)
    migrations.apply(found, [step for step in migrations.find(found) if step.migration.number < CODECS])
    yield found
    found.command(f"DROP DATABASE IF EXISTS {database}")
    found.close()


def put(service: Service, content: dict[str, Content], token: str) -> None:
    for table, one in content.items():
        assert service.insert(table, one.columns, one.stream, token) >= one.rows  # those of views count too


def counts(service: Service) -> dict[str, int]:
    database = service.target.database
    return {
        table: int(service.query(f"SELECT count() FROM {database}.{table}").rows[0][0])
        for table in ("events", "intake")
    }


def test_what_was_inserted_before_the_codecs_changed_is_absorbed_behind_it_and_merges_with_the_new(
    former: Service, seed: int
) -> None:
    made = list(Partition(0, random.Random(seed)).records(2 * RECORDS, EVENTS))
    decided = [Decided(offset, record) for offset, record in enumerate(made)]
    older, newer = translate(0, decided[:RECORDS]), translate(0, decided[RECORDS:])
    put(former, older, FIRST)
    before = counts(former)
    migrations.apply(former, [step for step in migrations.find(former) if step.migration.number == CODECS])
    put(former, older, FIRST)
    assert counts(former) == before
    put(former, newer, SECOND)
    put(former, newer, SECOND)
    assert counts(former)["events"] == older["events"].rows + newer["events"].rows
    for table in CHANGED:
        former.command(f"OPTIMIZE TABLE {former.target.database}.{table} FINAL")
    assert recount.compare(former) == []


@pytest.mark.parametrize("table", CHANGED)
def test_the_codecs_change_where_a_database_is_migrated(former: Service, table: str) -> None:
    before = codecs(former, table)
    assert any("ZSTD" in codec for codec in before.values())
    migrations.apply(former, migrations.find(former))
    now = codecs(former, table)
    kept = {"properties", "attributes", "kind", "last", "three", "amount"}
    assert {name for name, codec in now.items() if "ZSTD" in codec} <= kept
    assert now.keys() == before.keys()


def codecs(service: Service, table: str) -> dict[str, str]:
    place = "database = {database:String} AND table = {table:String}"
    sql = f"SELECT name, compression_codec FROM system.columns WHERE {place}"
    rows = service.query(sql, {"database": service.target.database, "table": table}).rows
    return {str(name): str(codec) for name, codec in rows}


def test_migrating_again_changes_nothing(former: Service) -> None:
    migrations.apply(former, migrations.find(former))
    before = codecs(former, "events")
    text = next(m.text for m in migrations.committed() if m.number == CODECS)
    for statement in migrations.statements.split(text, migrations.statements.variables(former.target)):
        former.command(statement)
    assert codecs(former, "events") == before
