"""A command in a terminal of its own: what it shows, what is typed, and how it leaves the terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
ROWS, COLUMNS = 30, 120
CTRL_C = "\x03"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")
# The terminal becomes the process's own, so that Ctrl-C reaches it; then it is the command.
_TAKES_IT = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


class Terminal:
    """A pseudo-terminal with one process of `tally` in it, which ends with the block."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.before = termios.tcgetattr(self._slave)
        self.said = ""
        plain = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKES_IT, sys.executable, "-m", "pipeline.cli.app", *arguments],
            cwd=ROOT,
            env={**plain, "TERM": "xterm-256color", **environment},
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)
        os.close(self._slave)

    @property
    def text(self) -> str:
        """What was shown so far, without the terminal's escapes."""
        return _ESCAPES.sub("", self.said)

    def type(self, keys: str) -> None:
        """As a person would."""
        os.write(self._master, keys.encode())

    def shows(self, text: str, seconds: float) -> bool:
        """Whether a text comes after what was shown until now."""
        start, deadline = len(self.said), time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._read(0.1)
            if text in _ESCAPES.sub("", self.said[start:]):
                return True
        return False

    def end(self, seconds: float, number: int | None = None) -> int:
        """The exit code, after a signal where one is given."""
        if number is not None:
            os.kill(self._process.pid, number)
        deadline = time.monotonic() + seconds
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end; it showed {self.text[-2000:]}"
            self._read(0.1)
        self._read(0.2)
        return int(self._process.returncode)

    def attributes(self) -> list[Any]:
        """How the terminal is set now."""
        return termios.tcgetattr(self._slave)

    def _read(self, seconds: float) -> None:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if ready:
            self.said += os.read(self._master, 1 << 16).decode("utf-8", "replace")
