"""The engagement agent: a batch becomes one journal record (a few, where the stream's day changes or it is too large).

In:   batches of one partition number.  Out: records appended to the journal and applied to the state.
Fails: an append that is not acknowledged, or that met a rival, ends the batch; its lane folds and reads on from there.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from time import perf_counter, thread_time
from typing import Any, NamedTuple

from pipeline import metrics
from pipeline.agents.counting import count
from pipeline.core.batch import Slab, halves
from pipeline.core.record import Record, encode
from pipeline.failpoints import Failpoint, reached
from pipeline.journal.chain import next_link
from pipeline.journal.ports import Appends, AppendUnknown
from pipeline.state.core import Core
from pipeline.state.keeper import Keeper
from pipeline.state.partitions import Partitions
from pipeline.state.store import PartitionStore
from pipeline.state.threads import WorkThread
from pipeline.transport.fatal import fatal
from pipeline.transport.lanes import Batch

log = logging.getLogger(__name__)


class Decided(NamedTuple):
    """A part of a batch, as it will stand in the journal, and the CPU seconds of the core for it."""

    record: Record
    value: bytes
    cpu_s: float


@dataclass(slots=True)
class Engagement:
    """`value_bytes_max` is what a journal record may have; `writer` names this worker in it."""

    core: Core
    partitions: Partitions
    journal: Appends
    keeper: Keeper
    work: WorkThread
    writer: str
    value_bytes_max: int
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self, event: Any) -> None:
        """Work on a batch beside those of other lanes; a lane has one at a time."""
        task = asyncio.ensure_future(self.handle(event))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def handle(self, event: Any) -> None:
        """Decide, append and apply a batch, part by part; then let its lane go on."""
        consumer, message = event.app.consumer, event.message
        batch: Batch = message.value
        if not consumer.begin(message):
            return
        store, cpu_s = self.partitions[batch.partition], 0.0
        parts = self.core.cut(store.state, batch.slabs)
        while parts and (part_s := await self.commit(store, parts[0])) is not None:
            cpu_s += part_s
            parts = parts[1:]
            if parts:
                reached(Failpoint.BETWEEN_PARTS)
        if not parts:
            reached(Failpoint.APPLIED)
            await self.keeper.offer(store)
        consumer.finish(message, not parts, cpu_s)

    async def commit(self, store: PartitionStore, slabs: list[Slab]) -> float | None:
        """Decide, append and apply one part; returns the core's CPU seconds, or None where the lane has to fold."""
        decided = await self.work.run(self._decide, store, slabs)
        if len(decided.value) > self.value_bytes_max:
            if sum(len(slab.values) for slab in slabs) > 1:
                return await self._commit_halves(store, slabs)
            decided = await self.work.run(self._refuse, store, slabs)
        if not await self._append(store, decided.value):
            return None
        reached(Failpoint.BEFORE_APPLY)
        applied_s = await self.work.run(_apply, store, decided)
        count(decided.record, slabs)
        return decided.cpu_s + applied_s

    async def _commit_halves(self, store: PartitionStore, slabs: list[Slab]) -> float | None:
        first, second = halves(slabs)
        part_s = await self.commit(store, first)
        if part_s is None:
            return None
        reached(Failpoint.BETWEEN_PARTS)
        rest_s = await self.commit(store, second)
        return None if rest_s is None else part_s + rest_s

    def _decide(self, store: PartitionStore, slabs: list[Slab]) -> Decided:
        began, cpu_began = perf_counter(), thread_time()
        record = store.signed(self.core.decide(store.state, slabs))
        value = encode(record, next_link(store.last_id, self.writer), self.core.schema_id)
        metrics.DECIDE_SECONDS.inc(perf_counter() - began)
        return Decided(record, value, thread_time() - cpu_began)

    def _refuse(self, store: PartitionStore, slabs: list[Slab]) -> Decided:
        """One event whose decision is larger than a journal record may be: an operation that names very many."""
        why = f"its decision does not fit into a journal record of {self.value_bytes_max} bytes"
        record = store.signed(self.core.refuse(store.state, slabs, why))
        value = encode(record, next_link(store.last_id, self.writer), self.core.schema_id)
        assert len(value) <= self.value_bytes_max, "a reject's record fits: it keeps 64 KiB of the event"
        return Decided(record, value, 0.0)

    async def _append(self, store: PartitionStore, value: bytes) -> bool:
        """Whether the record lies right behind the state's last one; else somebody else wrote, or nobody knows."""
        place = self.partitions.journal(store.partition)
        try:
            with metrics.APPEND_SECONDS.time():
                offset = await self.journal.append(place, value)
        except AppendUnknown as error:
            log.warning("partition %s: append not acknowledged (%s): folding", store.partition, error)
            return False
        if offset != store.next_offset:
            metrics.JOURNAL_RIVALS.inc()
            log.warning("partition %s: a rival wrote to the journal at %s: folding", store.partition, store.next_offset)
            return False
        return True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            fatal("deciding a batch", error)


def _apply(store: PartitionStore, decided: Decided) -> float:
    """The record was appended right behind the state's last one; returns the core's CPU seconds."""
    began = thread_time()
    valid = store.accept(decided.value, store.next_offset, decided.record)
    assert valid, "a record made on the state's last one extends its chain"
    return thread_time() - began
