"""An insert that arrives cut short: all of a table's rows are there, or the sink is told; views or not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.clickhouse.rows import Content, Decided, translate
from connectors.clickhouse.service import Refused, Unavailable
from tests.integration.sink_journal import Partition
from tests.integration.sink_world import World

RECORDS, EVENTS = 4, 25
CUTS = 12  # of each table's stream, at random places, beside the ends of its messages


@pytest.fixture
def world(kafka: str, clickhouse: str, tmp_path: Path) -> Iterator[World]:
    found = World(kafka, clickhouse, tmp_path)
    found.migrate()
    yield found
    found.drop()


def ends(stream: bytes) -> list[int]:
    """Where the messages of an Arrow stream end: schema, dictionaries, one record batch."""
    found, source = [], pa.BufferReader(stream)
    with suppress(StopIteration, EOFError):
        while pa.ipc.read_message(source):
            found.append(source.tell())
    return found


def lost(world: World, table: str, content: Content, end: int) -> str:
    """How an insert of the stream's first bytes went: whole, refused, or told by too few rows; else what is wrong."""
    world.service.command(f"TRUNCATE TABLE {world.name}.{table}")
    token = f"{table}-{end}"
    try:
        written = world.service.insert(table, content.columns, content.stream[:end], token)
    except (Refused, Unavailable):
        return "refused"
    rows = world.service.query(f"SELECT count() FROM {world.name}.{table}").rows[0][0]
    if rows == content.rows:
        return "whole"
    return "told" if written < content.rows else f"{written} written, {rows} of {content.rows} there"


def some_rows(table: str, chance: random.Random) -> Content:
    """What a table gets of some records: one in twenty journals of this size rejects nothing."""
    while True:
        made = Partition(0, chance).records(RECORDS, EVENTS)
        found = translate(0, [Decided(at, record) for at, record in enumerate(made)])
        if table in found:
            return found[table]


@pytest.mark.parametrize("table", ["events", "rejects", "person_map"])
def test_an_insert_that_is_cut_short_is_whole_or_refused_or_told(world: World, table: str, seed: int) -> None:
    chance = random.Random(seed)
    content = some_rows(table, chance)
    places = {*ends(content.stream), *(chance.randrange(1, len(content.stream)) for _ in range(CUTS))}
    found = {end: lost(world, table, content, end) for end in sorted(places)}
    assert set(found.values()) <= {"whole", "refused", "told"}, found
    assert found[ends(content.stream)[-1]] == "whole"  # what it lacks is the end's mark alone
    assert "told" in found.values(), "an end between two messages is none that the engine refuses"
