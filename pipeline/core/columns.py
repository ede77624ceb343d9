"""Columns that grow together, addressed by numbers from 1; 0 names nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.hashing import Ints
from pipeline.core.undo import NOTHING, Undo

SIZE_MIN = 1024  # rows; doubled when full


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
        made._columns = {name: np.array(column) for name, column in columns.items()}
        made.count = len(next(iter(columns.values()))) - 1
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
        for name, column in self._columns.items():
            if len(column) <= self.count:
                larger = np.zeros(max(2 * len(column), self.count + 1), column.dtype)
                larger[:first] = column[:first]
                self._columns[name] = larger
        return np.arange(first, first + n)
