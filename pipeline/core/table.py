"""A hash table over numpy columns: 64-bit keys to a few fixed columns.

Rows of 8 slots, one cache line of keys; a key lives in one of two rows. 0 marks a free slot.
Vectorised over whole batches; about 0.1 us a key to look up and 0.3 to insert, whatever the size.
It grows by parts (`growth`): no call takes time by the size of the table. What a field's value makes worthless is
swept by parts too; till then who asks must know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.growth import SLOTS, Growth, rows_of
from pipeline.core.hashing import Hashes, Ints, Mask
from pipeline.core.undo import NOTHING, Undo

GROW_AT = 0.74  # of all slots: a larger table is begun; above it inserts must often move another key
LOAD_MAX = 0.8  # of all slots: the larger table is finished at once
GROWN = 1.15  # times the rows: 0.64 to 0.76 of the slots are in use, whatever the size
GROWN_SMALL = 2.0  # of a table below SMALL_ROWS: each growth costs 0.1 us a key, and its memory is nothing yet
SMALL_ROWS = 1 << 16
ROWS_MIN = 1 << 7
SLOTS_PER_KEY_MAX = 1 << 18  # a table grown that far for keys that crowd two rows would only eat memory
SHARE_ROWS_MIN = 1 << 12  # rows moved or swept at a call: 1 ms
_READY_SHARES = 64  # calls in which a larger table is given its memory
_READY_ROWS_PER_KEY = 16  # inserted; with those moved for it, a large table is done before it is LOAD_MAX full
_MOVED_SHARES = 256  # calls in which a large table is moved
_MOVED_ROWS_PER_KEY = 2.7  # inserted
_SWEPT_SHARES = 256  # calls in which a large table is swept
_ALL_ROWS = 1 << 40
_ONE = np.uint64(1)
_FREE: Hashes = np.zeros(1, np.uint64)
_NO_SLOTS: Ints = np.zeros(0, np.int64)
_NO_SWEEP = -1  # in a snapshot


class HashTable:
    """Keys are distinct and never 0. `fields` names the columns beside the keys and their dtypes.

    `swept`: rows that the sweep has passed; None: nothing waits for it. `missed`: slots behind it that were filled with
    what came from rows before it. `undo`: told of all that is written.
    """

    def __init__(self, fields: Mapping[str, Any], rows: int = ROWS_MIN) -> None:
        self.keys: Hashes = np.zeros((rows, SLOTS), np.uint64)
        self.fields: dict[str, npt.NDArray[Any]] = {n: np.zeros((rows, SLOTS), t) for n, t in fields.items()}
        self.count = 0
        self.swept: int | None = None
        self.missed: Ints = _NO_SLOTS
        self.undo: Undo = NOTHING
        self._growth: Growth | None = None

    @classmethod
    def of(cls, keys: Hashes, fields: Mapping[str, npt.NDArray[Any]]) -> HashTable:
        """A table from the columns of one, as a snapshot keeps them."""
        table = cls({})
        table.keys = keys.reshape(-1, SLOTS)
        table.fields = {name: column.reshape(-1, SLOTS) for name, column in fields.items()}
        table.count = int(np.count_nonzero(keys))
        return table

    @property
    def sweeping(self) -> Ints:
        """How far the sweep is, as a column for a snapshot."""
        return np.append(_NO_SWEEP if self.swept is None else self.swept, self.missed)

    def go_on_sweeping(self, sweeping: Ints) -> None:
        """With a sweep that was so far."""
        self.swept = None if sweeping[0] == _NO_SWEEP else int(sweeping[0])
        self.missed = sweeping[1:]

    def find(self, keys: Hashes) -> Ints:
        """The flat slot of every key; -1 where it is absent."""
        rows = rows_of(keys, len(self.keys))
        hits = np.flatnonzero(self._rows(rows).reshape(-1, 2 * SLOTS) == keys[:, None])
        slots = np.full(len(keys), -1)
        slots[hits >> 4] = rows.reshape(-1)[hits >> 3] * SLOTS + (hits & 7)
        return slots

    def read(self, name: str, slots: Ints) -> npt.NDArray[Any]:
        """A field's values at slots; 0 where the slot is -1."""
        column = self.fields[name].reshape(-1)
        return np.where(slots >= 0, column[slots], column.dtype.type(0))

    def get(self, name: str, keys: Hashes) -> npt.NDArray[Any]:
        """A field's values of keys; 0 where the key is absent."""
        return self.read(name, self.find(keys))

    def put(self, keys: Hashes, **values: npt.NDArray[Any]) -> None:
        """Distinct keys; replaces what is there."""
        self.put_at(self.find(keys), keys, **values)

    def put_at(self, slots: Ints, keys: Hashes, **values: npt.NDArray[Any]) -> None:
        """The same, of keys that were found at these slots just now."""
        known = slots >= 0
        if known.any():
            at = slots[known]
            for name, column in values.items():
                self._set(self.fields[name], at, column[known])
            if self._growth is not None:
                moved = self._growth.has_moved(at)
                self._growth.larger.put(keys[known][moved], **{n: c[known][moved] for n, c in values.items()})
        self.insert(keys[~known], **{name: column[~known] for name, column in values.items()})

    def insert(self, keys: Hashes, **values: npt.NDArray[Any]) -> None:
        """Distinct keys, none of them known."""
        self._make_room(len(keys))
        self.count += len(keys)
        while len(keys):
            placed, slots = self._place(keys, values)
            if not len(slots) and not self._make_way(keys):
                assert self.keys.size < SLOTS_PER_KEY_MAX * self.count, "keys crowd two rows however large the table is"
                self._grow_at_once()
            if len(placed) == len(keys):
                return
            left = np.ones(len(keys), bool)
            left[placed] = False
            keys, values = keys[left], {name: column[left] for name, column in values.items()}

    def delete(self, keys: Hashes) -> None:
        """Keys that are absent do not matter."""
        slots = self.find(keys)
        self._free(slots[slots >= 0])

    def drop(self, gone: Mask) -> None:
        """Forget the slots of a mask shaped like `keys`."""
        self._free(np.flatnonzero(gone.reshape(-1) & (self.keys.reshape(-1) != 0)))

    def begin_sweep(self) -> None:
        """From the first row."""
        self.swept, self.missed = 0, _NO_SLOTS

    def sweep(self, is_gone: Callable[[Ints], Mask], rows: int | None = None) -> None:
        """Forget of the next rows (without a number: a share of them) what is gone: `is_gone` of flat slots."""
        if self.swept is None:
            return
        share = max(SHARE_ROWS_MIN, len(self.keys) // _SWEPT_SHARES) if rows is None else rows
        end = min(self.swept + share, len(self.keys))
        slots = np.append(self.missed, np.flatnonzero(self.keys[self.swept : end]) + self.swept * SLOTS)
        slots = slots[self.keys.reshape(-1)[slots] != 0]
        self._free(slots[is_gone(slots)])
        self.swept, self.missed = end if end < len(self.keys) else None, _NO_SLOTS

    def settle(self) -> None:
        """Finish what is done by parts, but for the sweep."""
        while self._growth is not None:
            self._move(_ALL_ROWS)

    def _free(self, slots: Ints) -> None:
        if self._growth is not None:
            moved = slots[self._growth.has_moved(slots)]
            self._growth.larger.delete(self.keys.reshape(-1)[moved])
        self._set(self.keys, slots, _FREE)
        self.count -= len(slots)

    def _set(self, column: npt.NDArray[Any], slots: Ints, values: npt.NDArray[Any]) -> None:
        self.undo.keep(column, slots)
        column.reshape(-1)[slots] = values

    def _rows(self, rows: Ints) -> Hashes:
        """The slots of rows: `take` copies a row at once, an index by an array slot by slot, at four times the cost."""
        return self.keys.take(rows, axis=0)

    def _free_in(self, rows: Ints) -> Hashes:
        """Which slots of rows are free: a number for each row, a byte of it for each slot, 1 where that is free."""
        free: Hashes = (self._rows(rows) == 0).view(np.uint64)[..., 0]
        return free

    def _place(self, keys: Hashes, values: Mapping[str, npt.NDArray[Any]]) -> tuple[Ints, Ints]:
        """One key for each row at most; returns which keys found a place, and their flat slots."""
        rows = rows_of(keys, len(self.keys))
        free = self._free_in(rows)
        room = np.bitwise_count(free)
        is_second = room[:, 1] > room[:, 0]
        row, free = np.where(is_second, rows[:, 1], rows[:, 0]), np.where(is_second, free[:, 1], free[:, 0])
        placed = np.flatnonzero(free)
        slots = row[placed] * SLOTS + _first(free[placed])
        self._set(self.keys, slots, keys[placed])
        has_it = self.keys.reshape(-1)[slots] == keys[placed]  # where several wanted one slot, the last one
        placed, slots = placed[has_it], slots[has_it]
        self._write_beside(slots, keys[placed], {name: column[placed] for name, column in values.items()})
        return placed, slots

    def _write(self, slots: Ints, keys: Hashes, values: Mapping[str, npt.NDArray[Any]]) -> None:
        """Put keys that are nowhere into free slots."""
        self._set(self.keys, slots, keys)
        self._write_beside(slots, keys, values)

    def _write_beside(self, slots: Ints, keys: Hashes, values: Mapping[str, npt.NDArray[Any]]) -> None:
        """What stands beside keys that were put into free slots just now."""
        for name, column in values.items():
            self._set(self.fields[name], slots, column)
        if self._growth is not None and len(moved := np.flatnonzero(self._growth.has_moved(slots))):
            self._growth.larger.insert(keys[moved], **{name: column[moved] for name, column in values.items()})

    def _make_way(self, keys: Hashes) -> bool:
        """Free slots for keys whose rows are full: what lives there goes to its other row. Whether any could."""
        home = np.repeat(rows_of(keys, len(self.keys)), SLOTS, axis=1).reshape(-1)
        slots = home * SLOTS + np.tile(np.arange(SLOTS), 2 * len(keys))
        rows = rows_of(self.keys.reshape(-1)[slots], len(self.keys))
        other = np.where(rows[:, 0] == home, rows[:, 1], rows[:, 0])
        room = np.bitwise_count(self._free_in(other))
        best = room.reshape(len(keys), -1).argmax(1) + np.arange(len(keys)) * 2 * SLOTS
        best = best[room[best] > 0]
        best = best[np.unique(slots[best], return_index=True)[1]]
        best = best[np.unique(other[best], return_index=True)[1]]
        if not len(best):
            return False
        was = slots[best]
        lives = self.keys.reshape(-1)[was]
        values = {name: column.reshape(-1)[was] for name, column in self.fields.items()}
        self._free(was)
        becomes = other[best] * SLOTS + _first(self._free_in(other[best]))
        self._write(becomes, lives, values)
        if self.swept is not None:
            self.missed = np.union1d(self.missed, becomes[(becomes < self.swept * SLOTS) & (was >= self.swept * SLOTS)])
        self.count += len(best)
        return True

    def _make_room(self, keys: int) -> None:
        """Begin a larger table in time, and move a share into it."""
        while self.count + keys > GROW_AT * self.keys.size:
            if self._growth is None:
                grown = GROWN_SMALL if len(self.keys) < SMALL_ROWS else GROWN
                rows = max(int(len(self.keys) * grown), int((self.count + keys) / GROW_AT / SLOTS)) + 1
                self._growth = Growth(self._larger(rows))
            if self.count + keys <= LOAD_MAX * self.keys.size:
                break
            self._move(_ALL_ROWS)
        if self._growth is not None and self._is_ready(keys):
            self._move(max(SHARE_ROWS_MIN, len(self.keys) // _MOVED_SHARES, int(_MOVED_ROWS_PER_KEY * keys)))

    def _is_ready(self, keys: int) -> bool:
        """Whether the larger table has its memory; a share of it where not. A small one's is little."""
        assert self._growth is not None
        rows = len(self._growth.larger.keys)
        return rows < SMALL_ROWS or self._growth.make_ready(max(rows // _READY_SHARES, _READY_ROWS_PER_KEY * keys))

    def _larger(self, rows: int) -> HashTable:
        return HashTable({name: column.dtype for name, column in self.fields.items()}, rows)

    def _grow_at_once(self) -> None:
        """For keys that found no room."""
        if self._growth is None:
            self._growth = Growth(self._larger(2 * len(self.keys)))
        self._move(_ALL_ROWS)

    def _move(self, rows: int) -> None:
        assert self._growth is not None
        if not self._growth.move(self, rows):
            return
        larger = self._growth.larger
        if self.swept is not None:
            self.begin_sweep()  # what was swept is gone, but nobody knows where the rest is
        self.keys, self.fields, self._growth = larger.keys, larger.fields, larger._growth


def _first(free: Hashes) -> Ints:
    """The first free slot of rows that have one: how many bytes are below the lowest bit."""
    first: Ints = (np.bitwise_count((free & -free) - _ONE) >> 3).astype(np.int64)
    return first
