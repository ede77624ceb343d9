"""The facts that uniques are made of: (profile, opened or clicked what), each held by its first event.

A fact has a number for life, also when an earlier event takes it over. Facts of one profile are chained, newest first.
A raw event is before every vendor's unique event, whatever their times: a vendor's holds only what no raw one does.
Facts whose holder is older than `unique_days` are dead: `alive` says so, `forget` frees what lies at the log's start,
`sweep` by parts what still names those.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.hashing import Hashes, Ints, Mask
from pipeline.core.table import HashTable
from pipeline.core.undo import NOTHING, Undo

OPEN, CLICK, LINK_CLICK = 1, 2, 4
VENDOR = 8  # added to a kind: held by a vendor's unique event

_FIELDS = {
    "occurred_at": np.int64,
    "identity": np.uint64,
    "fact": np.uint64,
    "prev": np.uint32,
    "label": np.uint32,
    "kind": np.uint8,
}
_SIZE_MIN = 1024
_ROOM = 1.25  # times the facts that are remembered: room is reserved, memory taken as it is written
_NEARLY_FULL = 15 / 16  # of a column's room: it is made anew, one column at a call, so that no call makes all
_SCANNED = 1 << 16  # facts looked at in one go for the first that lives
_NUMBERS = (1 << 32) - 1  # numbers are 1.._NUMBERS, then 1 again: never more than that many facts live at once
_GIVEN_ONCE = 1 << 31  # facts ever made: till then no number was given twice, and a place is a plain difference
_EVER = -(1 << 63)  # before every event
_TRUE = np.ones(1, bool)
_VENDOR_RANK = np.int64(1) << np.int64(62)


def rank(occurred_at: Ints, kind: npt.NDArray[np.uint8]) -> Ints:
    """What 'earlier' compares: raw events by time, then vendors' unique events by time."""
    vendor = kind & VENDOR
    return occurred_at + np.where(vendor, _VENDOR_RANK, np.int64(0)) if vendor.any() else occurred_at


class _Column:
    """A column of the log: `values[0]` is of the fact that was made after `origin` others."""

    __slots__ = ("origin", "values")

    def __init__(self, values: npt.NDArray[Any], origin: int = 0) -> None:
        self.values, self.origin = values, origin

    def between(self, base: int, count: int) -> npt.NDArray[Any]:
        """A view of the facts made after `base` and not after `count` others."""
        return self.values[base - self.origin : count - self.origin]

    def made_anew(self, base: int, count: int, more: int) -> _Column:
        """The same facts, with room for more; nothing of those before `base`."""
        values = np.zeros(max(_SIZE_MIN, int((count - base + more) * _ROOM)), self.values.dtype)
        values[: count - base] = self.between(base, count)
        return _Column(values, base)


class FactLog:
    """Facts in order of their making. `base` facts at the front are forgotten, `count` were ever made.

    Facts held by events before `limit` are dead.
    """

    def __init__(self) -> None:
        self.base = self.count = 0
        self.limit = _EVER
        self._columns = {n: _Column(np.zeros(_SIZE_MIN, t)) for n, t in _FIELDS.items()}
        self._heads = HashTable({"number": np.uint32})  # profile -> its newest fact
        self._undo = NOTHING

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Columns for a snapshot."""
        bounds = np.array([self.base, self.count, self.limit], np.int64)
        heads = {"head_key": self._heads.keys.reshape(-1), "head_number": self._heads.fields["number"].reshape(-1)}
        heads["head_sweeping"] = self._heads.sweeping
        columns = {name: column.between(self.base, self.count) for name, column in self._columns.items()}
        return {**columns, **heads, "bounds": bounds}

    @classmethod
    def of(cls, columns: dict[str, npt.NDArray[Any]]) -> FactLog:
        """From the columns of `dump`."""
        log = cls()
        log.base, log.count, log.limit = columns["bounds"].tolist()
        log._heads = HashTable.of(np.array(columns["head_key"]), {"number": np.array(columns["head_number"])})
        log._heads.go_on_sweeping(np.array(columns["head_sweeping"]))
        for name in _FIELDS:
            log._columns[name] = _Column(columns[name], log.base).made_anew(log.base, log.count, 0)
        return log

    def tell(self, undo: Undo) -> None:
        """Of all that is written from now on."""
        self._undo = self._heads.undo = undo

    def numbers(self, n: int) -> npt.NDArray[np.uint32]:
        """The numbers of the next `n` facts."""
        if self.count + n < _NUMBERS:
            return np.arange(self.count + 1, self.count + n + 1, dtype=np.uint32)
        return ((self.count + np.arange(n)) % _NUMBERS + 1).astype(np.uint32)

    def at(self, numbers: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
        """A column's values of facts; of a number that is not alive, anything."""
        return self._at(self._place(numbers), name)

    def holders(self, numbers: npt.NDArray[Any]) -> tuple[Ints, Hashes]:
        """What 'earlier' compares, of facts: rank and identity of the events that hold them."""
        place = self._place(numbers)
        return rank(self._at(place, "occurred_at"), self._at(place, "kind")), self._at(place, "identity")

    def alive(self, numbers: npt.NDArray[Any], limit: int) -> Mask:
        """Whether facts are remembered: made, not forgotten, their event not before `limit`."""
        alive: Mask = self.at(numbers, "occurred_at") >= max(limit, self.limit)
        return alive & self._is_kept(numbers)

    def _is_kept(self, numbers: npt.NDArray[Any]) -> Mask:
        """Whether facts, dead or alive, are still in the log."""
        kept: Mask = self._place(numbers) < self.count - self.base
        return kept if self.count < _GIVEN_ONCE else kept & (numbers > 0)

    def of_profiles(self, profiles: Hashes) -> tuple[Ints, npt.NDArray[np.uint32]]:
        """The facts of profiles: the profile's index and the fact's number; dead ones may be among them."""
        at = self._heads.get("number", profiles)
        who = np.arange(len(profiles))
        found_who, found = [np.zeros(0, np.int64)], [np.zeros(0, np.uint32)]
        while (more := self._is_kept(at)).any():
            at, who = at[more], who[more]
            found_who.append(who)
            found.append(at)
            at = self.at(at, "prev")
        return np.concatenate(found_who), np.concatenate(found)

    def write(self, facts: npt.NDArray[np.void], identity: Hashes) -> None:
        """Facts made and facts taken over, as a journal record names them, and the events that hold them."""
        place = self._place(facts["number"]).astype(np.int64)
        fresh = place >= self.count - self.base
        made = int(np.count_nonzero(fresh))
        self._make_room(made)
        self.count += made
        for name in ("occurred_at", "label", "fact", "kind"):
            self._write(name, place, facts[name])
        self._write("identity", place, identity)
        if made:
            self._chain(facts["profile"][fresh], facts["number"][fresh])

    def forget(self, limit: int) -> None:
        """Facts held by events before `limit` are dead; those at the front of the log are gone."""
        self.limit = max(self.limit, limit)
        base = self.base
        while self.base < self.count:
            ahead = self._columns["occurred_at"].between(self.base, min(self.base + _SCANNED, self.count))
            live = ahead >= self.limit
            self.base += int(live.argmax()) if live.any() else len(ahead)
            if live.any():
                break
        if self.base > base:
            self._heads.begin_sweep()

    @property
    def is_swept(self) -> bool:
        """Whether nothing waits for `sweep`."""
        return self._heads.swept is None

    def sweep(self) -> None:
        """Forget the next profiles of which no fact is left."""
        number = self._heads.fields["number"].reshape(-1)
        self._heads.sweep(lambda slots: ~self._is_kept(number[slots]))

    def _place(self, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """How many remembered facts are before each; of a number that is 0 or forgotten, more than there are."""
        if self.count < _GIVEN_ONCE:
            return numbers - np.uint32(self.base + 1)
        return (numbers.astype(np.int64) - 1 - self.base) % _NUMBERS

    def _at(self, place: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
        column = self._columns[name]
        return column.values.take(place + (self.base - column.origin), mode="clip")

    def _write(self, name: str, place: Ints, values: npt.NDArray[Any]) -> None:
        column = self._columns[name]
        at = place + (self.base - column.origin)
        self._undo.keep(column.values, at)
        column.values[at] = values

    def _make_room(self, more: int) -> None:
        is_made = False
        for name, column in self._columns.items():
            size, end = len(column.values), self.count + more - column.origin
            if end > size or (end > size * _NEARLY_FULL and not is_made):
                self._columns[name] = column.made_anew(self.base, self.count, more)
                is_made = True

    def _chain(self, profiles: Hashes, numbers: npt.NDArray[np.uint32]) -> None:
        """Put new facts in front of their profiles' chains."""
        order = np.argsort(profiles, kind="stable")
        profiles, numbers = profiles[order], numbers[order]
        differs = profiles[1:] != profiles[:-1]
        opens, closes = np.concatenate((_TRUE, differs)), np.concatenate((differs, _TRUE))
        heads = profiles[opens]
        slots = self._heads.find(heads)
        prev = np.empty(len(numbers), np.uint32)
        prev[1:] = numbers[:-1]
        prev[opens] = self._heads.read("number", slots)
        self._write("prev", self._place(numbers).astype(np.int64), prev)
        self._heads.put_at(slots, heads, number=numbers[closes])
