"""How many workers over how many partitions: by what they compute and by what they remember. Pure.

An account lies in one partition and a partition in one worker, so the busiest worker has the largest account and its
part of the rest.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pipeline.capacity.figures import Figures
from pipeline.capacity.load import Load

PARTITIONS_A_WORKER = 4  # room to double the workers twice: partitions are fixed at creation
PARTITIONS_A_WORKER_MAX = 12  # more were not measured under light load; large states are spread over so many
PARTITIONS_MAX = 1_024  # of the settings
WORKERS_MAX = PARTITIONS_MAX - 1  # needed: one more runs, each with a partition at least
COPIES = 2  # of the largest partition's state beside it: while a snapshot is written, while a table grows
MIB = 1 << 20


class State(NamedTuple):
    """What all partitions remember together, in bytes of memory."""

    identities: float
    facts: float
    size: float
    how: str


class Fleet(NamedTuple):
    """How many workers carry the load, how many run, over how many partitions, and what asked for that many."""

    needed: int
    run: int
    partitions: int
    by: str

    def busiest(self, load: Load) -> float:
        """Share of all events that the busiest worker has while one is away."""
        return load.largest + (1 - load.largest) / self.needed

    def largest_partition(self, load: Load) -> float:
        """Share of all events in the partition of the largest account."""
        return load.largest + (1 - load.largest) / self.partitions

    def memory(self, load: Load, figures: Figures, state: State) -> float:
        """Bytes of the busiest worker while one is away."""
        shares = self.busiest(load) + COPIES * self.largest_partition(load)
        return figures.of("worker_fixed_mib") * MIB + state.size * shares


def remembered(load: Load, figures: Figures) -> State:
    """What the load leaves in the workers' memory.

    Raises:
        NotMeasured: a figure is missing.
    """
    identities = load.events_per_day * (load.window_days + 1)
    facts = load.events_per_day * figures.of("facts_an_event") * load.remember_days
    pairs = load.people * figures.of("pairs_a_profile")
    identity, fact, pair = (figures.of(name) for name in ("identity_bytes", "fact_bytes", "pair_bytes"))
    how = (
        f"{identities:,.0f} identities ({load.window_days} + 1 days) x {identity:.0f} B + "
        f"{facts:,.0f} facts ({figures.of('facts_an_event'):.2f} an event, {load.remember_days} days) x {fact:.0f} B + "
        f"{pairs:,.0f} merged profiles x {pair:.0f} B"
    )
    return State(identities, facts, identities * identity + facts * fact + pairs * pair, how)


def fleet_of(load: Load, figures: Figures, state: State, use: float) -> Fleet:
    """The fewest workers of which the busiest keeps within its core and its memory.

    Where the largest account alone is more than that, it counts as if it were not there: more workers do not help it.
    """
    cores = load.peak * figures.of("worker_us") / 1e6
    by_cores, room = 1, use - cores * load.largest
    if room > 0:
        by_cores = _even(cores * (1 - load.largest), room)
    elif load.largest < 1:
        by_cores = _even(cores * (1 - load.largest), use)
    most = load.worker_memory_gib * 1024 * MIB
    spread = state.identities / figures.of("identities_measured")
    for needed in range(by_cores, WORKERS_MAX + 1):
        found = _fleet(needed, spread, "the cores" if needed == by_cores else "the memory")
        if found.memory(load, figures, state) <= most:
            return found
    rest = state.size * (1 - load.largest)
    by_memory = _even(rest, max(most - figures.of("worker_fixed_mib") * MIB, MIB))
    by = "the memory of all but the largest account" if by_memory > by_cores else "the cores"
    return _fleet(max(by_cores, by_memory), spread, by)


def _fleet(needed: int, spread: float, by: str) -> Fleet:
    """So many workers, one that may be away, and partitions that all share evenly, `spread` of them at least."""
    run = needed + 1
    fours = max(1, math.ceil(spread / run / PARTITIONS_A_WORKER))
    each = min(PARTITIONS_A_WORKER_MAX, fours * PARTITIONS_A_WORKER)
    return Fleet(needed, run, run * max(1, min(each, PARTITIONS_MAX // run)), by)


def _even(whole: float, each: float) -> int:
    """How many of `each` take a whole, within what the settings allow."""
    return max(1, min(WORKERS_MAX, math.ceil(whole / each)))
