"""What a plan does not keep of what is asked for, and what a planner must know beside it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pipeline.capacity.fleet import COPIES, FACTS_MAX, PARTITIONS_MAX
from pipeline.capacity.plan import Plan

GIB = 1 << 30
FEW_ACCOUNTS = 4  # to a partition: with fewer, how they fall decides more than how many there are


def broken(plan: Plan) -> Iterator[str]:
    """What is not kept; none where the plan is feasible."""
    yield from _cores(plan)
    load, fleet = plan.load, plan.fleet
    if plan.memory > load.worker_memory_gib:
        fixed, share = plan.costs.fixed.at(fleet.most) / 1024, (1 + COPIES) * load.largest * plan.state.size / GIB
        yield (
            f"A worker needs {plan.memory:,.1f} GiB in the plan that comes nearest, more than the "
            f"{load.worker_memory_gib:g} given: {fixed:,.1f} with nothing remembered, and {share:,.1f} for the largest "
            "account, whose state lies in one partition and in one worker."
        )
    facts = plan.state.facts * fleet.largest_partition(load)
    if facts > FACTS_MAX:
        yield f"The largest partition remembers {facts:,.0f} unique opens and clicks, and can number {FACTS_MAX:,}."
    yield from _latency(plan)
    yield from _sinks(plan)


def _cores(plan: Plan) -> Iterator[str]:
    load, fleet = plan.load, plan.fleet
    alone, cores = plan.costs.worker.at(load.peak * load.largest), fleet.cores(load, plan.costs)
    if alone > load.use:
        yield (
            f"The largest account takes {alone:.2f} of a core at the peak, more than {load.use:.2f}: an account is one "
            "core's work, and more workers do not help. Its events queue at the peak."
        )
    elif cores > load.use:
        few = f"{load.accounts:,} accounts fill no more than as many partitions, and some lie together"
        bound = few if load.accounts < PARTITIONS_MAX else f"there are at most {PARTITIONS_MAX:,} partitions"
        yield (
            f"The busiest worker takes {cores:.4g} of a core at the peak while one of {fleet.run:,} is away, more than "
            f"{load.use:.4g}, in the plan that comes nearest: {bound}."
        )


def _latency(plan: Plan) -> Iterator[str]:
    load, curve, p99 = plan.load, plan.costs.latency, plan.fleet.latency(plan.load, plan.costs)
    if load.latency_ms is None or curve is None or p99 <= load.latency_ms:
        return
    rate = load.peak * plan.fleet.busiest(load)
    if math.isinf(p99):
        alone = load.peak * load.largest
        more = f" {alone:,.0f} of them are the largest account's: more workers do not help." * (alone > curve.last)
        yield f"{_unmeasured(plan)}: whether it keeps the {load.latency_ms:,.12g} ms asked for is not known.{more}"
        return
    yield (
        f"p99 from Kafka append to journal append is {p99:,.0f} ms at the {rate:,.0f} events/s of the busiest worker, "
        f"{curve.place(rate)}, more than the {load.latency_ms:,.12g} asked for."
    )


def _unmeasured(plan: Plan) -> str:
    """That the busiest worker has more than what p99 was measured at."""
    assert plan.costs.latency is not None, "it is beyond its last load"
    return (
        "p99 from Kafka append to journal append was not measured beyond "
        f"{plan.costs.latency.last:,.0f} events/s of a worker, and the busiest has "
        f"{plan.load.peak * plan.fleet.busiest(plan.load):,.0f} at the peak"
    )


def _sinks(plan: Plan) -> Iterator[str]:
    load, sinks = plan.load, plan.sinks
    if sinks.rows > sinks.rows_max:
        yield (
            f"A sink inserts {sinks.rows_max:,.0f} rows/s at most with {load.headroom:.0%} headroom, and must have "
            f"{sinks.rows:,.0f}, those of the largest partition: a partition is one sink's, and more sinks do not help."
        )
    if sinks.freshness > load.freshness_s:
        yield (
            f"p99 from Kafka append to the row in ClickHouse is {sinks.freshness:,.1f} s, more than the "
            f"{load.freshness_s:g} asked for: no fewer partitions to a sink were measured."
        )


def notes(plan: Plan) -> Iterator[str]:
    """What is to be known, of a feasible plan too."""
    load, fleet = plan.load, plan.fleet
    if load.accounts == 1 and load.largest_account < 1:
        yield "One account has all events: planned with that."
    elif load.largest > load.largest_account > 0:
        yield (
            f"Of {load.accounts:,} accounts the largest has {load.largest:.3g} of all events at least: planned with "
            f"that, not with {load.largest_account:g}."
        )
    if load.remember_days <= load.window_days:
        yield (
            f"The settings refuse rules.unique_days of {load.remember_days}: they must be more than rules.window_days, "
            f"which are {load.window_days} here."
        )
    measured = plan.figures.of("identities_measured")
    if (identities := plan.state.identities * fleet.largest_partition(load)) > measured:
        yield f"The largest partition remembers {identities:,.0f} events; speed was measured up to {measured:,.0f}."
    if load.latency_ms is None and math.isinf(fleet.latency(load, plan.costs)):
        yield f"{_unmeasured(plan)}."
    if 1 < load.accounts < FEW_ACCOUNTS * fleet.partitions:
        yield (
            f"{load.accounts:,} accounts in {fleet.partitions:,} partitions are planned with at most "
            f"{fleet.accounts(load, 1)} in one. Their ids decide, and more may fall together: leave headroom for it."
        )
    if fleet.partitions == load.accounts > 1:
        yield (
            f"An account lies in one partition, so no more than {load.accounts:,} are planned. They are fixed at "
            "creation: count the accounts that are to come."
        )
    yield _shared(fleet.partitions)


def _shared(partitions: int) -> str:
    """Which numbers of workers share the partitions evenly."""
    fixed = f"Partitions are fixed at creation (at most {PARTITIONS_MAX:,})"
    if partitions == 1:
        return f"{fixed}, and an account lies in one: one worker has it, and one stands by. Count the accounts to come."
    shares = [f"{n}" for n in range(1, partitions + 1) if partitions % n == 0]
    return f"{fixed}: {partitions:,} are shared evenly by {', '.join(shares)} workers."
