"""Recovery of a partition's state: from a snapshot and the journal's tail behind it, and from the journal alone.

In one process, without a broker: the worker's bench measures a worker's whole start. The journal is in memory, each
record decoded and applied as a worker does it; beside it the same records, decoded before, are applied alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from pipeline.context import EngagementCore
from pipeline.core import fold
from pipeline.core.record import Link, Record, decode, encode
from pipeline.core.state import State, from_columns
from pipeline.core.window import DAY_US
from pipeline.journal.chain import FIRST
from pipeline.journal.ports import Entry
from pipeline.state.snapshots import Snapshots, read_columns, read_header
from pipeline.state.store import PartitionStore
from tests.bench.aims import TIMES, S
from tests.bench.core_world import RECORD_EVENTS, Size, history, snapshot
from tests.bench.memory_bench import constant
from tests.bench.results import Figure, options, run
from tests.events import SEED, context

END_US = 20_000 * DAY_US
SIZE, SIZE_QUICK = Size(10_000_000, 5_000_000), Size(500_000, 250_000, 10_000)
TAIL_EVENTS, TAIL_EVENTS_QUICK = 5_000_000, 200_000  # at most between two snapshots
FOLDED = 10  # records decoded and held at a time: what a fetch holds


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """A snapshot loaded, its tail folded; the whole journal folded, and applied alone."""
    size = SIZE_QUICK if chosen.quick else SIZE
    tail_events = TAIL_EVENTS_QUICK if chosen.quick else TAIL_EVENTS
    at = f"{size.identities:,} identities, {size.facts:,} facts"
    loads, tails, folds, plain = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="tally-recovery-") as folder:
        snapshot(Path(folder), 0, size, context(), END_US)
        path = Snapshots(Path(folder) / "0").newest_first()[0]
        for _ in range(chosen.rounds):
            state, seconds = _load(path)
            loads.append(seconds)
            tail = constant(tail_events, tail_events, RECORD_EVENTS, context().rules, size.facts)
            tails.append(_fold(tail, state)[0])
            del state
            taken = _fold(history(size, context().rules, SEED, END_US), State(), State())
            folds.append(taken[0])
            plain.append(taken[1])
    events = size.identities
    note = f"{events / min(folds):,.0f} events/s, {events / min(plain):,.0f} applied alone"
    ratio = tuple(one / other for one, other in zip(folds, plain, strict=True))
    whole = tuple(load + tail for load, tail in zip(loads, tails, strict=True))
    return [
        Figure("recovery", f"a snapshot read, checked and made a state, {at}", S, tuple(loads)),
        Figure("recovery", f"{tail_events:,} events behind the snapshot folded, the most there are", S, tuple(tails)),
        Figure("recovery", f"both, {at}: what a worker's start does besides starting", S, whole),
        Figure("recovery", f"the journal folded from its beginning, {at}", S, tuple(folds), note=note),
        Figure("recovery", "decoding and applying the journal against applying it alone", TIMES, ratio),
    ]


def _load(path: Path) -> tuple[State, float]:
    began = time.perf_counter()
    read_header(path)
    state = from_columns(read_columns(path))
    return state, time.perf_counter() - began


def _fold(records: Iterator[Record], state: State, beside: State | None = None) -> tuple[float, float]:
    """Seconds to decode and apply records to a state, and to apply the same to another one, where it is given."""
    store = PartitionStore(0, EngagementCore(context(), 1))
    store.state = state
    folded = plain = 0.0
    link = Link(FIRST, FIRST, "bench")
    while part := list(islice(records, FOLDED)):
        entries = []
        for record in part:
            offset = link.id
            link = Link(link.id + 1, link.id, "bench")
            entries.append(Entry(offset, encode(record, link)))
        folded += _seconds(partial(store.accept_all, entries))
        if beside is not None:
            decoded = [decode(entry.value or b"")[1] for entry in entries]
            plain += _seconds(partial(_apply, beside, decoded))
    assert store.next_offset == link.id, "every record is of the chain"
    return folded, plain


def _apply(state: State, records: list[Record]) -> None:
    for record in records:
        fold.apply(state, record, SEED)


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


if __name__ == "__main__":
    run("recovery", measure, options(__doc__))
