"""The in-memory journal against the suite of the ports, and what only it can do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pipeline.journal.memory import MemoryLog
from pipeline.journal.ports import AppendUnknown, Bounds, Place
from tests.contract.journal_ports import Journal, JournalPorts, Opened

PLACE = Place("journal", 0)


class TestMemory(JournalPorts):
    @pytest.fixture
    def opened(self) -> Opened:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Journal]:
            log = MemoryLog()
            yield Journal(log, log, "journal", None)

        return opened


def test_an_append_that_is_not_acknowledged_may_have_happened_or_not() -> None:
    async def story() -> None:
        log = MemoryLog()
        log.lose = [True, False]
        for _ in range(2):
            with pytest.raises(AppendUnknown):
                await log.append(PLACE, b"x")
        assert await log.bounds([PLACE]) == {PLACE: Bounds(0, 1)}

    asyncio.run(story())
