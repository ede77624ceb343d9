"""What a plan does not keep of what is asked for, and what a planner must know beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pipeline.capacity.curves import Costs
from pipeline.capacity.figures import Figures
from pipeline.capacity.fleet import COPIES, PARTITIONS_MAX, Fleet, State
from pipeline.capacity.load import Load
from pipeline.capacity.sinks import Sinks

FACTS_MAX = (1 << 32) - 1  # of one partition at once (core/facts.py)
GIB = 1 << 30


class Plan(NamedTuple):
    """All that was found of a load."""

    load: Load
    figures: Figures
    costs: Costs
    state: State
    fleet: Fleet
    sinks: Sinks

    @property
    def memory(self) -> float:
        """GiB of the busiest worker while one is away."""
        return self.fleet.memory(self.load, self.costs, self.state) / GIB


def broken(plan: Plan) -> Iterator[str]:
    """What is not kept; none where the plan is feasible."""
    load, fleet = plan.load, plan.fleet
    alone, cores = plan.costs.worker.at(load.peak * load.largest), fleet.cores(load, plan.costs)
    if alone > load.use:
        yield (
            f"The largest account takes {alone:.2f} of a core at the peak, more than {load.use:.2f}: an account is one "
            "core's work, and more workers do not help. Its events queue at the peak."
        )
    elif cores > load.use:
        yield (
            f"The busiest of {fleet.needed:,} workers takes {cores:.2f} of a core at the peak, more than "
            f"{load.use:.2f}, and there are at most {PARTITIONS_MAX:,} partitions."
        )
    if plan.memory > load.worker_memory_gib:
        share = (1 + COPIES) * load.largest * plan.state.size / GIB
        yield (
            f"A worker needs {plan.memory:,.1f} GiB, more than the {load.worker_memory_gib:g} given. "
            f"{share:,.1f} of them are the largest account's, whose state lies in one partition and in one worker, "
            "however many workers there are."
        )
    facts = plan.state.facts * fleet.largest_partition(load)
    if facts > FACTS_MAX:
        yield f"The largest partition remembers {facts:,.0f} unique opens and clicks, and can number {FACTS_MAX:,}."
    p99 = fleet.latency(load, plan.costs)
    if load.latency_ms is not None and p99 > load.latency_ms:
        rate = load.peak * fleet.busiest(load)
        yield (
            f"p99 from Kafka append to journal append is {p99:,.0f} ms at the {rate:,.0f} events/s of the busiest "
            f"worker, between the loads that were measured, more than the {load.latency_ms:g} asked for."
        )
    if plan.sinks.freshness > load.freshness_s:
        yield (
            f"p99 from Kafka append to the row in ClickHouse is {plan.sinks.freshness:,.1f} s, more than the "
            f"{load.freshness_s:g} asked for: no fewer partitions to a sink were measured."
        )


def notes(plan: Plan) -> Iterator[str]:
    """What is to be known, of a feasible plan too."""
    load, fleet = plan.load, plan.fleet
    if load.largest > load.largest_account > 0:
        yield (
            f"Of {load.accounts:,} accounts the largest has {load.largest:.3g} of all events at least: planned with "
            f"that, not with {load.largest_account:g}."
        )
    measured = plan.figures.of("identities_measured")
    if (identities := plan.state.identities * fleet.largest_partition(load)) > measured:
        yield f"The largest partition remembers {identities:,.0f} events; speed was measured up to {measured:,.0f}."
    if load.accounts < fleet.partitions:
        yield f"{load.accounts:,} accounts leave some of {fleet.partitions:,} partitions empty: an account lies in one."
    shares = [f"{n}" for n in range(1, fleet.partitions + 1) if fleet.partitions % n == 0]
    yield (
        f"Partitions are fixed at creation (at most {PARTITIONS_MAX:,}): {fleet.partitions:,} are shared evenly by "
        f"{', '.join(shares)} workers."
    )
