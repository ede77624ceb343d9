"""Snapshots at work: a restart from one equals a fold, which are not taken, when one is due."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.journal.memory import MemoryLog
from pipeline.journal.ports import Described, Place
from pipeline.refusal import Refused, WrongSetting
from pipeline.state.keeper import Keeper
from pipeline.state.store import PartitionStore
from pipeline.state.threads import WorkThread
from tests.contract.counting import RULES, CountingCore
from tests.contract.worlds import EMAIL, JOURNAL, World, numbers
from tests.unit.snapshots_world import DAMAGES, run


async def snapshotted(log: MemoryLog, folder: Path) -> PartitionStore:
    """A worker that wrote six records, a snapshot after the second and one after the fourth."""
    world = World(log, folder, snapshot_events=2)
    store = await world.recover()
    for i in range(6):
        await world.write(store, numbers(EMAIL, i, 1))
        if i < 4:
            await world.keeper.offer(store)
            await world.keeper.settled()
    assert len(world.keeper.snapshots(0).newest_first()) == 2
    return store


def test_a_restart_from_a_snapshot_equals_a_fold(tmp_path: Path) -> None:
    async def story(log: MemoryLog, folder: Path) -> None:
        store = await snapshotted(log, folder / "a")
        world = World(log, folder / "a")
        restored, folded = await world.recover(), await World(log, folder / "b").recover()
        assert restored.events == 2  # what lies behind the snapshot
        for one in (restored, folded):
            assert (one.state, one.mark, one.positions) == (store.state, store.mark, store.positions)

    run(story, tmp_path)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_snapshot_is_deleted_and_the_older_one_taken(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    async def story(log: MemoryLog, folder: Path) -> None:
        store = await snapshotted(log, folder)
        world = World(log, folder)
        newest, older = world.keeper.snapshots(0).newest_first()
        damage(newest)
        restored = await world.recover()
        assert (restored.state, restored.mark, restored.events) == (store.state, store.mark, 4)
        assert world.keeper.snapshots(0).newest_first() == [older]

    run(story, tmp_path)


def test_a_snapshot_covers_a_journal_whose_beginning_is_gone(tmp_path: Path) -> None:
    async def story(log: MemoryLog, folder: Path) -> None:
        store = await snapshotted(log, folder)
        log.trim(JOURNAL, 3)
        restored = await World(log, folder).recover()
        assert (restored.state, restored.mark) == (store.state, store.mark)

    run(story, tmp_path)


def test_a_snapshot_that_is_ahead_of_the_journal_is_deleted(tmp_path: Path) -> None:
    async def story(log: MemoryLog, folder: Path) -> None:
        await snapshotted(log, folder)
        log.truncate(JOURNAL, 1)
        world = World(log, folder)
        assert (await world.recover()).positions == {EMAIL: 1}
        assert world.keeper.snapshots(0).newest_first() == []

    run(story, tmp_path)


def test_a_snapshot_of_a_journal_that_is_no_more_is_a_witness_until_it_is_sure_that_nothing_is_skipped(
    tmp_path: Path,
) -> None:
    async def story(log: MemoryLog, folder: Path) -> None:
        await snapshotted(log, folder)
        log.truncate(JOURNAL, 0)
        log.trim(Place(EMAIL, 0), 2)
        for _ in range(2):  # two processes, one after the other
            world = World(log, folder)
            newest = world.keeper.snapshots(0).newest_first()[0]
            with pytest.raises(Refused) as error:
                await world.recover()
            said = f"is empty, but the snapshot {newest} says that it went up to offset 3: it was made anew or lost its"
            assert said in str(error.value)
            assert len(world.keeper.snapshots(0).newest_first()) == 2
        log.first.clear()
        await World(log, folder).recover()
        assert World(log, folder).keeper.snapshots(0).newest_first() == []

    run(story, tmp_path)


def test_a_snapshot_knows_the_topics_and_their_number_of_partitions(tmp_path: Path) -> None:
    async def story(log: MemoryLog, folder: Path) -> None:
        await snapshotted(log, folder)
        log.trim(JOURNAL, 3)
        restored = await World(log, folder).recover()
        assert (restored.topics, restored.partitions) == ({EMAIL: "1"}, 1)
        log.topics[EMAIL] = Described("2", 1)
        with pytest.raises(Refused, match=r"events\.email was deleted and made anew"):
            await World(log, folder).recover()

    run(story, tmp_path)


def test_a_snapshot_of_other_rules_is_not_taken(tmp_path: Path) -> None:
    async def story(log: MemoryLog, folder: Path) -> None:
        store = await snapshotted(log, folder)
        restored = await World(log, folder, rules=RULES._replace(window_days=8)).recover()
        assert (restored.state, restored.events) == (store.state, 6)

    run(story, tmp_path)


def test_a_snapshot_of_another_hash_seed_stops_the_worker_and_is_kept(tmp_path: Path) -> None:
    async def story(log: MemoryLog, folder: Path) -> None:
        await snapshotted(log, folder)
        world = World(log, folder, rules=RULES._replace(seed_fingerprint=1))
        with pytest.raises(WrongSetting, match=r"another hash seed\. TALLY_HASH_SEED"):
            await world.recover()
        assert len(world.keeper.snapshots(0).newest_first()) == 2

    run(story, tmp_path)


def test_a_snapshot_is_the_state_at_its_record_though_batches_go_on_before_it_is_copied(tmp_path: Path) -> None:
    async def story(log: MemoryLog, folder: Path) -> None:
        world = World(log, folder / "a", snapshot_events=2)
        store = await world.recover()
        for i in range(2):
            await world.write(store, numbers(EMAIL, i, 1))
        await world.keeper.offer(store)  # its copy is another task's
        await world.write(store, numbers(EMAIL, 2, 1))
        await world.keeper.settled()
        restored, folded = await World(log, folder / "a").recover(), await World(log, folder / "b").recover()
        assert restored.events == 1
        assert (restored.state, restored.mark) == (folded.state, folded.mark)

    run(story, tmp_path)


def keeper(folder: Path, events: int = 10, seconds: float = 600.0) -> Keeper:
    return Keeper(folder, CountingCore(), WorkThread("core"), events, seconds)


def store_with(partition: int, events: int) -> PartitionStore:
    store = PartitionStore(partition, CountingCore())
    store.events = events
    return store


def test_a_snapshot_is_due_after_its_events_and_not_one_before(tmp_path: Path) -> None:
    assert not keeper(tmp_path).due(store_with(0, 9), 0.0)
    assert keeper(tmp_path).due(store_with(0, 10), 0.0)


def test_a_snapshot_is_due_after_its_minutes_if_anything_happened(tmp_path: Path) -> None:
    one = keeper(tmp_path)
    assert not one.due(store_with(0, 1), 0.0)
    assert not one.due(store_with(0, 1), 599.0)
    assert one.due(store_with(0, 1), 600.0)
    assert not one.due(store_with(0, 0), 600.0)


def test_partitions_take_their_first_snapshots_at_different_times(tmp_path: Path) -> None:
    one = keeper(tmp_path)
    for partition in range(4):
        one.due(store_with(partition, 1), 0.0)
    first = {p: next(t for t in range(700) if one.due(store_with(p, 1), t)) for p in range(4)}
    assert min(abs(a - b) for p, a in first.items() for q, b in first.items() if p != q) >= 60


def test_a_full_disk_costs_the_snapshot_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(log: MemoryLog, folder: Path) -> None:
        (folder / "file").write_text("not a folder")
        world = World(log, folder / "file", snapshot_events=1)
        store = await World(log, folder / "other").recover()
        await world.write(store, numbers(EMAIL, 0, 1))
        await world.keeper.offer(store)
        await world.keeper.settled()
        assert "partition 0: no snapshot" in caplog.text

    run(story, tmp_path)
