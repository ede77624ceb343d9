"""Snapshots as files: what was written is read, damage is noticed, what was left half is cleared."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pipeline.journal.memory import MemoryLog
from pipeline.state import snapshots as module
from pipeline.state.snapshots import Doubtful, Snapshots, read_columns, read_header
from tests.contract.worlds import World
from tests.unit.snapshots_world import COLUMNS, DAMAGES, header, run


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
from tests.unit.snapshots_world import COLUMNS, header

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


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_noticed(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = Snapshots(tmp_path).write(header(), {"next": np.arange(5)})
    damage(path)
    with pytest.raises(Doubtful):
        (read_header(path), read_columns(path))
