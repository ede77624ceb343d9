"""Where a value stands in a payload: a key of its first level, or a JSON pointer (RFC 6901). Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final


class _Absent:
    """What is not there, as told from null."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = _Absent()
_OBJECT = (dict, Mapping)  # the first, which nearly all are, is known ten times sooner


def at(item: Any, where: str) -> Any:
    """The value at a place, or ABSENT. `where` that begins with `/` is a JSON pointer, all else one key as it stands.

    A pointer that leads through what is neither object nor list, or to no such place, finds nothing.
    """
    if not where.startswith("/"):
        return item.get(where, ABSENT) if isinstance(item, _OBJECT) else ABSENT
    for step in _steps(where):
        item = _inside(item, step)
    return item


def put(item: Any, where: str, value: Any) -> Any:
    """A copy of an item with another value at a place, where `at` finds one; what is beside the way is shared."""
    return _put(item, list(_steps(where)) if where.startswith("/") else [where], value)


def _put(item: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    inner = _put(_inside(item, steps[0]), steps[1:], value)
    if isinstance(item, list):
        return [inner if place == int(steps[0]) else one for place, one in enumerate(item)]
    return {**item, steps[0]: inner}


@functools.lru_cache(1024)
def _steps(where: str) -> tuple[str, ...]:
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in where[1:].split("/"))


def _inside(item: Any, step: str) -> Any:
    if isinstance(item, _OBJECT):
        return item.get(step, ABSENT)
    if isinstance(item, list) and step.isascii() and step.isdecimal() and len(step) < 10 and int(step) < len(item):
        return item[int(step)]
    return ABSENT
