"""Processes of the local stack: started apart from the terminal, known by pid and start time, ended by a deadline.

A pid alone names nobody: after a crash another program may carry it. The start time beside it tells them apart.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

START_TOLERANCE_SECONDS = 2.0  # the clock may be set between two readings; a pid is not reused that fast
KILL_SECONDS = 5.0  # from SIGKILL to gone; only a process in uninterruptible IO takes longer


POLL_SECONDS = 0.02  # a clean stop takes tenths of a second

_children: list[subprocess.Popen[bytes]] = []  # of this process that outlive the one who asked for them

_guard = threading.Lock()


class Mark(NamedTuple):
    """A process that cannot be mistaken for another: pid and start time in seconds since 1970."""

    pid: int
    started: float


def spawn(
    command: Sequence[str], log: Path, environ: Mapping[str, str], folder: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that neither the terminal's end nor Ctrl-C reaches it.

    Its output goes to the end of `log`, its input is empty; it works in `folder`, or in this process's.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environ},
            cwd=folder,
            start_new_session=True,
        )
    with _guard:
        _children.append(process)
    return process


def mark(pid: int) -> Mark:
    """The mark of a running process.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    return Mark(pid, psutil.Process(pid).create_time())


def find(marked: Mark) -> psutil.Process | None:
    """The process, if it still runs. A zombie does not run, a stranger with its pid is not it.

    One whose first thread has ended looks like a zombie while others still end, and holds its files and locks.
    """
    try:
        process = psutil.Process(marked.pid)
        same = abs(process.create_time() - marked.started) <= START_TOLERANCE_SECONDS
        is_over = process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
        return process if same and not is_over else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def runs(marked: Mark) -> bool:
    """Whether the process still runs."""
    return find(marked) is not None


def end(marked: Mark, seconds: float) -> bool:
    """SIGTERM, and SIGKILL after the deadline. Returns whether the process stopped by itself (or was gone).

    Raises:
        TimeoutError: it does not even die of SIGKILL.
    """
    process = find(marked)
    if process is None:
        return True
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
    if _is_gone(marked, seconds):
        return True
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    if not _is_gone(marked, KILL_SECONDS):
        raise TimeoutError(f"process {marked.pid} does not end, not even by SIGKILL; it hangs in the system")
    return False


def _is_gone(marked: Mark, seconds: float) -> bool:
    """Wait until it no longer runs. A zombie is gone: only its own parent can clear it away, and may be busy."""
    deadline = time.monotonic() + seconds
    while runs(marked):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    _clear_children()
    return True


def _clear_children() -> None:
    """Forget children that have ended, so that they do not stay zombies."""
    with _guard:
        _children[:] = [child for child in _children if child.poll() is None]
