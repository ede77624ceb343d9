"""The in-memory twin of a journal: the same ports without a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from pipeline.journal.ports import AppendUnknown, Bounds, Described, Entry, Place

_CHUNK = 2  # entries at a time: small, so that a reader meets several chunks


class MemoryLog:
    """Topic partitions as lists. `lose`: the next appends are not acknowledged; True keeps the record.

    Every topic is there, with the id "1" and `partitions` partitions, unless `topics` says otherwise; None: it is gone.
    """

    def __init__(self) -> None:
        self.values: dict[Place, list[bytes | None]] = {}
        self.first: dict[Place, int] = {}
        self.lose: list[bool] = []
        self.partitions = 1
        self.topics: dict[str, Described | None] = {}

    @asynccontextmanager
    async def session(self) -> AsyncIterator[MemoryLog]:
        """A session, which is the log itself."""
        yield self

    async def bounds(self, places: Collection[Place]) -> dict[Place, Bounds]:
        """See `ports.Session`."""
        return {p: Bounds(self.first.get(p, 0), self.first.get(p, 0) + len(self.values.get(p, []))) for p in places}

    async def read(self, place: Place, offset: int, end: int) -> AsyncIterator[list[Entry]]:
        """See `ports.Session`."""
        first, values = self.first.get(place, 0), self.values.get(place, [])
        if offset < first or end > first + len(values):
            raise TimeoutError(f"{place.topic}, partition {place.partition}: no offsets {offset} to {end - 1}")
        for at in range(offset, end, _CHUNK):
            yield [Entry(o, values[o - first]) for o in range(at, min(at + _CHUNK, end))]

    async def describe(self, topics: Collection[str]) -> dict[str, Described]:
        """See `ports.Describes`."""
        all_ = {topic: self.topics.get(topic, Described("1", self.partitions)) for topic in topics}
        return {topic: said for topic, said in all_.items() if said is not None}

    async def append(self, place: Place, value: bytes | None) -> int:
        """See `ports.Appends`."""
        values = self.values.setdefault(place, [])
        lost = self.lose.pop(0) if self.lose else None
        if lost is not False:
            values.append(value)
        if lost is not None:
            raise AppendUnknown("not acknowledged")
        return self.first.get(place, 0) + len(values) - 1

    def truncate(self, place: Place, end: int) -> None:
        """Lose the tail, as a broker does that lost its disk cache."""
        del self.values[place][end - self.first.get(place, 0) :]

    def trim(self, place: Place, first: int) -> None:
        """Delete the beginning, as retention does."""
        del self.values[place][: first - self.first.get(place, 0)]
        self.first[place] = first
