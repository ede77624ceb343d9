"""CPU µs an event of the core: decide, encode the record, apply; stage by stage, over batch and state sizes.

    python -m tests.bench.core_bench [--rounds 3] [--identities 1000000 10000000 30000000] [--facts 5000000]

A state that remembers so much (core_world.py) gets batches of the simulator's bulk traffic (core_traffic.py), each of
about ten topics as the transport hands them over; with 0.1 % merges, then with 5 % merges and splits. A round goes over
all batch sizes, on events of its own; the floor does its part on the same batches, right after each. All events are
recounted from their bytes: a core that counts wrongly gets no time. One thread and its own CPU time, no Kafka.
The fixed cost of a batch is what a line through the costs of all batch sizes leaves for a batch without events.
"""

from __future__ import annotations

import argparse
import gc
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pipeline.cli.worker import GC_THRESHOLDS
from pipeline.core import fold
from pipeline.core.batch import Slab
from pipeline.core.state import State
from tests.bench.aims import MS, TIMES, US
from tests.bench.core_stages import floor_of, step, timed
from tests.bench.core_traffic import STANDARD_MERGES, Sent, traffic
from tests.bench.core_truth import Recount
from tests.bench.core_world import Size, preloaded, slabs
from tests.bench.results import Figure, options, run
from tests.events import context
from tests.options import whole

BATCHES = {500: 20, 2_000: 10, 10_000: 4}  # how many of each size in a round
QUICK = {500: 4, 2_000: 2}
WARM = 1  # and so many before, that are not counted
STAGED = (2_000, 10_000)  # batch sizes whose stages are timed too, on a batch more of the round
STORM = 0.05
SLAB_EVENTS = 500  # records of one topic that arrive at once
LARGE = 10_000_000
START_US = 1_790_000_000_000_000  # any instant: the core reads no clock
FLOOR = "slice, decode, compress"


@dataclass
class Round:
    """CPU seconds an event, by batch size; those of stages by (batch size, stage)."""

    core: dict[int, float] = field(default_factory=dict)
    floor: dict[int, float] = field(default_factory=dict)
    stages: dict[int, Counter[str]] = field(default_factory=dict)


class Stand:
    """A state under test, how far its topics are, and what it must have counted."""

    def __init__(self, size: Size) -> None:
        self.context = context()
        self.state: State = preloaded(size, self.context.rules, self.context.seed, START_US)
        fold.settle(self.state)  # what a day's change and a table's growth leave to do is the bench's of pauses
        for table in (self.state.seen, self.state.held):
            table.settle()
        self.recount = Recount()
        self._offsets: dict[str, int] = {}
        self._arrived_ms = START_US // 1000
        self._rounds = 0

    def round(self, merges: float, batches: Mapping[int, int]) -> Round:
        """Each batch size in turn.

        Raises:
            AssertionError: the core counted otherwise than the recount.
        """
        found = Round()
        self._rounds += 1
        whole = sum(n * (count + WARM + (n in STAGED)) for n, count in batches.items())
        sent = traffic(whole, merges, START_US, 100 + self._rounds)
        self.recount.give(sent)
        for n, count in batches.items():
            part, sent = sent[: n * (count + WARM)], sent[n * (count + WARM) :]
            self._measure(n, self._batches(part, n), found)
            if n in STAGED:
                part, sent = sent[:n], sent[n:]
                spent: Counter[str] = Counter()
                with timed(spent):
                    self._measure(n, self._batches(part, n), Round())
                found.stages[n] = Counter({stage: seconds / n for stage, seconds in spent.items()})
        self.recount.check()
        return found

    def _measure(self, n: int, batches: list[list[Slab]], found: Round) -> None:
        core, floor = [], []
        for batch in batches:
            spent = step(self.state, batch, self.context)
            core.append(spent.seconds)
            floor.append(floor_of(batch, self.context))
            self.recount.hear(spent.record)
        found.core[n] = statistics.mean(core[WARM:] or core) / n
        found.floor[n] = statistics.mean(floor[WARM:] or floor) / n

    def _batches(self, sent: Sent, n: int) -> list[list[Slab]]:
        made = []
        for first in range(0, len(sent), n):
            self._arrived_ms += 10
            made.append(slabs(sent[first : first + n], self._offsets, self._arrived_ms, SLAB_EVENTS))
        return made


def fixed(costs: Mapping[int, float]) -> float:
    """Seconds of a batch without events: a line through cost over size, each size of the same weight."""
    n = np.array(list(costs), float)
    whole = np.array(list(costs.values())) * n
    return float(np.polyfit(n, whole, 1, w=1 / whole)[1])


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """See the module."""
    gc.set_threshold(*GC_THRESHOLDS)
    batches = QUICK if chosen.quick else BATCHES
    sizes = [100_000] if chosen.quick else chosen.identities
    figures: list[Figure] = []
    flat: dict[int, list[Round]] = {}
    for identities in sizes:
        size = Size(identities, min(chosen.facts, identities))
        stand = Stand(size)
        stand.round(STANDARD_MERGES, dict.fromkeys(batches, WARM))
        flat[identities] = [stand.round(STANDARD_MERGES, batches) for _ in range(chosen.rounds)]
        figures += _figures(size, STANDARD_MERGES, flat[identities])
        if identities == LARGE or chosen.quick:
            figures += _figures(size, STORM, [stand.round(STORM, batches) for _ in range(chosen.rounds)])
    if len(flat) > 1:
        figures.append(_flat(flat[min(flat)], flat[max(flat)], (min(flat), max(flat))))
    return figures


def _figures(size: Size, merges: float, rounds: list[Round]) -> list[Figure]:
    is_storm = merges > STANDARD_MERGES
    kind = "5 % merges and splits" if is_storm else "0.1 % merges"
    where = f"{size.identities / 1e6:g}M identities, {size.facts / 1e6:g}M facts, {kind}"
    is_aimed = size.identities == LARGE and size.facts == LARGE // 2
    aims = {} if not is_aimed else {2_000: "storm.2000"} if is_storm else {2_000: "core.2000", 10_000: "core.10000"}
    found = [
        _figure(f"{n:,} a batch, {where}", [r.core[n] for r in rounds], [r.floor[n] for r in rounds], aims.get(n))
        for n in rounds[0].core
    ]
    values, floor = (
        tuple(fixed(costs) * 1e3 for costs in c) for c in ([r.core for r in rounds], [r.floor for r in rounds])
    )
    found.append(Figure("core", f"fixed cost of a batch, {where}", MS, values, floor=floor, floor_of=FLOOR))
    if size.identities == LARGE:
        for n in rounds[0].stages:
            for stage in rounds[0].stages[n]:
                name = f"stage at {n:,} a batch, {kind}: {stage}"
                found.append(Figure("core", name, US, tuple(r.stages[n][stage] * 1e6 for r in rounds)))
    return found


def _figure(name: str, core: list[float], floor: list[float], aim: str | None) -> Figure:
    values, floors = tuple(x * 1e6 for x in core), tuple(x * 1e6 for x in floor)
    return Figure("core", name, US, values, floor=floors, floor_of=FLOOR, aim=aim)


def _flat(small: list[Round], large: list[Round], sizes: tuple[int, int]) -> Figure:
    """Over all batch sizes of a round."""
    name = f"{sizes[1] / 1e6:g}M identities against {sizes[0] / 1e6:g}M, mean of all batch sizes"
    values = tuple(
        statistics.mean(after.core[n] / before.core[n] for n in after.core)
        for before, after in zip(small, large, strict=True)
    )
    return Figure("core", name, TIMES, values, aim="core.flat" if sizes == (1_000_000, 30_000_000) else None)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument(
        "--identities", type=whole(0, 10**9, "identities"), nargs="+", default=[1_000_000, LARGE, 30_000_000]
    )
    parser.add_argument(
        "--facts", type=whole(0, 10**9, "facts"), default=LARGE // 2, help="at most as many as identities"
    )
    run("core", measure, parser)
