"""A worker's parts over the in-memory journal, for tests that need no broker."""

from __future__ import annotations

import struct
from pathlib import Path

from pipeline.core.batch import Slab
from pipeline.core.record import Rules, encode
from pipeline.journal.chain import next_link
from pipeline.journal.memory import MemoryLog
from pipeline.journal.ports import Place
from pipeline.state.keeper import Keeper
from pipeline.state.partitions import Partitions
from pipeline.state.store import PartitionStore
from pipeline.state.threads import WorkThread
from tests.contract.counting import RULES, CountingCore

JOURNAL = Place("journal", 0)
EMAIL, SMS = "events.email", "events.sms"
TOPICS = frozenset({EMAIL, SMS})


def numbers(topic: str, first: int, n: int, offset: int | None = None, arrived_ms: int = 1000) -> Slab:
    """Events `first` to `first + n - 1` of a topic partition, as the counting core wants them."""
    values: list[bytes | None] = [struct.pack(">q", i) for i in range(first, first + n)]
    return Slab(topic, first if offset is None else offset, arrived_ms, values)


class World:
    """One worker over one log. `rules` are its core's."""

    def __init__(self, log: MemoryLog, folder: Path, rules: Rules = RULES, snapshot_events: int = 10**9) -> None:
        self.log, self.core, self.work = log, CountingCore(rules), WorkThread("core")
        self.keeper = Keeper(folder, self.core, self.work, snapshot_events, seconds=1e9)
        self.partitions = Partitions("", self.core, (log, log), self.keeper, self.work)

    async def recover(self) -> PartitionStore:
        """Fold partition 0; its sources hold what the log has of them."""
        await self.partitions.recover(0, TOPICS)
        return self.partitions[0]

    async def write(self, store: PartitionStore, *slabs: Slab) -> None:
        """Decide and append a batch, as a worker does."""
        record = store.signed(self.core.decide(store.state, list(slabs)))
        value = encode(record, next_link(store.last_id, "w"))
        store.accept(value, await self.log.append(JOURNAL, value), record)


async def sourced(log: MemoryLog, n: int = 100) -> MemoryLog:
    """A log whose source topics hold `n` events each."""
    for topic in sorted(TOPICS):
        for _ in range(n):
            await log.append(Place(topic, 0), b"")
    return log
