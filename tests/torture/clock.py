"""A wall clock that can be moved under a running process: libfaketime, preloaded, with its offset in a file.

Monotonic time stays true: timeouts and sessions go on as ever, only the time of day jumps, as when an operator or a
time service sets a machine's clock.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import psutil

FOLLOW_SECONDS = 1.5  # a process reads the file anew with every second that begins
_SHARED = Path("/dev/shm")  # where the library keeps its own


class Clock:
    """The offset lies in `file`, which is made here. Start with 0."""

    def __init__(self, file: Path) -> None:
        sweep()
        self._file = file.absolute()
        self._seconds = 0.0
        self._write()

    @property
    def seconds(self) -> float:
        """By how much the clock is ahead now; negative: behind."""
        return self._seconds

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process is started with to follow this clock."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "0",  # whole seconds: at most one is over before the file is read again
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else waits of Java and Python last too long
            "NO_FAKE_STAT": "1",
        }

    def jump(self, seconds: float) -> None:
        """Move the clock, forwards or backwards; followed within FOLLOW_SECONDS."""
        self._seconds += seconds
        self._write()

    def true(self) -> None:
        """Back to the machine's own time."""
        self._seconds = 0.0
        self._write()

    def _write(self) -> None:
        aside = self._file.with_suffix(".new")
        aside.write_text(f"{self._seconds:+.3f}", encoding="ascii")
        aside.replace(self._file)


def sweep() -> None:
    """Remove what the library leaves in shared memory when its process is killed: two tiny files named by a pid."""
    for path in [*_SHARED.glob("faketime_shm_*"), *_SHARED.glob("sem.faketime_sem_*")]:
        pid = path.name.rsplit("_", 1)[1]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            path.unlink(missing_ok=True)


def library() -> Path:
    """The compiled library of the package libfaketime.

    Raises:
        FileNotFoundError: the package is not installed, or has none for this system.
    """
    package = importlib.util.find_spec("libfaketime")
    if package is not None and package.origin is not None:
        found = sorted(Path(package.origin).parent.rglob("libfaketime.so.1"))
        if found:
            return found[0]
    raise FileNotFoundError("the package libfaketime with its compiled library is not installed: run `make setup`")
