"""Locks of files: held by one process, gone with the last of its threads however it ends."""

from __future__ import annotations

import fcntl
import time
from typing import IO, Any

POLL_SECONDS = 0.05


def try_lock(file: IO[Any]) -> bool:
    """Lock an open file for this process alone; False where another one has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_within(file: IO[Any], seconds: float) -> bool:
    """As `try_lock`, until the time is over."""
    deadline = time.monotonic() + seconds
    while not try_lock(file):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
