"""An insert that reached its table and not all that views fill from it: repeated, it makes every one of them whole."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.clickhouse import migrations, recount
from connectors.clickhouse.rows import Content, Decided, translate
from connectors.clickhouse.service import Refused, Service
from connectors.clickhouse.settings import target
from pipeline.settings import load
from tests.integration.sink_journal import Partition

RECORDS, EVENTS = 30, 25
TOKEN = f"journal-0-0-{RECORDS - 1}"


@pytest.fixture
def empty(clickhouse: str, tmp_path: Path) -> Iterator[Service]:
    """Tables of the test's own."""
    database = f"v{uuid.uuid4().hex[:12]}"
    found = Service(target(load({"clickhouse.url": clickhouse, "clickhouse.database": database}, {}, tmp_path)), 60)
    migrations.apply(found, migrations.find(found))
    yield found
    found.command(f"DROP DATABASE IF EXISTS {database}")
    found.close()


def ranged(seed: int) -> dict[str, Content]:
    made = Partition(0, random.Random(seed))
    return translate(0, [Decided(offset, record) for offset, record in enumerate(made.records(RECORDS, EVENTS))])


@pytest.mark.parametrize("filled", ["engagement", "profile_seen", "profile_state"])
def test_what_a_view_did_not_get_it_gets_when_the_insert_is_repeated(empty: Service, seed: int, filled: str) -> None:
    content = ranged(seed)
    db, events = empty.target.database, content["events"]
    empty.command(f"ALTER TABLE {db}.{filled} ADD CONSTRAINT closed CHECK 0")
    with pytest.raises(Refused, match="closed"):
        empty.insert("events", events.columns, events.stream, TOKEN)
    empty.command(f"ALTER TABLE {db}.{filled} DROP CONSTRAINT closed")
    assert count(empty, "events") == events.rows, "the insert was undone: this test shows nothing"
    assert count(empty, filled) == 0
    for _ in range(2):
        for table, one in content.items():
            assert empty.insert(table, one.columns, one.stream, TOKEN) >= one.rows  # those of views count too
    assert recount.compare(empty) == []


def count(service: Service, table: str) -> int:
    return int(service.query(f"SELECT count() FROM {service.target.database}.{table}").rows[0][0])
