"""Offsets and tables of different ages: a sink refuses them, or what it does is harmless; no number is ever wrong."""

from __future__ import annotations

import pytest

from connectors.clickhouse import standing
from connectors.clickhouse.ranges import START, Position
from pipeline.settings import load
from tests.integration.sink_journal import Partition
from tests.integration.sink_world import World, await_that, ready
from tests.torture.rewind import Place, history, rewind

BACK, AHEAD = "offsets were set back", "rows between would be missing"


world = pytest.fixture(ready)


def sunk(world: World, seed: int, records: int = 30) -> list[Partition]:
    made = world.publish(seed, records)
    with world.sink(TALLY_SINK__ROWS="100") as sink:
        world.await_all()
        assert sink.stop() == 0
    return made


def place(world: World) -> Place:
    return Place(world.name, world.topic, 0)


def refused(world: World, made: list[Partition], why: str, rows: str = "60") -> None:
    """A sink with ranges of another size says why it refuses partition 0, and takes the other one further."""
    before = world.committed()
    told = standing.refused(load({}, world.settings, world.folder), world.service)
    assert told.keys() == {0}
    world.append(1, [b"a stray's record"])
    with world.sink(TALLY_SINK__ROWS=rows) as sink:
        sink.await_line("journal partition 0 is refused")
        assert why in sink.log
        assert f"journal partition 0 is refused: {told[0]}" in sink.log
        assert "Run `tally rebuild clickhouse`" in sink.log
        await_that(lambda: world.committed()[1] == world.ends[1], lambda: "the other partition")
        assert sink.stop() == 0
    assert world.committed()[0] == before[0]
    world.assert_exact(made)


def test_offsets_set_back_to_any_range_but_the_last_are_refused(world: World, seed: int) -> None:
    made = sunk(world, seed)
    intents = list(dict.fromkeys(p for p in history(world.kafka, place(world)) if p.end is not None))
    assert len(intents) >= 5
    for target in (intents[-2], intents[-5], intents[0]):
        rewind(world.kafka, place(world), target)
        refused(world, made, BACK)


def test_offsets_set_back_to_where_no_range_was_fixed_are_refused(world: World, seed: int) -> None:
    made = sunk(world, seed)
    intents = list(dict.fromkeys(p for p in history(world.kafka, place(world)) if p.end is not None))
    for target in (START, intents[-1]._replace(end=None)):
        rewind(world.kafka, place(world), target)
        refused(world, made, BACK)


def test_the_last_range_is_inserted_again_and_absorbed_whatever_the_settings_are_now(world: World, seed: int) -> None:
    made = sunk(world, seed)
    intents = [p for p in history(world.kafka, place(world)) if p.end is not None]
    rewind(world.kafka, place(world), intents[-1])
    with world.sink(TALLY_SINK__ROWS="30") as sink:
        world.await_all()
        assert sink.stop() == 0
        assert "refused" not in sink.log
    world.assert_exact(made)


def test_a_first_range_that_is_there_in_part_is_seen_when_the_offsets_are_gone(world: World, seed: int) -> None:
    sunk(world, seed, records=8)
    world.service.command(f"TRUNCATE TABLE {world.name}.intake")  # inserted last: a sink that died has not sent it
    with world.sink(TALLY_SINK__GROUP_ID=f"{world.name}-new") as sink:
        sink.await_line("journal partition 0 is refused")
        sink.await_line("journal partition 1 is refused")
        assert "but the group has no offset" in sink.log
        assert sink.stop() == 0


def test_offsets_set_ahead_and_tables_that_are_older_are_refused(world: World, seed: int) -> None:
    made = sunk(world, seed)
    done = history(world.kafka, place(world))[-1]
    world.append(0, [b"a stray's record"] * 3)
    rewind(world.kafka, place(world), Position(done.offset + 3, done.id, done.offset + 2))
    refused(world, made, AHEAD)
    rewind(world.kafka, place(world), done)
    older = f"SELECT partition, end - (partition = 0) FROM {world.name}.ranges"
    world.service.command(f"CREATE TABLE {world.name}.restored AS {world.name}.ranges")
    world.service.command(f"INSERT INTO {world.name}.restored {older}")
    world.service.command(f"EXCHANGE TABLES {world.name}.restored AND {world.name}.ranges")
    refused(world, made, AHEAD)
    world.service.command(f"ALTER TABLE {world.name}.ranges DELETE WHERE partition = 0 SETTINGS mutations_sync = 2")
    refused(world, made, AHEAD)
