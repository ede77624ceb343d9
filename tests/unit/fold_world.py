"""What the tests of the fold share: stories over a log, and its records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pipeline.core.record import Record, decode, encode
from pipeline.journal.chain import next_link
from pipeline.journal.memory import MemoryLog
from tests.contract.counting import RULES
from tests.contract.worlds import JOURNAL, World, sourced

Make = Callable[..., World]


def run(story: Callable[[MemoryLog], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story(await sourced(MemoryLog()))

    asyncio.run(whole())


def rival(last_id: int, seed: int = RULES.seed_fingerprint) -> bytes:
    return encode(Record(RULES._replace(seed_fingerprint=seed), 0, []), next_link(last_id, "rival"))


Worlds = Callable[[MemoryLog], Awaitable[None]]


def run_over(partitions: int, story: Worlds) -> None:
    async def whole() -> None:
        await story(await sourced(MemoryLog(), partitions=partitions))

    asyncio.run(whole())


def records(log: MemoryLog, partition: int = 0) -> list[Record]:
    return [decode(value or b"")[1] for value in log.values[JOURNAL._replace(partition=partition)]]
