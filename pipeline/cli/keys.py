"""Single keys from a terminal, which is given back as it was."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from typing import Any, Self


class Keys:
    """While it lasts, keys come without Return and are not shown; Ctrl-C stays what it is."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def pressed(self, seconds: float) -> str:
        """The next key within some seconds, in small letters; else nothing."""
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return ""
        found = os.read(self._descriptor, 1)
        if not found:
            raise KeyboardInterrupt  # the terminal is gone: there is nobody to show anything to
        return found.decode("ascii", "replace").lower()
