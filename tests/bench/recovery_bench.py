"""Recovery of a partition's state: from a snapshot and the journal's tail behind it, and from the journal alone.

The start is that of a real worker with a real Kafka: from before its process is begun to when the broker has its first
batch in the journal. The folds are in one process, without a broker: the journal is in memory, taken as a worker takes
it (chain, checks, positions); beside it the same records are decoded and applied, and nothing else: one fold.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pipeline.context import EngagementCore
from pipeline.core import fold
from pipeline.core.record import Link, Record, decode, encode
from pipeline.core.state import State, from_columns
from pipeline.core.window import DAY_US
from pipeline.journal.chain import FIRST
from pipeline.journal.ports import Entry
from pipeline.state.snapshots import Snapshots, read_columns, read_header
from pipeline.state.store import PartitionStore
from pipeline.topics import JOURNAL
from tests.bench.aims import TIMES, S
from tests.bench.core_traffic import ACCOUNTS
from tests.bench.core_world import RECORD_EVENTS, Size, history
from tests.bench.memory_bench import constant
from tests.bench.results import Figure, options, run
from tests.bench.worker_journal import Fates
from tests.bench.worker_world import World, world
from tests.events import SEED, context

END_US = 20_000 * DAY_US
SIZE, SIZE_QUICK = Size(10_000_000, 5_000_000), Size(500_000, 250_000, 10_000)
TAIL_EVENTS, TAIL_EVENTS_QUICK = 5_000_000, 200_000  # at most between two snapshots
FIRST_EVENTS = 20_000  # that wait for a worker: one batch, of all topics
FOLDED = 10  # records decoded and held at a time: what a fetch holds


class Folded(NamedTuple):
    """Seconds of a store that takes records, CPU seconds of it, and those of decoding and of applying them once."""

    taken: float
    taken_cpu: float
    decoded_cpu: float
    applied_cpu: float


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """A worker started on a snapshot; the snapshot loaded, its tail folded; the whole journal folded."""
    size = SIZE_QUICK if chosen.quick else SIZE
    tail_events = TAIL_EVENTS_QUICK if chosen.quick else TAIL_EVENTS
    loads, tails = [], []
    with world(1) as here:
        expected = here.publish(FIRST_EVENTS, ACCOUNTS)
        here.preload(size)
        starts = tuple(_start(here, expected) for _ in range(chosen.rounds))
        path = Snapshots(here.settings.state_dir() / here.name(JOURNAL) / "0").newest_first()[0]
        for _ in range(chosen.rounds):
            state, seconds = _load(path)
            loads.append(seconds)
            tail = constant(tail_events, tail_events, RECORD_EVENTS, context().rules, size.facts)
            tails.append(_fold(tail, state).taken)
            del state
    folds = [_fold(history(size, context().rules, SEED, END_US), State(), State()) for _ in range(chosen.rounds)]
    at = f"{size.identities:,} identities, {size.facts:,} facts"
    note = f"{size.identities / min(one.taken for one in folds):,.0f} events/s"
    aims = (None, None) if chosen.quick else ("recovery.snapshot", "recovery.journal")
    whole = tuple(load + tail for load, tail in zip(loads, tails, strict=True))
    once = tuple(f.taken_cpu / (f.decoded_cpu + f.applied_cpu) for f in folds)
    alone = tuple(f.taken_cpu / f.applied_cpu for f in folds)
    return [
        Figure("recovery", f"a worker's start to its first batch in the journal, {at}", S, starts, aim=aims[0]),
        Figure("recovery", f"of it, a snapshot read, checked and made a state, {at}", S, tuple(loads)),
        Figure("recovery", f"{tail_events:,} events behind the snapshot folded, the most there are", S, tuple(tails)),
        Figure("recovery", f"both, {at}: what a worker's start does after a crash, besides starting", S, whole),
        Figure("recovery", f"the journal folded from its beginning, {at}", S, tuple(f.taken for f in folds), note=note),
        Figure("recovery", "a worker's fold against decoding and applying each record once", TIMES, once, aim=aims[1]),
        Figure("recovery", "a worker's fold against applying records that are decoded", TIMES, alone),
    ]


def _start(here: World, expected: Fates) -> float:
    """Seconds from before a worker's process is begun to its first batch in the journal, by the broker's clock.

    Raises:
        AssertionError: the journal says something else than what was published.
    """
    here.begin_journal()
    began = time.time()
    with here.workers() as running:
        running.wait_all(expected.read)
    found = here.journaled()
    assert found.fates == expected, f"the journal says {found.fates}, published were {expected}: no figures"
    return next(entry.at_ms for entry in found.entries if entry.read) / 1000 - began


def _load(path: Path) -> tuple[State, float]:
    began = time.perf_counter()
    read_header(path)
    state = from_columns(read_columns(path))
    return state, time.perf_counter() - began


def _fold(records: Iterator[Record], state: State, beside: State | None = None) -> Folded:
    """Records taken by a store with the state; where another state is given, decoded and applied to it as well."""
    store = PartitionStore(0, EngagementCore(context(), 1))
    store.state = state
    found = Folded(0.0, 0.0, 0.0, 0.0)
    link = Link(FIRST, FIRST, "bench")
    while part := list(islice(records, FOLDED)):
        entries = []
        for record in part:
            offset = link.id
            link = Link(link.id + 1, link.id, "bench")
            entries.append(Entry(offset, encode(record, link)))
        wall, cpu = time.perf_counter(), time.process_time()
        store.accept_all(entries)
        taken, taken_cpu = time.perf_counter() - wall, time.process_time() - cpu
        decoded_cpu = applied_cpu = 0.0
        if beside is not None:
            cpu = time.process_time()
            decoded = [decode(entry.value or b"")[1] for entry in entries]
            decoded_cpu = time.process_time() - cpu
            _apply(beside, decoded)
            applied_cpu = time.process_time() - cpu - decoded_cpu
        now = (taken, taken_cpu, decoded_cpu, applied_cpu)
        found = Folded(*(sum(pair) for pair in zip(found, now, strict=True)))
    assert store.next_offset == link.id, "every record is of the chain"
    return found


def _apply(state: State, records: list[Record]) -> None:
    for record in records:
        fold.apply(state, record, SEED)


if __name__ == "__main__":
    run("recovery", measure, options(__doc__))
