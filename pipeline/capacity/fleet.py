"""How many workers over how many partitions: by what they compute and by what they remember. Pure.

An account lies in one partition and a partition in one worker, so there are never more partitions than accounts. Ids
decide in which, so the largest account is not taken to be alone: it comes on top of the others, which lie as evenly as
whole accounts can, in a partition and a worker with as many as any. A worker that is away leaves its own to the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipeline.capacity.curves import Costs
from pipeline.capacity.figures import Figures
from pipeline.capacity.load import Load

PARTITIONS_A_WORKER = 4  # room to double the workers twice: partitions are fixed at creation
PARTITIONS_A_WORKER_MAX = 12  # more were not measured under light load; large states are spread over so many
PARTITIONS_MAX = 1_024  # of the settings
WORKERS_MAX = PARTITIONS_MAX - 1  # needed: one more runs
COPIES = 2  # of the largest partition's state beside it: while a snapshot is written, while its tables grow
FACTS_MAX = (1 << 32) - 1  # of one partition at once (core/facts.py)
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

    def accounts(self, load: Load, partitions: int) -> int:
        """Accounts in so many partitions, those that have most of them, with the largest account on top."""
        each, fuller = divmod(load.accounts - 1, self.partitions)
        return 1 + partitions * each + min(partitions, fuller)

    def share(self, load: Load, partitions: int) -> float:
        """Share of all events in so many partitions, that of the largest account among them."""
        return load.largest + (self.accounts(load, partitions) - 1) * load.other

    def busiest(self, load: Load) -> float:
        """Share of all events that the busiest worker has while one is away."""
        return self.share(load, self.most)

    def largest_partition(self, load: Load) -> float:
        """Share of all events in the partition of the largest account."""
        return self.share(load, 1)

    def rates(self, load: Load) -> tuple[float, float]:
        """Events a second at the peak in the partition of the largest account, and in each other of its worker."""
        largest = self.largest_partition(load)
        return load.peak * largest, load.peak * max(0.0, self.busiest(load) - largest) / max(1, self.most - 1)

    def cores(self, load: Load, costs: Costs) -> float:
        """Of the busiest worker at the peak while one is away."""
        largest, other = self.rates(load)
        return costs.worker.at(largest) + (self.most - 1) * costs.worker.at(other)

    def memory(self, load: Load, costs: Costs, state: State) -> float:
        """Bytes of the busiest worker while one is away."""
        shares = self.busiest(load) + COPIES * self.largest_partition(load)
        return costs.fixed.at(self.most) * MIB + state.size * shares

    def latency(self, load: Load, costs: Costs) -> float:
        """p99 in ms of the busiest worker at the peak; 0 where none was measured, infinite beyond the last load."""
        if costs.latency is None:
            return 0.0
        rate = load.peak * self.busiest(load)
        return costs.latency.at(rate) if rate <= costs.latency.last else math.inf


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


class Want(NamedTuple):
    """What a fleet must keep: of what, how much of it a fleet takes, and the most that is allowed."""

    of: str
    takes: Callable[[Fleet], float]
    most: float

    def kept(self, fleet: Fleet) -> bool:
        """Whether a fleet keeps it."""
        return self.takes(fleet) <= self.most


def wants(load: Load, costs: Costs, state: State) -> list[Want]:
    """All that a fleet must keep; what is missed first is what asks for more workers."""
    return [
        Want("the cores", lambda one: one.cores(load, costs), load.use),
        Want("the memory", lambda one: one.memory(load, costs, state), load.worker_memory_gib * 1024 * MIB),
        Want("the opens and clicks", lambda one: state.facts * one.largest_partition(load), FACTS_MAX),
        Want("the latency", lambda one: one.latency(load, costs), load.latency_ms or math.inf),
    ]


def fleet_that_keeps(load: Load, figures: Figures, costs: Costs, state: State) -> Fleet | None:
    """The fewest workers that keep all that is wanted; None where none do.

    Where none do with as few partitions as the state asks for, with more: copies of a smaller one take less memory.
    """
    wanted = wants(load, costs, state)
    if _hopeless(load, costs, wanted):
        return None
    missed = wanted[0]
    for more in range(0, PARTITIONS_A_WORKER_MAX, PARTITIONS_A_WORKER):
        before: Fleet | None = None
        for one in fleets(load, figures, costs, state, more):
            missing = missed if not missed.kept(one) else _missed(one, wanted)  # most often what the one before missed
            if missing is None:
                by = before and _missed(before, wanted)
                return one._replace(by=by.of) if by else one
            before, missed = one, missing
    return None


def _missed(fleet: Fleet, wanted: list[Want]) -> Want | None:
    """The first that a fleet does not keep."""
    return next((want for want in wanted if not want.kept(fleet)), None)


def nearest_fleet(load: Load, figures: Figures, costs: Costs, state: State) -> Fleet:
    """Where no fleet keeps what is wanted: the fewest workers that come near to the least of what cannot be kept."""
    wanted = wants(load, costs, state)
    tried = [(one, {want.of: want.takes(one) for want in wanted}) for one in fleets(load, figures, costs, state)]
    least = {want.of: min(takes[want.of] for _, takes in tried) for want in wanted}
    near = {want.of: want.most if least[want.of] <= want.most else NEAR * least[want.of] for want in wanted}
    for names in (list(near), ["the cores", "the memory"], ["the memory"]):
        for one, takes in tried:
            if all(takes[name] <= near[name] for name in names):
                lacks = [want.of for want in wanted if takes[want.of] > want.most]
                return one._replace(by=f"{lacks[0]}, which no number keeps")
    raise AssertionError("the fleet with the least memory is near to it")


def fleets(load: Load, figures: Figures, costs: Costs, state: State, more: int = 0) -> Iterator[Fleet]:
    """All that are tried, fewest workers first: no more than accounts are needed, and one more runs.

    Partitions: four to a worker, in fours up to twelve where the state beside the largest account is larger than was
    measured; `more` than that to each where there can be; half as many, and half of those, where a worker has not even
    the memory that these take with nothing remembered; and never more than accounts.
    """
    memory_mib = load.worker_memory_gib * 1024
    spread = state.identities * (1 - load.largest) / figures.of("identities_measured")
    for needed in range(1, min(WORKERS_MAX, load.accounts) + 1):
        run = needed + 1
        fours = max(1, math.ceil(spread / run / PARTITIONS_A_WORKER))
        least = min(PARTITIONS_A_WORKER_MAX, fours * PARTITIONS_A_WORKER)
        each = min(PARTITIONS_A_WORKER_MAX, least + more)
        while each > 1 and costs.fixed.at(math.ceil(run * each / needed)) > memory_mib:
            each //= 2
        if not more or (run * least < min(PARTITIONS_MAX, load.accounts) and least < each):
            yield Fleet(needed, run, min(run * min(each, PARTITIONS_MAX // run), load.accounts))


def _hopeless(load: Load, costs: Costs, wanted: list[Want]) -> bool:
    """Whether even a worker with nothing but the largest partition does not keep what is wanted, however many run."""
    many = min(load.accounts, PARTITIONS_MAX)
    alone = Fleet(many, many + 1, many)
    if any(not want.kept(alone) for want in wanted if want.of != "the latency"):
        return True
    if load.latency_ms is None or costs.latency is None:
        return False
    fewest = load.peak * alone.busiest(load)
    return fewest > costs.latency.last or costs.latency.least(fewest, load.peak) > load.latency_ms
