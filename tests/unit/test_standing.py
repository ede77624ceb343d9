"""A look at what a worker would refuse says what a worker says, and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

import pytest

from pipeline.journal.memory import MemoryLog
from pipeline.journal.ports import Described, Place
from pipeline.refusal import Refused
from pipeline.state.standing import Standing
from pipeline.state.store import PartitionStore
from pipeline.topics import ALL_TOPICS
from tests.contract.worlds import EMAIL, JOURNAL, SMS, World, numbers, sourced

FAR = 60.0  # seconds: longer than any look here takes
RECORDS = 6


async def written(log: MemoryLog, folder: Path, snapshot_events: int = 10**9) -> World:
    """A journal of RECORDS batches of one event, in partition 0."""
    world = World(log, folder, snapshot_events=snapshot_events)
    store: PartitionStore = await world.recover()
    for number in range(RECORDS):
        await world.write(store, numbers(EMAIL, number, 1))
        await world.keeper.offer(store)
        await world.keeper.settled()
    return world


async def refusal(world: World) -> str:
    """What a worker that starts now says."""
    with pytest.raises(Refused) as error:
        await World(world.log, Path("nowhere")).recover()
    return str(error.value)


def look(log: MemoryLog, folder: Path) -> Awaitable[dict[int, str]]:
    return Standing("", (log, log), folder).refused(monotonic() + FAR)


def make_anew(log: MemoryLog) -> None:
    log.topics[EMAIL] = Described("2", 1)


def truncate(log: MemoryLog) -> None:
    log.truncate(Place(EMAIL, 0), 2)


def delete_unread(log: MemoryLog) -> None:
    log.trim(Place(EMAIL, 0), RECORDS + 1)


def delete_topic(log: MemoryLog) -> None:
    log.topics[SMS] = None


def add_partitions(log: MemoryLog) -> None:
    log.partitions = 1
    log.topics[EMAIL] = Described("1", 3)


def damage(log: MemoryLog) -> None:
    values = log.values[JOURNAL]
    values[-1] = (values[-1] or b"")[:-8]


@pytest.mark.parametrize("fault", [make_anew, truncate, delete_unread, delete_topic, damage])
def test_a_look_says_what_a_worker_that_starts_now_says(tmp_path: Path, fault: Callable[[MemoryLog], None]) -> None:
    async def story() -> None:
        world = await written(await sourced(MemoryLog()), tmp_path)
        assert await look(world.log, tmp_path) == {}
        fault(world.log)
        assert await look(world.log, tmp_path) == {0: await refusal(world)}

    asyncio.run(story())


def test_partitions_that_were_added_are_refused_and_the_others_are_not(tmp_path: Path) -> None:
    async def story() -> None:
        world = await written(await sourced(MemoryLog()), tmp_path)
        add_partitions(world.log)
        found = await look(world.log, tmp_path)
        assert found.keys() == {1, 2}
        assert found[2].startswith(f"{EMAIL} has 3 partitions; the journal began with 1.")
        assert "partition 2 was added, and what comes to it has its history in partition 0" in found[2]

    asyncio.run(story())


def test_a_snapshot_of_this_machine_stands_for_the_beginning_that_is_gone_and_is_left_alone(tmp_path: Path) -> None:
    async def story() -> None:
        world = await written(await sourced(MemoryLog()), tmp_path / "has", snapshot_events=2)
        world.log.trim(JOURNAL, 2)
        assert await look(world.log, tmp_path / "has") == {}
        (why,) = (await look(world.log, tmp_path / "has not")).values()
        assert why.startswith("journal begins at offset 2: its beginning is gone")
        assert f"no snapshot in {tmp_path / 'has not' / '0'}" in why
        assert "Restore the topic or a snapshot" in why
        world.log.values[JOURNAL].clear()
        world.log.first[JOURNAL] = 0
        world.log.trim(Place(EMAIL, 0), 3)
        (why,) = (await look(world.log, tmp_path / "has")).values()
        assert why.startswith("the journal's partition 0 is empty, but the snapshot ")
        assert len(world.keeper.snapshots(0).newest_first()) == 2

    asyncio.run(story())


def test_where_nothing_is_there_yet_nothing_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        log = await sourced(MemoryLog(), partitions=2)
        assert await look(log, tmp_path) == {}
        log.topics = dict.fromkeys(["journal", *(await log.describe(ALL_TOPICS))])
        assert await look(log, tmp_path) == {}

    asyncio.run(story())


def test_what_was_not_read_in_time_is_read_on_by_the_next_look(tmp_path: Path) -> None:
    async def story() -> None:
        world = await written(await sourced(MemoryLog()), tmp_path)
        truncate(world.log)
        standing, looks = Standing("", (world.log, world.log), tmp_path), 0
        while not (found := await standing.refused(monotonic() - 1)):
            assert standing.unread == {0}
            looks += 1
            assert looks < RECORDS
        assert looks == RECORDS // 2 - 1
        assert (found, standing.unread) == ({0: await refusal(world)}, set())

    asyncio.run(story())
