"""Snapshots of a partition at rest: raw arrays beside a header, so that a fold begins later. A cache, never the truth.

A snapshot is a directory named by the journal offset and the id up to which it goes; it is written aside, synced and
renamed, so it is whole or not there. Workers of one machine may share a folder: a writer holds a lock, which ends with
its process, so what a dead one left is removed by the next one, and what a live one writes is not touched. (Where a
lock does not reach a writer on another machine, that one fails to rename: no snapshot, and nothing wrong.)
The header has a version, a checksum over itself and one (xxh3) over each column.
Any doubt about a snapshot: delete it and fold. The newest KEPT stay.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
import tokenize
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from pipeline.core.record import Rules
from pipeline.failpoints import Failpoint, reached
from pipeline.state.core import Columns
from pipeline.state.store import Mark

FORMAT = 6
KEPT = 2  # the newest, and one more in case it turns out damaged
ASIDE_S_MAX = 3600.0  # where there are no locks: an unfinished snapshot that old was left by a process that died
_HEADER = "header.json"
_ASIDE = ".aside-"
# What numpy's reader says of damaged bytes: it takes a column's head for Python text.
_DAMAGED = (EOFError, MemoryError, OSError, OverflowError, SyntaxError, TypeError, ValueError, tokenize.TokenError)


class Doubtful(ValueError):
    """A snapshot that is not whole, or not of this version."""


class Header(NamedTuple):
    """What a snapshot says of itself; `positions`, `topics` and `partitions` as in a store."""

    partition: int
    mark: Mark
    positions: dict[str, int]
    rules: Rules
    topics: dict[str, str]
    partitions: int


class Snapshots:
    """The snapshots of one partition, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def newest_first(self) -> list[Path]:
        """The snapshots that are there."""
        if not self.folder.is_dir():
            return []
        return sorted((path for path in self.folder.iterdir() if not path.name.startswith(".")), reverse=True)

    def write(self, header: Header, columns: Columns) -> Path:
        """Write a snapshot and prune older ones; returns its directory.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        path = self.folder / f"{header.mark.next_offset:020d}-{header.mark.last_id:016x}"
        aside = self.folder / f"{_ASIDE}{path.name}-{os.getpid()}"
        with _made(aside):
            sums = {name: _write_column(aside, name, column) for name, column in columns.items()}
            reached(Failpoint.SNAPSHOT_BEFORE_HEADER)
            _write_synced(aside / _HEADER, _header_bytes(header, sums))
            _sync_folder(aside)
            reached(Failpoint.SNAPSHOT_BEFORE_RENAME)
            if not path.exists():
                aside.rename(path)
            reached(Failpoint.SNAPSHOT_RENAMED)
            _sync_folder(self.folder)
        self._prune()
        return path

    def delete(self, path: Path) -> None:
        """Remove a snapshot; another worker may have done so."""
        shutil.rmtree(path, ignore_errors=True)

    def _prune(self) -> None:
        reached(Failpoint.SNAPSHOT_BEFORE_PRUNE)
        for path in self.newest_first()[KEPT:]:
            self.delete(path)
            reached(Failpoint.SNAPSHOT_MID_PRUNE)
        self.clear()

    def clear(self) -> None:
        """Remove what processes that died left unfinished; what a live one writes stays."""
        for aside in self.folder.glob(f"{_ASIDE}*"):
            with suppress(FileNotFoundError), _opened(aside) as folder:  # another worker removes or finishes it
                is_locked = _locked(folder)
                is_old = aside.stat().st_mtime < time.time() - ASIDE_S_MAX
                if is_locked or (is_locked is None and is_old):
                    self.delete(aside)


@contextmanager
def _made(aside: Path) -> Iterator[None]:
    """A folder to write in, locked for the block and gone behind it.

    Raises:
        OSError: it cannot be made; BlockingIOError: somebody else is at it just now.
    """
    aside.mkdir(parents=True, exist_ok=True)
    with _opened(aside) as folder:
        is_free = _locked(folder) is not False
        if not (is_free and aside.exists() and aside.stat().st_ino == os.fstat(folder).st_ino):
            raise BlockingIOError(errno.EAGAIN, "another process is at the same unfinished snapshot", str(aside))
        try:
            yield
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A descriptor of a folder; a lock on it ends with the block, or with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool | None:
    """Take the lock; False: another descriptor has it, None: the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def read_header(path: Path) -> Header:
    """The header of a snapshot.

    Raises:
        Doubtful: it is not there, not whole, or of another version.
    """
    return _header(_fields(path))


def read_columns(path: Path) -> Columns:
    """The columns of a snapshot, each against its checksum.

    Raises:
        Doubtful: one is not what was written.
    """
    return {name: _read_column(path, name, total) for name, total in _fields(path)["columns"].items()}


def _header_bytes(header: Header, sums: Mapping[str, str]) -> bytes:
    fields = {
        "format": FORMAT,
        "partition": header.partition,
        "mark": header.mark._asdict(),
        "positions": header.positions,
        "rules": header.rules._asdict(),
        "topics": header.topics,
        "partitions": header.partitions,
        "columns": dict(sums),
    }
    fields["checksum"] = _checksum(fields)
    return json.dumps(fields, indent=1).encode()


def _checksum(fields: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in fields.items() if name != "checksum"}
    return xxhash.xxh3_64_hexdigest(json.dumps(rest, sort_keys=True).encode())


def _fields(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads((path / _HEADER).read_bytes())
    except (OSError, ValueError) as error:
        raise Doubtful(f"{path.name}: its header cannot be read") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise Doubtful(f"{path.name}: not of format {FORMAT}")
    if fields.get("checksum") != _checksum(fields):
        raise Doubtful(f"{path.name}: its header does not match its checksum")
    return fields


def _header(fields: dict[str, Any]) -> Header:
    mark, rules = Mark(**fields["mark"]), Rules(**fields["rules"])
    return Header(fields["partition"], mark, fields["positions"], rules, fields["topics"], fields["partitions"])


def _write_column(folder: Path, name: str, column: npt.NDArray[Any]) -> str:
    with (folder / f"{name}.npy").open("wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(column), allow_pickle=False)
        reached(Failpoint.SNAPSHOT_MID_COLUMN)
        _sync(file)
    return _digest(column)


def _read_column(folder: Path, name: str, digest: str) -> npt.NDArray[Any]:
    try:
        with (folder / f"{name}.npy").open("rb") as file:
            column: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except _DAMAGED as error:
        raise Doubtful(f"{folder.name}: its column {name} cannot be read") from error
    if _digest(column) != digest:
        raise Doubtful(f"{folder.name}: its column {name} does not match its checksum")
    return column


def _digest(column: npt.NDArray[Any]) -> str:
    flat = np.ascontiguousarray(column).reshape(-1).view(np.uint8)
    return xxhash.xxh3_64_hexdigest(flat.data)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        _sync(file)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with _opened(folder) as descriptor:
        os.fsync(descriptor)
