"""The longest batch at constant load: tables grow over several sizes, the stream's day changes, a snapshot is copied.

In one process and with the core alone: each batch is decided, encoded and applied, wall and CPU time of each is kept.
The state begins with what a smaller deployment remembers, and grows to 10 million identities and 5 million facts by
records that are folded between the measured batches: their longest application counts as well.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from pipeline.core import fold
from pipeline.core.batch import Slab
from pipeline.core.context import Context
from pipeline.core.decide import decide
from pipeline.core.record import Link, Record, encode
from pipeline.core.state import State, columns
from pipeline.core.window import DAY_US
from pipeline.state.core import copied
from tests.bench.aims import MS
from tests.bench.core_traffic import traffic
from tests.bench.core_world import Size, history, slabs
from tests.bench.memory_bench import constant
from tests.bench.results import Figure, options, run
from tests.events import SEED, context

END_US = 20_000 * DAY_US
SIZE, SIZE_QUICK = Size(10_000_000, 5_000_000), Size(1_000_000, 500_000, 10_000)
BATCH = 2_000
DECIDED_EVENTS = 300_000  # half of them behind the day's change: 75 batches, a sweep has 64 parts
CONSTANT_DAYS = 12  # the window and four days that forget one
DAY_EVENTS, DAY_EVENTS_QUICK = 1_000_000, 50_000

AIM = "pauses.worst"
COPY = "copying the state for a snapshot, between two batches"


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
    rounds = [_round(size, day_events) for _ in range(chosen.rounds)]
    figures = []
    for name in rounds[0]:
        cpu = tuple(found[name].cpu for found in rounds)
        wall = tuple(found[name].wall for found in rounds)
        figures.append(Figure("pauses", f"{name}, CPU", MS, cpu))
        figures.append(Figure("pauses", f"{name}, wall", MS, wall))
    batches = [[one.wall for name, one in found.items() if name != COPY] for found in rounds]
    worst = tuple(max(one) for one in batches)
    figures.append(Figure("pauses", "the longest of all but the copy of a snapshot, wall", MS, worst, aim=AIM))
    return figures


def _round(size: Size, day_events: int) -> dict[str, Longest]:
    rules = context()
    state = State()
    growing = _longest(state, history(size, rules.rules, SEED, END_US))
    deciding, state_us = Longest(), END_US
    offsets: dict[str, int] = {}
    sent = traffic(DECIDED_EVENTS, 0.001, END_US)
    changed = Longest()
    for n, at in enumerate(range(0, len(sent), BATCH)):
        is_next_day = at >= len(sent) // 2
        arrived_us = state_us + (DAY_US if is_next_day else 0)
        part = slabs(sent[at : at + BATCH], offsets, arrived_us // 1000, 500)
        took = _timed(partial(_batch, state, part, rules, n))
        deciding, changed = (deciding, changed.with_one(took)) if is_next_day else (deciding.with_one(took), changed)
    copy = _timed(partial(_copy, state))
    del state
    constantly = _longest(State(), constant(CONSTANT_DAYS * day_events, day_events, 10_000))
    return {
        f"folding 20,000 events while the tables grow to {size.identities:,} identities, {size.facts:,} facts": growing,
        f"a batch of {BATCH:,} at that size": deciding,
        f"a batch of {BATCH:,} behind the day's change": changed,
        f"folding 10,000 events, {day_events:,} a day, of which a day is forgotten each day": constantly,
        COPY: copy,
    }


def _batch(state: State, part: list[Slab], rules: Context, n: int) -> None:
    record = decide(state, part, rules)
    encode(record, Link(n + 1, n, "bench"))
    fold.apply(state, record, rules.seed)


def _copy(state: State) -> None:
    copied(columns(state))


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
    run("pauses", measure, options(__doc__))
