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

    async def recover(self, partition: int = 0) -> PartitionStore:
        """Fold a partition; its sources hold what the log has of them."""
        await self.partitions.recover(partition, TOPICS)
        return self.partitions[partition]

    async def write(self, store: PartitionStore, *slabs: Slab) -> None:
        """Decide and append a batch, as a worker does."""
        record = store.signed(self.core.decide(store.state, list(slabs)))
        value = encode(record, next_link(store.last_id, "w"))
        place = JOURNAL._replace(partition=store.partition)
        store.accept(value, await self.log.append(place, value), record)


async def sourced(log: MemoryLog, n: int = 100, partitions: int = 1) -> MemoryLog:
    """A log whose source topics hold `n` events in each partition."""
    log.partitions = partitions
    for topic in sorted(TOPICS):
        for place in (Place(topic, number) for number in range(partitions)):
            for _ in range(n):
                await log.append(place, b"")
    return log
