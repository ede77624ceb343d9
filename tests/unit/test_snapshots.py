"""Snapshots: a restart from one equals a fold; any doubt about one and it is folded."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pipeline.journal.memory import MemoryLog
from pipeline.journal.ports import Described, Place
from pipeline.refusal import Refused, WrongSetting
from pipeline.state import snapshots as module
from pipeline.state.core import copied
from pipeline.state.keeper import Keeper
from pipeline.state.snapshots import Doubtful, Header, Snapshots, read_columns, read_header
from pipeline.state.store import Mark, PartitionStore
from pipeline.state.threads import WorkThread
from tests.contract.counting import RULES, CountingCore
from tests.contract.worlds import EMAIL, JOURNAL, World, numbers, sourced

COLUMNS = {
    "part.plain": np.arange(5, dtype=np.uint64),
    "empty": np.zeros(0, np.float32),
    "packed": np.array([(1, 2)], np.dtype([("a", "<u4"), ("b", "<i8")])),
    "table": np.arange(6).reshape(2, 3),
    "strided": np.arange(10)[::2],
    "flags": np.array([True, False]),
}


def header(next_offset: int = 3) -> Header:
    return Header(2, Mark(0xABC, next_offset - 1, next_offset), {EMAIL: 7}, RULES, {EMAIL: "x"}, 4)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = Snapshots(tmp_path / "deep").write(header(), COLUMNS)
    assert path.name == f"{3:020d}-{0xABC:016x}"
    assert read_header(path) == header()
    read = read_columns(path)
    assert read.keys() == COLUMNS.keys()
    for name, column in COLUMNS.items():
        assert read[name].dtype == column.dtype
        assert np.array_equal(read[name], column)
        assert read[name].flags.writeable


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    written = [snapshots.write(header(n), COLUMNS) for n in (5, 9, 100)]
    assert snapshots.newest_first() == [written[2], written[1]]


def test_writing_the_same_snapshot_again_is_harmless(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    assert snapshots.write(header(), COLUMNS) == snapshots.write(header(), COLUMNS)
    assert len(list(tmp_path.iterdir())) == 1


# Begins a snapshot in a folder, says so, and waits to be killed within it.
_WRITER = """
import sys, time
from pathlib import Path
from pipeline.state import snapshots
from tests.unit.test_snapshots import COLUMNS, header

def begun(*_):
    print("begun", flush=True)
    time.sleep(60)

snapshots._write_column = begun
snapshots.Snapshots(Path(sys.argv[1])).write(header(), COLUMNS)
"""


@contextmanager
def writing(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process within a snapshot; killed with the block."""
    command = [sys.executable, "-c", _WRITER, str(folder)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            yield process
        finally:
            process.kill()


def test_what_a_killed_process_left_goes_at_once_and_what_a_live_one_writes_stays(tmp_path: Path) -> None:
    with writing(tmp_path / "0"):
        (aside,) = (tmp_path / "0").iterdir()
        keeper = World(MemoryLog(), tmp_path).keeper
        keeper.clear()
        assert aside.exists()
        Snapshots(tmp_path / "0").write(header(9), COLUMNS)
        assert aside.exists()
    assert aside.exists()
    keeper.clear()
    assert not aside.exists()


def test_a_starting_worker_clears_what_a_killed_one_left_of_any_partition(tmp_path: Path) -> None:
    async def story(log: MemoryLog, folder: Path) -> None:
        left = [folder / number / ".aside-left-1" for number in "07"]
        for one in left:
            one.mkdir(parents=True)
        await World(log, folder).recover()
        assert [one.exists() for one in left] == [False, False]

    run(story, tmp_path)


def test_without_locks_what_a_dead_process_left_goes_after_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no locks")

    monkeypatch.setattr(module.fcntl, "flock", no_locks)
    fresh, stale = tmp_path / ".aside-fresh-1", tmp_path / ".aside-stale-2"
    for left in (fresh, stale):
        left.mkdir()
    long_ago = stale.stat().st_mtime - module.ASIDE_S_MAX - 1
    os.utime(stale, (long_ago, long_ago))
    path = Snapshots(tmp_path).write(header(), COLUMNS)
    assert Snapshots(tmp_path).newest_first() == [path]
    assert fresh.exists()
    assert not stale.exists()


def damage_header(path: Path) -> None:
    file = path / "header.json"
    file.write_text(file.read_text().replace('"events.email": ', '"events.email": 1'))


def cut_header(path: Path) -> None:
    file = path / "header.json"
    file.write_bytes(file.read_bytes()[:-10])


def other_format(path: Path) -> None:
    file = path / "header.json"
    fields = json.loads(file.read_text()) | {"format": module.FORMAT + 1}
    file.write_text(json.dumps(fields))


def flip_a_bit(path: Path) -> None:
    file = path / "next.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def cut_a_column(path: Path) -> None:
    file = path / "next.npy"
    file.write_bytes(file.read_bytes()[:-1])


def lose_a_column(path: Path) -> None:
    (path / "next.npy").unlink()


DAMAGES = [damage_header, cut_header, other_format, flip_a_bit, cut_a_column, lose_a_column]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_noticed(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = Snapshots(tmp_path).write(header(), {"next": np.arange(5)})
    damage(path)
    with pytest.raises(Doubtful):
        (read_header(path), read_columns(path))


Story = Callable[[MemoryLog, Path], Awaitable[None]]


def run(story: Story, folder: Path) -> None:
    async def whole() -> None:
        await story(await sourced(MemoryLog()), folder)

    asyncio.run(whole())


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


def test_what_is_copied_for_a_snapshot_does_not_change_with_the_state() -> None:
    column = np.arange(3)
    kept = copied({"x": column})
    column[0] = 9
    assert kept["x"].tolist() == [0, 1, 2]


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
