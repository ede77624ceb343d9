"""What every journal must do, whatever keeps it: one suite, run on the in-memory twin and on Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import pytest

from pipeline.journal.ports import Appends, Bounds, Entry, Place, Reads


class Journal(NamedTuple):
    """A journal with two partitions of a topic, both empty, and a value that is one byte too large for it (or none)."""

    reads: Reads
    appends: Appends
    topic: str
    too_large: bytes | None


Opened = Callable[[], AbstractAsyncContextManager[Journal]]


class JournalPorts:
    """Subclass it and give the fixture `opened`."""

    @pytest.fixture
    def opened(self) -> Opened:
        raise NotImplementedError

    def run(self, opened: Opened, story: Callable[[Journal], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with opened() as journal:
                await story(journal)

        asyncio.run(whole())

    def test_what_is_appended_is_read_at_its_offset(self, opened: Opened) -> None:
        async def story(journal: Journal) -> None:
            place, other = Place(journal.topic, 0), Place(journal.topic, 1)
            values = [b"a" * n for n in (1, 100_000, 7, 3, 5)]
            assert [await journal.appends.append(place, value) for value in values] == [0, 1, 2, 3, 4]
            assert await journal.appends.append(other, b"other") == 0
            async with journal.reads.session() as session:
                assert await session.bounds([place, other]) == {place: Bounds(0, 5), other: Bounds(0, 1)}
                assert await read(session, place, 0, 5) == [Entry(i, value) for i, value in enumerate(values)]
                assert await read(session, place, 2, 4) == [Entry(2, values[2]), Entry(3, values[3])]
                assert await read(session, other, 0, 1) == [Entry(0, b"other")]
                assert await read(session, place, 5, 5) == []

        self.run(opened, story)

    def test_appends_of_several_lanes_at_once_all_arrive_in_their_own_order(self, opened: Opened) -> None:
        async def lane(journal: Journal, partition: int) -> list[int]:
            place = Place(journal.topic, partition)
            return [await journal.appends.append(place, bytes([partition, i])) for i in range(20)]

        async def story(journal: Journal) -> None:
            offsets = await asyncio.gather(lane(journal, 0), lane(journal, 1))
            assert offsets == [list(range(20))] * 2
            async with journal.reads.session() as session:
                for partition in (0, 1):
                    entries = await read(session, Place(journal.topic, partition), 0, 20)
                    assert [entry.value for entry in entries] == [bytes([partition, i]) for i in range(20)]

        self.run(opened, story)

    def test_an_empty_partition_has_bounds_and_nothing_to_read(self, opened: Opened) -> None:
        async def story(journal: Journal) -> None:
            place = Place(journal.topic, 1)
            async with journal.reads.session() as session:
                assert await session.bounds([place]) == {place: Bounds(0, 0)}
                assert await read(session, place, 0, 0) == []

        self.run(opened, story)


async def read(session: Any, place: Place, offset: int, end: int) -> list[Entry]:
    """All entries of a range."""
    return [entry async for entries in session.read(place, offset, end) for entry in entries]
