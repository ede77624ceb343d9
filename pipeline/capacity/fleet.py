"""How many workers over how many partitions: by what they compute and by what they remember. Pure.

An account lies in one partition and a partition in one worker, so the busiest worker has the largest account and as
many whole partitions as any other. While one worker is away its partitions are the others'.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from pipeline.capacity.curves import Costs
from pipeline.capacity.figures import Figures
from pipeline.capacity.load import Load

PARTITIONS_A_WORKER = 4  # room to double the workers twice: partitions are fixed at creation
PARTITIONS_A_WORKER_MAX = 12  # more were not measured under light load; large states are spread over so many
PARTITIONS_MAX = 1_024  # of the settings
WORKERS_MAX = PARTITIONS_MAX - 1  # needed: one more runs, each with a partition at least
COPIES = 2  # of the largest partition's state beside it: while a snapshot is written, while its tables grow
NEAR = 1.1  # times the least that any number of workers needs: as near as a plan comes that is not possible
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
    by: str = "the cores"

    @property
    def most(self) -> int:
        """Partitions of the worker that has most of them while one is away."""
        return math.ceil(self.partitions / self.needed)

    def busiest(self, load: Load) -> float:
        """Share of all events that the busiest worker has while one is away."""
        return load.largest + (1 - load.largest) * self.most / self.partitions

    def largest_partition(self, load: Load) -> float:
        """Share of all events in the partition of the largest account."""
        return load.largest + (1 - load.largest) / self.partitions

    def rates(self, load: Load) -> tuple[float, float]:
        """Events a second at the peak in the partition of the largest account, and in each other one."""
        return load.peak * self.largest_partition(load), load.peak * (1 - load.largest) / self.partitions

    def cores(self, load: Load, costs: Costs) -> float:
        """Of the busiest worker at the peak while one is away."""
        largest, other = self.rates(load)
        return costs.worker.at(largest) + (self.most - 1) * costs.worker.at(other)

    def memory(self, load: Load, costs: Costs, state: State) -> float:
        """Bytes of the busiest worker while one is away."""
        shares = self.busiest(load) + COPIES * self.largest_partition(load)
        return costs.fixed.at(self.most) * MIB + state.size * shares

    def latency(self, load: Load, costs: Costs) -> float:
        """p99 in ms of the busiest worker at the peak; 0 where none was measured."""
        return costs.latency.at(load.peak * self.busiest(load)) if costs.latency else 0.0


def remembered(load: Load, figures: Figures) -> State:
    """What the load leaves in the workers' memory.

    Raises:
        NotMeasured: a figure is missing.
    """
    identities = load.events_per_day * (load.window_days + 1)
    facts = load.events_per_day * figures.of("facts_an_event") * load.remember_days
    pairs = load.people * figures.of("pairs_a_profile")
    identity, fact, pair, label = (
        figures.of(name) for name in ("identity_bytes", "fact_bytes", "pair_bytes", "label_bytes")
    )
    how = (
        f"{identities:,.0f} identities x {identity:g} B + {facts:,.0f} facts x {fact:g} B + "
        f"{pairs:,.0f} merged profiles x {pair:g} B + {load.labels:,} campaigns x {label:g} B; events of "
        f"{load.window_days} + 1 days, {figures.of('facts_an_event'):g} facts an event for {load.remember_days} days"
    )
    size = identities * identity + facts * fact + pairs * pair + load.labels * label
    return State(identities, facts, size, how)


def fleet_of(load: Load, figures: Figures, costs: Costs, state: State) -> Fleet:
    """The fewest workers of which the busiest keeps within its core, its memory and the latency asked for.

    Where no number of workers does, the fewest that come near to the least of what cannot be kept.
    """
    spread = state.identities / figures.of("identities_measured")
    fleets = (_fleet(needed, spread) for needed in range(1, WORKERS_MAX + 1))
    wants: dict[str, tuple[Callable[[Fleet], float], float]] = {
        "the cores": (lambda one: one.cores(load, costs), load.use),
        "the memory": (lambda one: one.memory(load, costs, state), load.worker_memory_gib * 1024 * MIB),
        "the latency": (lambda one: one.latency(load, costs), load.latency_ms or math.inf),
    }
    tried: list[tuple[Fleet, dict[str, float]]] = []
    by = "the cores"
    for one in fleets:
        takes = {name: of(one) for name, (of, _) in wants.items()}
        lacks = [name for name, (_, most) in wants.items() if takes[name] > most]
        if not lacks:
            return one._replace(by=by)
        by = lacks[0]
        tried.append((one, takes))
    return _nearest(tried, {name: most for name, (_, most) in wants.items()})


def _nearest(tried: list[tuple[Fleet, dict[str, float]]], wants: dict[str, float]) -> Fleet:
    """The fewest workers that come near, first by the core and the memory."""
    near = {name: max(most, NEAR * min(takes[name] for _, takes in tried)) for name, most in wants.items()}
    for names in (list(near), ["the cores", "the memory"], ["the memory"]):
        for one, takes in tried:
            if all(takes[name] <= near[name] for name in names):
                lacks = [name for name in near if takes[name] > wants[name]]
                return one._replace(by=f"{lacks[0]}, which no number keeps")
    raise AssertionError("the fleet with the least memory is near to it")


def _fleet(needed: int, spread: float) -> Fleet:
    """So many workers, one that may be away, and partitions that all share evenly, `spread` of them at least."""
    run = needed + 1
    fours = max(1, math.ceil(spread / run / PARTITIONS_A_WORKER))
    each = min(PARTITIONS_A_WORKER_MAX, fours * PARTITIONS_A_WORKER)
    return Fleet(needed, run, run * max(1, min(each, PARTITIONS_MAX // run)))
