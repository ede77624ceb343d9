"""Runs the command line of tally in a process that dies at a failpoint: `kill -9`, at exactly that place.

`python -m tests.torture.process --crash journal.after_append:3 -- worker --name w1` is `tally worker --name w1` until
it passes that failpoint for the third time; `--crash` may stand several times. With `--listen` more of them come as
lines on its standard input, and count from then on. It says so when a failpoint is armed, and as its last words.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipeline import failpoints
from pipeline.failpoints import Failpoint

POINTS = {point.label: point for point in Failpoint}


class Crash(NamedTuple):
    """Where to die, and at which passing of it."""

    point: Failpoint
    passing: int = 1

    def __str__(self) -> str:
        return f"{self.point.label}:{self.passing}"


def armed(crash: Crash) -> str:
    """What a process says once it will die there."""
    return f"armed: {crash}\n"


def last_words(point: Failpoint) -> str:
    """What a process says before it dies there."""
    return f"killed at {point.label}\n"


def parsed(text: str) -> Crash:
    """`journal.after_append:3`; without a number the first passing.

    Raises:
        ValueError: there is no such failpoint, or no such number.
    """
    name, _, number = text.partition(":")
    if name not in POINTS:
        raise ValueError(f"no failpoint {name!r}: there are {', '.join(POINTS)}")
    crash = Crash(POINTS[name], int(number or 1))
    if crash.passing < 1:
        raise ValueError(f"{text}: the first passing is 1")
    return crash


class Crashes:
    """Those of this process."""

    def __init__(self, crashes: Iterable[Crash]) -> None:
        self._left: dict[Failpoint, int] = {}
        self._lock = threading.Lock()  # failpoints are passed in several threads
        for crash in crashes:
            self.add(crash)

    def add(self, crash: Crash) -> None:
        """Die there, counted from now."""
        with self._lock:
            self._left[crash.point] = crash.passing
        _say(armed(crash))

    def reached(self, point: Failpoint) -> None:
        """A failpoint is passed."""
        with self._lock:
            left = self._left.get(point)
            if left is None:
                return
            self._left[point] = left - 1
            if left == 1:
                _say(last_words(point))
                os.kill(os.getpid(), signal.SIGKILL)


def listen(crashes: Crashes) -> None:
    """Take crashes from standard input, until it ends."""
    for line in sys.stdin:
        crashes.add(parsed(line.strip()))


def main(arguments: Sequence[str]) -> None:
    """Run `tally` with what follows `--`."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.process")
    parser.add_argument("--crash", action="append", default=[], type=parsed)
    parser.add_argument("--listen", action="store_true")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(arguments)
    crashes = Crashes(given.crash)
    failpoints.arm(crashes.reached)
    if given.listen:
        threading.Thread(target=listen, args=(crashes,), daemon=True).start()

    from pipeline.cli import app

    sys.argv = ["tally", *given.command]
    app.main()


def _say(text: str) -> None:
    """In one piece, past every buffer."""
    os.write(sys.stderr.fileno(), text.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
