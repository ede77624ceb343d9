"""What can go wrong with the local stack, said to a person: what, where, and how to mend it."""

from __future__ import annotations

from pathlib import Path

LOG_LINES_SHOWN = 20  # the end of a log holds the cause; more hides the message's beginning
LOG_TAIL_BYTES = 64 * 1024  # enough for that many lines, stack traces included


class StackError(RuntimeError):
    """The local stack cannot be what was asked for. The message says what, where and how to mend it."""


def tail(log: Path) -> str:
    """The last lines of a log file; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LOG_TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])
