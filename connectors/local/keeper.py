"""Ends the stack's processes when the one who started them is gone, however it went: `kill -9` included.

Run as `python -m connectors.local.keeper`. The starter writes one line `pid started` for each process into its
input; when that input ends, which the system sees to, every process named is ended. A session of its own keeps
Ctrl-C away from it.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from connectors.local.processes import Mark, end

STOP_SECONDS = 10.0  # Kafka takes 0.5 s, an engine that is flushing a few


class Keeper:
    """Binds processes to the life of this one."""

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "connectors.local.keeper"],
            stdin=subprocess.PIPE,
            cwd=root,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the keeper's process."""
        return self._process.pid

    def bind(self, marked: Mark) -> None:
        """From now on that process ends when this one does."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{marked.pid} {marked.started!r}\n".encode())
        self._process.stdin.flush()

    def close(self) -> None:
        """End what is bound and still runs, and the keeper."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Read marks until the input ends, then end them all."""
    bound = []
    for line in sys.stdin:
        pid, started = line.split()
        bound.append(Mark(int(pid), float(started)))
    if bound:
        with ThreadPoolExecutor(len(bound)) as pool:
            list(pool.map(lambda marked: end(marked, STOP_SECONDS), bound))


if __name__ == "__main__":
    main()
