"""Columns that grow together, addressed by numbers from 1; 0 names nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.hashing import Ints
from pipeline.core.undo import NOTHING, Undo

SIZE_MIN = 1024  # rows
GROWN = 1.15  # times the rows in use: what is reserved is memory too, where pages are huge
GROWN_SMALL = 2.0  # below SMALL_ROWS, which are little memory
SMALL_ROWS = 1 << 16
_NEARLY_FULL = 15 / 16  # of a column's room: it is made anew, one column at a call, so that no call makes all


class Columns:
    """Rows 1..count of fixed columns. Row 0 is there and stays zero, so that 0 can be looked up.

    `undo`: told of all that is written.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.count = 0
        self.undo: Undo = NOTHING
        self._columns: dict[str, npt.NDArray[Any]] = {n: np.zeros(SIZE_MIN, t) for n, t in fields.items()}

    @classmethod
    def of(cls, columns: Mapping[str, npt.NDArray[Any]]) -> Columns:
        """From the columns of one, row 0 included."""
        made = cls({})
        made.count = len(next(iter(columns.values()))) - 1
        made._columns = {name: made._with_room(column, made.count + 1) for name, column in columns.items()}
        return made

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """A column, to be read."""
        return self._columns[name]

    def write(self, name: str, rows: Ints, values: npt.ArrayLike) -> None:
        """Values of rows."""
        self.undo.keep(self._columns[name], rows)
        self._columns[name][rows] = values

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """The rows in use, row 0 included."""
        return {name: column[: self.count + 1] for name, column in self._columns.items()}

    def extend(self, n: int) -> Ints:
        """The numbers of `n` new zero rows."""
        first = self.count + 1
        self.count += n
        is_made = False
        for name, column in self._columns.items():
            is_nearly_full = SMALL_ROWS < len(column) * _NEARLY_FULL <= self.count
            if self.count >= len(column) or (is_nearly_full and not is_made):
                self._columns[name] = self._with_room(column, first)
                is_made = True
        return np.arange(first, first + n)

    def _with_room(self, column: npt.NDArray[Any], first: int) -> npt.NDArray[Any]:
        """The first rows of a column, with room for all that there are and more."""
        grown = GROWN_SMALL if self.count < SMALL_ROWS else GROWN
        larger = np.zeros(max(SIZE_MIN, int(grown * (self.count + 1))), column.dtype)
        larger[:first] = column[:first]
        return larger
