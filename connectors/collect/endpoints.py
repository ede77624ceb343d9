"""The endpoints of a deployment: one file, shared by all its collectors, changed by commands under a lock.

A running collector looks every second whether the file has changed. A new one that cannot be used changes nothing: the
endpoints known before stay, and the fault is told until it is mended.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from connectors.collect import endpoints_format as written
from connectors.collect.endpoint import Endpoint
from connectors.collect.endpoints_format import Broken

LOOK_SECONDS = 1.0  # between two looks at the file
SAY_SECONDS = 60.0  # between two words about one fault
LOCK_SECONDS = 10.0  # a command waits for another one; a change takes milliseconds
_LOCK_LOOK_SECONDS = 0.02
_MODE = 0o600

_log = logging.getLogger(__name__)
_Stamp = tuple[int, ...] | None  # inode, size, times of content and of rights; None: there is no file


class StoreError(RuntimeError):
    """The endpoints' file cannot be read, used or written; says which file, what is wrong and how to mend it."""


class Store:
    """The endpoints as the file has them, at most a second ago."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file; one that is not there has no endpoints yet.

        Raises:
            StoreError: it cannot be used.
        """
        self._path, self._clock = path, clock
        self._stamp = _stamp(path)
        self._known: Mapping[str, Endpoint] = _by_id(read(path))
        self._looked_at = clock()
        self._fault: str | None = None
        self._said_at = -math.inf

    def by_id(self, endpoint_id: str) -> Endpoint | None:
        """The endpoint of an id; None: there is none."""
        self._look()
        return self._known.get(endpoint_id)

    def all(self) -> tuple[Endpoint, ...]:
        """All endpoints, in the order in which they were made."""
        self._look()
        return tuple(self._known.values())

    @property
    def fault(self) -> str | None:
        """What is wrong with the file as it is now; None: the endpoints are what it says."""
        return self._fault

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            self._reread(stamp)
        if self._fault is not None and now - self._said_at >= SAY_SECONDS:
            self._said_at = now
            _log.warning("the endpoints known before stay in force: %s", self._fault)

    def _reread(self, stamp: _Stamp) -> None:
        former = self._fault
        try:
            if stamp is None:
                raise StoreError(f"{self._path} is gone. Put it back; to remove endpoints: `tally endpoints remove`")
            self._known, self._fault = _by_id(read(self._path)), None
        except StoreError as error:
            self._fault = str(error)
        if self._fault != former:
            self._said_at = -math.inf
        if former is not None and self._fault is None:
            _log.warning("the endpoints' file %s can be used again: %d endpoints", self._path, len(self._known))


async def watch(store: Store, fault_of: Callable[[Endpoint], str | None]) -> None:
    """Look at the file also while nothing is delivered, and tell once of what keeps an endpoint from working."""
    told: frozenset[str] = frozenset()
    while True:
        faults = frozenset(fault for one in store.all() if (fault := fault_of(one)) is not None)
        for fault in sorted(faults - told):
            _log.warning("%s", fault)
        told = faults
        await asyncio.sleep(LOOK_SECONDS)


def read(path: Path) -> tuple[Endpoint, ...]:
    """The endpoints of a file; none where there is no file.

    Raises:
        StoreError: it cannot be read or used.
    """
    try:
        with path.open("rb") as file:
            content = file.read(written.FILE_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        mend = "Point TALLY_COLLECT__ENDPOINTS_FILE at a file that this user may read"
        raise StoreError(f"cannot read the endpoints' file {path}: {error.strerror}. {mend}") from None
    try:
        return written.decode(content)
    except Broken as error:
        mend = "Mend it there, or put a former copy of the file back"
        raise StoreError(f"cannot use the endpoints' file {path}: {error}. {mend}") from None


def change(path: Path, step: Callable[[tuple[Endpoint, ...]], tuple[Endpoint, ...]]) -> tuple[Endpoint, ...]:
    """Put what `step` makes of the endpoints into the file, whole or not at all, and return it. Commands take turns.

    Raises:
        StoreError: the file cannot be used or written, or another command holds it.
    """
    path = path.resolve()  # behind a link the file itself is replaced, not the link
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_name(path.name + ".lock")):
            found = _usable(path, step(read(path)))
            _replace(path, written.encode(found))
            return found
    except OSError as error:
        mend = "Make its folder writable to this user, or choose another with TALLY_COLLECT__ENDPOINTS_FILE"
        raise StoreError(f"cannot write the endpoints' file {path}: {error.strerror}. {mend}") from None


def _usable(path: Path, endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """The endpoints, once it is sure that they can be read again."""
    try:
        again = written.decode(written.encode(endpoints))
    except Broken as error:
        raise StoreError(f"nothing was written to {path}: {error}") from None
    assert again == endpoints, "the endpoints' file does not say what was to be written"
    return endpoints


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _MODE)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _taken(descriptor):
            if time.monotonic() >= deadline:
                raise StoreError(f"another command changes the endpoints: it holds {path}. Try again when it has ended")
            time.sleep(_LOCK_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(path: Path, content: bytes) -> None:
    """Written aside, synced, renamed: a reader finds the former file or the new one."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    aside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _by_id(endpoints: tuple[Endpoint, ...]) -> dict[str, Endpoint]:
    return {one.id: one for one in endpoints}
