"""A hash table over numpy columns: 64-bit keys to a few fixed columns.

Rows of 8 slots, one cache line of keys; a key lives in one of two rows. 0 marks a free slot.
Vectorised over whole batches; about 0.3 us a key to look up and insert, whatever the size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.hashing import Hashes, Ints, Mask

SLOTS = 8  # keys of a row: 64 bytes, one cache line
LOAD_MAX = 0.8  # of all slots; above it inserts look for room too long
ROWS_MIN = 1 << 7
SLOTS_PER_KEY_MAX = 1 << 18  # a table grown that far for keys that crowd two rows would only eat memory
_SCATTER_ROWS_MAX = 1 << 22  # above it a sort of the batch is cheaper than touching a scratch column that large
_SCATTER_KEYS_MIN = 64

_U = np.uint64


class HashTable:
    """Keys are distinct and never 0. `fields` names the columns beside the keys and their dtypes."""

    def __init__(self, fields: Mapping[str, Any], rows: int = ROWS_MIN) -> None:
        self.keys: Hashes = np.zeros((rows, SLOTS), np.uint64)
        self.fields: dict[str, npt.NDArray[Any]] = {n: np.zeros((rows, SLOTS), t) for n, t in fields.items()}
        self.count = 0
        self._owner: npt.NDArray[np.int32] = np.zeros(0, np.int32)  # scratch of _first_of_row

    @classmethod
    def of(cls, keys: Hashes, fields: Mapping[str, npt.NDArray[Any]]) -> HashTable:
        """A table from the columns of one, as a snapshot keeps them."""
        table = cls({})
        table.keys = keys.reshape(-1, SLOTS)
        table.fields = {name: column.reshape(-1, SLOTS) for name, column in fields.items()}
        table.count = int(np.count_nonzero(keys))
        return table

    def find(self, keys: Hashes) -> Ints:
        """The flat slot of every key; -1 where it is absent."""
        rows = self._rows(keys, len(self.keys))
        hit = self.keys[rows].reshape(-1, 2 * SLOTS) == keys[:, None]
        at = hit.argmax(1)
        i = np.arange(len(keys))
        return np.where(hit[i, at], rows[i, at >> 3] * SLOTS + (at & 7), -1)

    def read(self, name: str, slots: Ints) -> npt.NDArray[Any]:
        """A field's values at slots; 0 where the slot is -1."""
        column = self.fields[name].reshape(-1)
        return np.where(slots >= 0, column[slots], column.dtype.type(0))

    def get(self, name: str, keys: Hashes) -> npt.NDArray[Any]:
        """A field's values of keys; 0 where the key is absent."""
        return self.read(name, self.find(keys))

    def put(self, keys: Hashes, **values: npt.NDArray[Any]) -> None:
        """Distinct keys; replaces what is there."""
        slots = self.find(keys)
        known = slots >= 0
        for name, column in values.items():
            self.fields[name].reshape(-1)[slots[known]] = column[known]
        self.insert(keys[~known], **{name: column[~known] for name, column in values.items()})

    def insert(self, keys: Hashes, **values: npt.NDArray[Any]) -> None:
        """Distinct keys, none of them known."""
        while self.count + len(keys) > LOAD_MAX * self.keys.size:
            self._grow()
        self.count += len(keys)
        while len(keys):
            placed = self._place(keys, values)
            if not placed.any():
                assert self.keys.size < SLOTS_PER_KEY_MAX * self.count, "keys crowd two rows however large the table is"
                self._grow()
            elif placed.all():
                return
            keys, values = keys[~placed], {name: column[~placed] for name, column in values.items()}

    def delete(self, keys: Hashes) -> None:
        """Keys that are absent do not matter."""
        slots = self.find(keys)
        slots = slots[slots >= 0]
        self.keys.reshape(-1)[slots] = 0
        self.count -= len(slots)

    def drop(self, gone: Mask) -> None:
        """Forget the slots of a mask shaped like `keys`."""
        gone = gone & (self.keys != 0)
        self.keys[gone] = 0
        self.count -= int(np.count_nonzero(gone))

    def _place(self, keys: Hashes, values: Mapping[str, npt.NDArray[Any]]) -> Mask:
        """One key for each row at most; returns which keys found a place."""
        rows = self._rows(keys, len(self.keys))
        free = self.keys[rows] == 0
        room = free.sum(2)
        i = np.arange(len(keys))
        side = (room[:, 1] > room[:, 0]).astype(np.int64)
        row = rows[i, side]
        placed: Mask = self._first_of_row(row) & (room[i, side] > 0)
        at = row[placed]
        slot = free[i, side][placed].argmax(1)
        self.keys[at, slot] = keys[placed]
        for name, column in values.items():
            self.fields[name][at, slot] = column[placed]
        return placed

    def _first_of_row(self, row: Ints) -> Mask:
        if len(row) < _SCATTER_KEYS_MIN or len(self.keys) > _SCATTER_ROWS_MAX:
            first = np.zeros(len(row), bool)
            first[np.unique(row, return_index=True)[1]] = True
            return first
        if len(self._owner) != len(self.keys):
            self._owner = np.zeros(len(self.keys), np.int32)
        i = np.arange(len(row), dtype=np.int32)
        self._owner[row[::-1]] = i[::-1]
        mine: Mask = self._owner[row] == i
        return mine

    def _grow(self) -> None:
        """Twice the rows: a key stays in its row or moves to the same row of the second half."""
        n = len(self.keys)
        rows = self._rows(self.keys.reshape(-1), 2 * n)
        here = np.repeat(np.arange(n), SLOTS)
        target = np.where((rows[:, 0] & (n - 1)) == here, rows[:, 0], rows[:, 1]).reshape(n, SLOTS)
        self.keys = np.concatenate([self.keys, self.keys])
        self.keys[:n][target >= n] = 0
        self.keys[n:][target < n] = 0
        self.fields = {name: np.concatenate([column, column]) for name, column in self.fields.items()}

    @staticmethod
    def _rows(keys: Hashes, rows: int) -> Ints:
        mask = _U(rows - 1)
        second = ((keys >> _U(32)) * _U(0x9E3779B97F4A7C15) >> _U(24)) & mask
        return np.stack([keys & mask, second], 1).astype(np.int64)
