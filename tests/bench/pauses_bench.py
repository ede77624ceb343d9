"""The longest batch at constant load: tables grow over several sizes, the stream's day changes, a snapshot is taken.

In one process and with the core alone: each batch is decided, encoded and applied, wall and CPU time of each is kept.
The state begins with what a smaller deployment remembers, and grows to 10 million identities and 5 million facts by
records that are folded between the measured batches: their longest application counts as well. A snapshot is taken as
a worker does: of one instant between two batches, which counts as a pause, copied and written by a thread beside them.
A batch moves a part of the growing tables for each of its events, and forgets so much of a day: at constant load it has
BATCH events (a worker's have some 700 at 25,000 events/s and 3,000 at 70,000); a backlog's largest batch, ten times
that, is told beside it. One event of two makes a fact here, in bulk traffic one of four.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from pipeline.core import fold
from pipeline.core.batch import Slab
from pipeline.core.context import Context
from pipeline.core.decide import decide
from pipeline.core.record import Link, Record, encode
from pipeline.core.state import State, freeze
from pipeline.core.undo import Undo
from pipeline.core.window import DAY_US
from pipeline.state.snapshots import Header, Snapshots
from pipeline.state.store import Mark
from tests.bench.aims import MS
from tests.bench.core_traffic import Sent, traffic
from tests.bench.core_world import Size, history, slabs
from tests.bench.memory_bench import constant
from tests.bench.results import Figure, options, run
from tests.events import SEED, context

END_US = 20_000 * DAY_US
SIZE, SIZE_QUICK = Size(10_000_000, 5_000_000), Size(1_000_000, 500_000, 10_000)
BATCH = 2_000
BACKLOG_BATCH = 20_000
DECIDED_EVENTS = 400_000
SNAPSHOT_AT = 0.25  # of them; till the day changes it is copied and written, or waited for
DAY_AT = 0.6  # behind it 80 batches: a sweep has 64 parts
CONSTANT_DAYS = 12  # the window and four days that forget one
DAY_EVENTS, DAY_EVENTS_QUICK = 1_000_000, 50_000

AIM = "pauses.worst"
BACKLOG = "on a backlog"
ROUNDS = 2  # four minutes each


class Longest(NamedTuple):
    """Milliseconds."""

    wall: float = 0.0
    cpu: float = 0.0

    def with_one(self, other: Longest) -> Longest:
        """The longer one of each."""
        return Longest(max(self.wall, other.wall), max(self.cpu, other.cpu))


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """All of it, each round anew."""
    size = SIZE_QUICK if chosen.quick else SIZE
    day_events = DAY_EVENTS_QUICK if chosen.quick else DAY_EVENTS
    sent = traffic(DECIDED_EVENTS, 0.001, END_US)
    rounds = [_round(size, day_events, sent) for _ in range(chosen.rounds)]
    figures = []
    for name in rounds[0]:
        cpu = tuple(found[name].cpu for found in rounds)
        wall = tuple(found[name].wall for found in rounds)
        figures.append(Figure("pauses", f"{name}, CPU", MS, cpu))
        figures.append(Figure("pauses", f"{name}, wall", MS, wall))
    worst = tuple(max(one.wall for name, one in found.items() if not name.startswith(BACKLOG)) for found in rounds)
    figures.append(Figure("pauses", "the longest at constant load, wall", MS, worst, aim=None if chosen.quick else AIM))
    return figures


def _round(size: Size, day_events: int, sent: Sent) -> dict[str, Longest]:
    rules = context()
    grown = f"while the tables grow to {size.identities:,} identities, {size.facts:,} facts"
    aged = f"{day_events:,} a day, of which a day is forgotten each day"
    found = {
        f"{BACKLOG}: folding {BACKLOG_BATCH:,} events {grown}": _longest(State(), _growing(size, BACKLOG_BATCH, rules)),
        f"{BACKLOG}: folding {BACKLOG_BATCH:,} events, {aged}": _longest(State(), _aging(day_events, BACKLOG_BATCH)),
    }
    state = State()
    found[f"folding {BATCH:,} events {grown}"] = _longest(state, _growing(size, BATCH, rules))
    found |= _decided(state, sent, rules)
    del state
    found[f"folding {BATCH:,} events, {aged}"] = _longest(State(), _aging(day_events, BATCH))
    return found


def _growing(size: Size, events: int, rules: Context) -> Iterable[Record]:
    return history(size, rules.rules, SEED, END_US, events)


def _aging(day_events: int, events: int) -> Iterable[Record]:
    return constant(CONSTANT_DAYS * day_events, day_events, events)


def _decided(state: State, sent: Sent, rules: Context) -> dict[str, Longest]:
    """The longest batch of each kind."""
    kinds = "at that size", "while a snapshot is copied and written", "behind the day's change"
    found = dict.fromkeys((f"a batch of {BATCH:,} {kind}" for kind in kinds), Longest())
    usual, beside, day = found
    offsets: dict[str, int] = {}
    taking: Future[object] | None = None
    with TemporaryDirectory(prefix="tally-pauses-") as folder, ThreadPoolExecutor(1) as thread:
        for n, at in enumerate(range(0, len(sent), BATCH)):
            if taking is None and at >= SNAPSHOT_AT * len(sent):
                columns: list[Undo] = []
                found["the instant of a snapshot, between two batches"] = _timed(partial(_freeze, state, columns))
                taking = thread.submit(_take, Path(folder), columns[0], rules)
            kind = usual if taking is None or taking.done() else beside
            if at >= DAY_AT * len(sent):
                kind = day
                assert taking is not None
                taking.result()
            arrived_us = END_US + (DAY_US if kind == day else 0)
            part = slabs(sent[at : at + BATCH], offsets, arrived_us // 1000, 500)
            found[kind] = found[kind].with_one(_timed(partial(_batch, state, part, rules, n)))
    return found


def _batch(state: State, part: list[Slab], rules: Context, n: int) -> None:
    record = decide(state, part, rules)
    encode(record, Link(n + 1, n, "bench"))
    fold.apply(state, record, rules.seed)


def _freeze(state: State, frozen: list[Undo]) -> None:
    frozen.append(freeze(state))


def _take(folder: Path, frozen: Undo, rules: Context) -> None:
    Snapshots(folder).write(Header(0, Mark(1, 0, 1), {}, rules.rules, {}, 1), frozen.copied())


def _longest(state: State, records: Iterable[Record]) -> Longest:
    longest = Longest()
    for record in records:
        longest = longest.with_one(_timed(partial(fold.apply, state, record, SEED)))
    return longest


def _timed(do: Callable[[], object]) -> Longest:
    wall, cpu = time.perf_counter(), time.process_time()
    do()
    return Longest((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.set_defaults(rounds=ROUNDS)
    run("pauses", measure, parser)
