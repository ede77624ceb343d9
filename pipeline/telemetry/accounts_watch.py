"""Looks at the accounts of a worker's partitions every few seconds, for the gauges of accounts and of states.

States are read where they are changed, in the core's thread, in slices between which batches are decided: none waits
for longer than 5 ms (measured; a slice, or the list of 200,000 accounts of one partition: 25 ms for a million).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from time import perf_counter, thread_time, time

from pipeline import metrics
from pipeline.state.core import Core
from pipeline.state.partitions import Partitions
from pipeline.state.store import PartitionStore
from pipeline.state.threads import WorkThread
from pipeline.telemetry.allowance import NOTHING, Seen, samples
from pipeline.telemetry.numbers import SECOND_US
from pipeline.telemetry.registry import Sample
from pipeline.telemetry.selection import Choice, Selection
from pipeline.telemetry.tenure import Tenure

LOOK_S = 5.0  # between two looks: a threshold that is crossed is shown after that
SOON_S = 0.25  # before one that a partition's being ready asks for: others become ready at the same time
SLICE_S = 0.004  # of the core's thread at a time: half of what the smallest batch takes there
SLICE_ACCOUNTS = 50  # between two looks at the clock: 0.2 ms
SHARE_MAX = 0.02  # of the core's thread: more accounts are looked at less often, a million every 200 s (4.2 µs each)


class AccountsWatch:
    """See the module."""

    def __init__(self, core: Core, partitions: Partitions, work: WorkThread, tenure: Tenure, choice: Choice) -> None:
        self._core, self._partitions, self._work = core, partitions, work
        self._tenure, self._choice = tenure, choice
        self._seen = NOTHING
        self._asked = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        self._tenure.on_open(self._asked.set)
        metrics.ALLOWANCE.ask(self.samples)
        try:
            while True:
                self._asked.clear()
                used_s = await self.look()
                await asyncio.sleep(SOON_S)
                await self._pause(max(LOOK_S, used_s / SHARE_MAX) - SOON_S, used_s)
        finally:
            metrics.ALLOWANCE.ask(tuple)

    def samples(self) -> list[Sample]:
        """What is to be shown now; in the thread that serves."""
        return list(samples(self._seen, self._tenure.epochs(), time()))

    async def look(self) -> float:
        """Look at all partitions that are ready; returns the CPU seconds that it took of the core's thread."""
        began, used_s = time(), 0.0
        selection = Selection(int(began * SECOND_US), self._choice)
        epochs = {}
        for partition, lane in self._tenure.ready.items():
            store, epoch = self._partitions.get(partition), lane.epoch
            if store is not None:
                epochs[partition] = epoch
                used_s += await self._take(selection, store)
        self._seen = Seen(await self._work.run(selection.look, began), epochs)
        self._tenure.sweep()  # what was measured while its partition was taken away
        return used_s

    async def _take(self, selection: Selection, store: PartitionStore) -> float:
        """All accounts that there are now, each once, however they change meanwhile: with cycles, then without."""
        selection.begin(store.partition)
        used_s = await self._work.run(self._measure, store)
        for planned_only in (False, True):
            names, sliced_s = await self._work.run(self._names, store, planned_only)
            more, used_s = True, used_s + sliced_s
            while more:
                more, sliced_s = await self._work.run(self._slice, selection, store, names, planned_only)
                used_s += sliced_s
        return used_s

    def _measure(self, store: PartitionStore) -> float:
        """Set the partition's own gauges; like the others returns the CPU seconds."""
        began, size = thread_time(), self._core.size(store.state)
        for kind, entries in size.entries.items():
            metrics.STATE_ENTRIES.labels(store.partition, kind).set(entries)
        metrics.STATE_BYTES.labels(store.partition).set(size.columns_bytes)
        metrics.SNAPSHOT_PENDING_EVENTS.labels(store.partition).set(store.events)
        return thread_time() - began

    def _names(self, store: PartitionStore, planned_only: bool) -> tuple[Iterator[str], float]:
        """The accounts that have cycles now, or plans."""
        began, accounts = thread_time(), self._core.accounts(store.state)
        names = list(accounts.plans if planned_only else accounts.cycles)
        return iter(names), thread_time() - began

    def _slice(
        self, selection: Selection, store: PartitionStore, names: Iterator[str], planned_only: bool
    ) -> tuple[bool, float]:
        """Take accounts for SLICE_S: whether there are more, and the CPU seconds. Forgotten ones show nothing."""
        began, cpu_began, some = perf_counter(), thread_time(), [""]
        accounts = self._core.accounts(store.state)
        while some and perf_counter() - began < SLICE_S:
            some = list(islice(names, SLICE_ACCOUNTS))
            for name in some:
                if not (planned_only and name in accounts.cycles):
                    cycles, plans = accounts.cycles.get(name, {}), accounts.plans.get(name, ())
                    selection.take(store.partition, name, cycles, plans)
        return bool(some), thread_time() - cpu_began

    async def _pause(self, seconds: float, used_s: float) -> None:
        """Until the next look; a partition that becomes ready asks for one at once, where it costs little."""
        if used_s > SLICE_S * 10:
            await asyncio.sleep(seconds)
            return
        try:
            await asyncio.wait_for(self._asked.wait(), seconds)
        except TimeoutError:
            return
