"""Ends a bench and removes its folder when the one who started it is gone, however it went: `kill -9` included.

Run as `python -m tests.bench.child_keeper`. The starter writes lines `folder PATH` and `process PID` into its input;
when that input ends, which the system sees to, what was named is ended and removed. A session of its own keeps Ctrl-C
away from it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
END_SECONDS = 60.0  # for what a bench started: brokers, engines, folders
FOLDER, PROCESS = "folder", "process"


class Keeper:
    """Binds a bench to the life of this process; `with` ends what is left."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.child_keeper"], stdin=subprocess.PIPE, cwd=ROOT, start_new_session=True
        )
        return self

    def folder(self, path: str) -> None:
        """From now on that folder goes when this process goes."""
        self._tell(FOLDER, path)

    def process(self, pid: int) -> None:
        """From now on that child ends when this process does."""
        self._tell(PROCESS, str(pid))

    def _tell(self, what: str, value: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what} {value}\n".encode())
        self._process.stdin.flush()

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def main() -> None:
    """Read what is to be kept until the input ends, then end it."""
    folders, processes = [], []
    for line in sys.stdin:
        what, _, value = line.rstrip("\n").partition(" ")
        if what == FOLDER:
            folders.append(value)
            continue
        with contextlib.suppress(ProcessLookupError):  # it has ended, and its starter has seen it
            processes.append(os.pidfd_open(int(value)))
    for process in processes:
        _end(process)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)  # mostly the starter has removed it


def _end(process: int) -> None:
    """SIGTERM, so that it ends what it started; SIGKILL where that takes too long."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGTERM)
        if not select.select([process], [], [], END_SECONDS)[0]:
            signal.pidfd_send_signal(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
