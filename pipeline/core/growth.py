"""A table that becomes larger by parts: its rows are moved share by share, while it goes on answering.

The larger table is written beside: what lies in rows that were moved already is written to both.
The order of rows stays that of the keys' halves, so a share of rows goes to one stretch of the larger table: 0.1 us a
key. But a key that finds no room there goes to its other row, anywhere: the first share would let the system make all
of the new memory at once, 0.3 s of zeros for 12 million slots. So that is asked for before, by parts as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.core.hashing import Hashes, Ints, Mask

if TYPE_CHECKING:
    from pipeline.core.table import HashTable

SLOTS = 8  # keys of a row: 64 bytes, one cache line
_U = np.uint64
_HALF = _U(32)
_HALVES = np.dtype([("low", "<u4"), ("high", "<u4")])
Halves = npt.NDArray[np.uint32]
_FIRST, _SECOND = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77)  # odd, so each half of a key is mapped one to one
_STRETCH_ROWS = 1 << 12  # moved in one go: their keys and what they become stay in the cache
_NEAR_MAX = (1 << 16) - 1  # a stretch becomes more rows where one call brings many times a table's keys
_PAGE = 4096  # bytes: the smallest piece of memory that the system gives


def rows_of(keys: Hashes, rows: int) -> Ints:
    """The two rows in which each key may live, of so many; in their order that of its halves, mixed."""
    found = np.empty((len(keys), 2), np.uint64)
    for side, half in enumerate(_halves_of(keys)):
        np.multiply(half, _U(rows), out=found[:, side])
    found >>= _HALF
    return found.view(np.int64)


def _halves_of(keys: Hashes) -> tuple[Halves, Halves]:
    """The low and the high half of each key, mixed."""
    halves = np.ascontiguousarray(keys).view(_HALVES)
    return halves["low"] * _FIRST, halves["high"] * _SECOND


class Growth:
    """Of a table into `larger`, which has its fields and nothing else in it."""

    def __init__(self, larger: HashTable) -> None:
        self.larger = larger
        self.ready = 0  # rows of the larger table whose memory is there
        self.moved = 0  # rows

    def has_moved(self, slots: Ints) -> Mask:
        """Whether flat slots of the table lie in rows that were moved."""
        moved: Mask = slots < self.moved * SLOTS
        return moved

    def make_ready(self, rows: int) -> bool:
        """Have the system give the memory of the next rows; whether all rows have theirs."""
        if self.moved:  # the larger table may have become larger itself: nothing is written over
            return True
        begin, end = self.ready, min(self.ready + rows, len(self.larger.keys))
        for column in (self.larger.keys, *self.larger.fields.values()):
            memory = column[begin:end].reshape(-1).view(np.uint8)
            memory[::_PAGE] = 0  # what is there: nothing was moved yet
        self.ready = end
        return end == len(self.larger.keys)

    def move(self, table: HashTable, rows: int) -> bool:
        """Move the next rows; whether all are moved."""
        end = min(self.moved + rows, len(table.keys))
        while self.moved < end:
            stretch = min(self.moved + _STRETCH_ROWS, end)
            self._move(table, self.moved, stretch)
            self.moved = stretch
        return end == len(table.keys)

    def _move(self, table: HashTable, begin: int, end: int) -> None:
        self.larger.settle()
        slots = np.flatnonzero(table.keys[begin:end]) + begin * SLOTS
        keys = table.keys.reshape(-1)[slots]
        rows = self._rows(keys, slots // SLOTS, len(table.keys))
        first = int(rows.min()) if len(rows) else 0
        near = rows - first
        few = near.astype(np.uint16) if len(rows) and near.max() <= _NEAR_MAX else near  # of 16 bits: a radix sort
        order = np.argsort(few, kind="stable")
        slots, keys, rows = slots[order], keys[order], rows[order]
        placed, target = self._free_slots(rows)
        larger = self.larger
        larger.keys.reshape(-1)[target] = keys[placed]
        larger.count += len(target)
        for name, column in table.fields.items():
            larger.fields[name].reshape(-1)[target] = column.reshape(-1)[slots[placed]]
        if len(target) < len(keys):
            rest = np.ones(len(keys), bool)
            rest[placed] = False
            values = {name: column.reshape(-1)[slots[rest]] for name, column in table.fields.items()}
            larger.insert(keys[rest], **values)

    def _rows(self, keys: Hashes, here: Ints, rows: int) -> Ints:
        """In the larger table, by that half of each key by which it lies where it is."""
        first, second = _halves_of(keys)
        by_first = (first * _U(rows) >> _HALF).view(np.int64) == here
        return (np.where(by_first, first, second) * _U(len(self.larger.keys)) >> _HALF).view(np.int64)

    def _free_slots(self, rows: Ints) -> tuple[Ints, Ints]:
        """Of rows in their order, each as often as keys want it: which keys have room there, and their flat slots."""
        if not len(rows):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        first, last = int(rows[0]), int(rows[-1])
        taken = self.larger.keys[first : last + 1] != 0
        room = SLOTS - np.bitwise_count(taken.view(np.uint64)[:, 0])
        some = np.flatnonzero(room < SLOTS)
        by_room = np.tile(np.arange(SLOTS), (last + 1 - first, 1))
        by_room[some] = np.argsort(taken[some], axis=1, kind="stable")  # free slots first
        opens = np.append(True, rows[1:] != rows[:-1])
        rank = np.arange(len(rows)) - np.flatnonzero(opens)[np.cumsum(opens) - 1]
        placed = np.flatnonzero(rank < room[rows - first])
        return placed, rows[placed] * SLOTS + by_room[rows[placed] - first, rank[placed]]
