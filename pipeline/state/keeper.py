"""When snapshots are taken, and by whom: of one instant between two batches, copied and written by a thread of its own.

No lane waits: copying 650 MB takes 0.3 s beside the batches that go on, which keep what they replace meanwhile (about
100 bytes an event); writing and syncing takes longer than that on most disks. One copy exists at a time, which bounds
the memory to the largest partition once more.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from time import monotonic, time

from pipeline import metrics
from pipeline.failpoints import Failpoint, reached
from pipeline.state.core import Core, Frozen
from pipeline.state.snapshots import Header, Snapshots
from pipeline.state.store import PartitionStore
from pipeline.state.threads import WorkThread

log = logging.getLogger(__name__)

_SPREAD = 0.618034  # golden ratio: partition numbers fall far from each other in the interval


class Keeper:
    """Snapshots of a worker's partitions, every so many events or minutes, staggered between partitions."""

    def __init__(self, folder: Path, core: Core, work: WorkThread, events: int, seconds: float) -> None:
        self._folder, self._core, self._work = folder, core, work
        self._events, self._seconds = events, seconds
        self._disk = WorkThread("snapshots")
        self._writing: asyncio.Task[None] | None = None
        self._since: dict[int, float] = {}

    def snapshots(self, partition: int) -> Snapshots:
        """Those of a partition."""
        return Snapshots(self._folder / str(partition))

    def clear(self) -> None:
        """Remove what workers that died left unfinished, of whatever partition: it may be given to another machine."""
        for folder in self._folder.glob("*"):
            Snapshots(folder).clear()

    def due(self, store: PartitionStore, now: float) -> bool:
        """Whether a snapshot shall be taken, were none being written."""
        since = self._since.setdefault(store.partition, now - self._seconds * _phase(store.partition))
        return store.events > 0 and (store.events >= self._events or now - since >= self._seconds)

    async def offer(self, store: PartitionStore) -> None:
        """Called between two batches of a partition, while nothing else touches its store."""
        now = monotonic()
        if self._writing is not None or not self.due(store, now):
            return
        frozen = await self._work.run(self._core.freeze, store.state)
        read = dict(store.positions), self._core.rules, dict(store.topics), store.partitions
        header = Header(store.partition, store.mark, *read)
        store.events = 0
        self._since[store.partition] = now
        self._writing = asyncio.ensure_future(self._write(header, frozen))

    async def settled(self) -> None:
        """Wait until nothing is being written."""
        if self._writing is not None:
            await self._writing

    async def _write(self, header: Header, frozen: Frozen) -> None:
        began = monotonic()
        try:
            columns = await self._disk.run(frozen.copied)
            reached(Failpoint.SNAPSHOT_COPIED)
            await self._disk.run(self.snapshots(header.partition).write, header, columns)
        except (OSError, MemoryError) as error:
            metrics.SNAPSHOT_FAILURES.inc()
            log.error("partition %s: no snapshot: %s; the next start folds more", header.partition, error)
        else:
            metrics.SNAPSHOT_SECONDS.observe(monotonic() - began)
            metrics.SNAPSHOT_TIMESTAMP_SECONDS.labels(header.partition).set(time())
            log.info("partition %s: snapshot up to journal offset %s", header.partition, header.mark.last_offset)
        finally:
            self._writing = None


def _phase(partition: int) -> float:
    return partition * _SPREAD % 1.0
