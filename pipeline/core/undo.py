"""What arrays were at one instant, while they go on: the values that writes replace are kept, and put back in a copy.

In:   the arrays of a state; before each write into one, its places.  Out: copies as of the instant.
Time: the copying may be done in a thread of its own, beside any writes. What was not written since the instant is
copied as it was then; what was is put back, the last write first, so that the value of the instant stays.
An array that is replaced by another one (a table that grew) is written no more: its copy is as of the instant too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.hashing import Ints

Array = npt.NDArray[Any]
_Kept = list[tuple[Ints, Array]]  # places, from the beginning of the memory, and what was there


class Undo:
    """Of columns, each of one dimension, all of its memory or one stretch of it."""

    def __init__(self, columns: dict[str, Array]) -> None:
        self._columns = columns  # which keep their memory, so no other array has its id
        self._kept: dict[int, _Kept] = {id(_memory(column)): [] for column in columns.values()}

    @property
    def is_open(self) -> bool:
        """Whether it is still to be copied."""
        return bool(self._kept)

    def keep(self, array: Array, at: Ints) -> None:
        """Call before every write. `array`: all of its memory, in one dimension or more; `at`: places in it, flat."""
        kept = self._kept.get(id(_memory(array)))
        if kept is not None:
            kept.append((at, array.reshape(-1)[at]))

    def copied(self) -> dict[str, Array]:
        """The columns as of the instant, once; nothing is kept any more, also where memory is out."""
        try:
            copies = {name: np.array(column) for name, column in self._columns.items()}
            for name, column in self._columns.items():
                for at, values in reversed(self._kept[id(_memory(column))]):
                    place = at - _start(column)
                    inside = (place >= 0) & (place < len(column))
                    copies[name][place[inside]] = values[inside]
            return copies
        finally:
            self._kept, self._columns = {}, {}


def _memory(array: Array) -> Array:
    """The array that owns the memory; of views numpy names no other as their base."""
    return array if array.base is None else array.base


def _start(column: Array) -> int:
    """Where in its memory a column begins."""
    return (column.ctypes.data - _memory(column).ctypes.data) // column.itemsize


NOTHING = Undo({})
