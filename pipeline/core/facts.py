"""The facts that uniques are made of: (profile, opened or clicked what), each held by its first event.

A fact has a number for life, also when an earlier event takes it over. Facts of one profile are chained, newest first.
A raw event is before every vendor's unique event, whatever their times: a vendor's holds only what no raw one does.
Facts whose holder is older than `unique_days` are dead: `alive` says so, `forget` frees what lies at the log's start.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.hashing import Hashes, Ints, Mask
from pipeline.core.table import HashTable

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
_NUMBERS = (1 << 32) - 1  # numbers are 1.._NUMBERS, then 1 again: never more than that many facts live at once
_VENDOR_RANK = np.int64(1) << np.int64(62)


def rank(occurred_at: Ints, kind: npt.NDArray[np.uint8]) -> Ints:
    """What 'earlier' compares: raw events by time, then vendors' unique events by time."""
    return occurred_at + np.where(kind & VENDOR, _VENDOR_RANK, np.int64(0))


class FactLog:
    """Facts in order of their making. `base` facts at the front are forgotten, `count` were ever made."""

    def __init__(self) -> None:
        self.base = self.count = 0
        self._columns: dict[str, npt.NDArray[Any]] = {n: np.zeros(_SIZE_MIN, t) for n, t in _FIELDS.items()}
        self._heads = HashTable({"number": np.uint32})  # profile -> its newest fact

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Columns for a snapshot."""
        size = self.count - self.base
        bounds = np.array([self.base, self.count], np.int64)
        heads = {"head_key": self._heads.keys.reshape(-1), "head_number": self._heads.fields["number"].reshape(-1)}
        return {**{n: c[:size] for n, c in self._columns.items()}, **heads, "bounds": bounds}

    @classmethod
    def of(cls, columns: dict[str, npt.NDArray[Any]]) -> FactLog:
        """From the columns of `dump`."""
        log = cls()
        log.base, log.count = columns["bounds"].tolist()
        log._heads = HashTable.of(np.array(columns["head_key"]), {"number": np.array(columns["head_number"])})
        log._resize(max(_SIZE_MIN, log.count - log.base))
        for name in _FIELDS:
            log._columns[name][: log.count - log.base] = columns[name]
        return log

    def numbers(self, n: int) -> npt.NDArray[np.uint32]:
        """The numbers of the next `n` facts."""
        return ((self.count + np.arange(n)) % _NUMBERS + 1).astype(np.uint32)

    def at(self, numbers: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
        """A column's values of facts; of a number that is not alive, anything."""
        return self._columns[name][np.minimum(self._place(numbers), len(self._columns[name]) - 1)]

    def rank(self, numbers: npt.NDArray[Any]) -> Ints:
        """What 'earlier' compares, of facts."""
        return rank(self.at(numbers, "occurred_at"), self.at(numbers, "kind"))

    def alive(self, numbers: npt.NDArray[Any], limit: int) -> Mask:
        """Whether facts are remembered: made, not forgotten, their event not before `limit`."""
        known: Mask = (numbers > 0) & (self._place(numbers) < self.count - self.base)
        return known & (self.at(numbers, "occurred_at") >= limit)

    def of_profiles(self, profiles: Hashes) -> tuple[Ints, npt.NDArray[np.uint32]]:
        """The facts of profiles: the profile's index and the fact's number; dead ones may be among them."""
        at = self._heads.get("number", profiles)
        who = np.arange(len(profiles))
        found_who, found = [np.zeros(0, np.int64)], [np.zeros(0, np.uint32)]
        while (more := self.alive(at, np.iinfo(np.int64).min)).any():
            at, who = at[more], who[more]
            found_who.append(who)
            found.append(at)
            at = self.at(at, "prev")
        return np.concatenate(found_who), np.concatenate(found)

    def write(self, facts: npt.NDArray[np.void], identity: Hashes) -> None:
        """Facts made and facts taken over, as a journal record names them, and the events that hold them."""
        place = self._place(facts["number"])
        fresh = place >= self.count - self.base
        made = int(np.count_nonzero(fresh))
        if self.count - self.base + made > len(self._columns["fact"]):
            self._resize(max(2 * len(self._columns["fact"]), self.count - self.base + made))
        self.count += made
        for name in ("occurred_at", "label", "fact", "kind"):
            self._columns[name][place] = facts[name]
        self._columns["identity"][place] = identity
        if made:
            self._chain(facts["profile"][fresh], facts["number"][fresh])

    def forget(self, limit: int) -> None:
        """Free the dead facts at the front of the log."""
        size = self.count - self.base
        live = self._columns["occurred_at"][:size] >= limit
        gone = int(live.argmax()) if live.any() else size
        if not gone:
            return
        for column in self._columns.values():
            column[: size - gone] = column[gone:size].copy()
        self.base += gone
        heads = self._heads.fields["number"]
        self._heads.drop(~self.alive(heads.reshape(-1), np.iinfo(np.int64).min).reshape(heads.shape))

    def _place(self, numbers: npt.NDArray[Any]) -> Ints:
        return (numbers.astype(np.int64) - 1 - self.base) % _NUMBERS

    def _resize(self, size: int) -> None:
        for name, column in self._columns.items():
            larger = np.zeros(size, column.dtype)
            larger[: min(size, len(column))] = column[:size]
            self._columns[name] = larger

    def _chain(self, profiles: Hashes, numbers: npt.NDArray[np.uint32]) -> None:
        """Put new facts in front of their profiles' chains."""
        order = np.argsort(profiles, kind="stable")
        profiles, numbers = profiles[order], numbers[order]
        opens = np.append(True, profiles[1:] != profiles[:-1])
        closes = np.append(opens[1:], True)
        prev = np.append(np.uint32(0), numbers[:-1]).astype(np.uint32)
        prev[opens] = self._heads.get("number", profiles[opens])
        self._columns["prev"][self._place(numbers)] = prev
        self._heads.put(profiles[opens], number=numbers[closes])
