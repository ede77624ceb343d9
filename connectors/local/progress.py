"""Progress of what takes seconds: downloads and starts."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, units done and units in all (0, 0: not countable). May be called from any thread."""


def silent(what: str, done: int, total: int) -> None:
    """Shows nothing."""
