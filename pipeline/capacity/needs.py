"""What a load needs: partitions, processes, memory, disk. Pure.

In:   a Load, the measured figures.  Out: rows, each with its formula in numbers; what cannot be kept; what to know.
Every event counts as accepted. One worker more than needed runs, so that the others carry the load while it is away.
A formula ends at its semicolon; its numbers have four digits, so that it gives its row when calculated anew.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.capacity import limits
from pipeline.capacity.curves import Costs, Curve
from pipeline.capacity.digits import digits
from pipeline.capacity.figures import Figures
from pipeline.capacity.fleet import COPIES, MIB, Fleet, State
from pipeline.capacity.load import SECONDS, Load
from pipeline.capacity.plan import Plan, plan_of
from pipeline.capacity.sinks import Sinks, insert_cores

SNAPSHOTS = 3  # on disk: the newest two and the one that is being written
MEASURED_START = 10_000_000, 5_000_000  # identities and facts with which a start was measured (tests/bench/aims.py)
GIB = 1 << 30


class Row(NamedTuple):
    """One thing needed, and how that was found."""

    what: str
    value: float
    unit: str
    how: str


class Needs(NamedTuple):
    """All rows in the order of the flow; the limits that the load does not keep; what else a planner must know."""

    rows: list[Row]
    limits: list[str]
    notes: list[str]
    plan: Plan

    @property
    def feasible(self) -> bool:
        """Whether the plan keeps all that is asked for."""
        return not self.limits


def needs(load: Load, figures: Figures) -> Needs:
    """What the load needs; where it is not feasible, what comes nearest.

    Raises:
        NotMeasured: a figure is missing.
    """
    if load.latency_ms is not None:
        figures.family("latency_p99")
    plan = plan_of(load, figures)
    costs, state, fleet, sinks = plan.costs, plan.state, plan.fleet, plan.sinks
    peak = f"{load.events_per_day:,} events ÷ {SECONDS:,} s x {load.peak_factor:g}; the day's mean, and its peak"
    rows = [Row("peak", load.peak, "events/s", peak), *_workers(load, costs, fleet)]
    rows += [*_memory(load, figures, costs, fleet, state), *_kafka(load, figures, costs, fleet)]
    rows += _clickhouse(load, figures, sinks, fleet)
    return Needs(rows, [*limits.broken(plan)], [*limits.notes(plan)], plan)


def _workers(load: Load, costs: Costs, fleet: Fleet) -> list[Row]:
    largest, other = fleet.rates(load)
    told = f"{fleet.needed:,} + 1; needed for {fleet.by}, and one that may be away; {load.use:.2f} of a core may be in "
    told += f"use: {load.headroom:.0%} headroom"
    first, rest = digits(costs.worker.at(largest)), digits(costs.worker.at(other))
    where, there = costs.worker.place(largest), costs.worker.place(other)
    alone = (
        f"{first} cores + {fleet.most - 1} x {rest} cores; the partition of the largest account with {digits(largest)} "
        "events/s"
    )
    if fleet.most == 1:
        cores = f"{first} cores; the partition of the largest account with {digits(largest)} events/s, {where}"
    elif where == there:
        cores = f"{alone}, and {fleet.most - 1} others with {digits(other)} each; {where}"
    else:
        cores = f"{alone}, {where}, and {fleet.most - 1} others with {digits(other)} each, {there}"
    rows = [
        Row("workers", fleet.run, "processes of a core", told),
        Row("partitions of every topic", fleet.partitions, "partitions", _partitions(load, fleet)),
        Row("busiest worker while one is away", fleet.cores(load, costs), "cores at the peak", cores),
    ]
    if costs.latency is not None and (rate := load.peak * fleet.busiest(load)) <= costs.latency.last:
        how = f"{_between(costs.latency, rate)}; at {digits(rate)} events/s"
        rows.append(Row("p99 of Kafka append to journal append", costs.latency.at(rate), "ms", how))
    return rows


def _partitions(load: Load, fleet: Fleet) -> str:
    each, rest = divmod(fleet.partitions, fleet.run)
    if rest:
        accounts = "accounts" if load.accounts > 1 else "account"
        return f"{load.accounts:,} {accounts} x 1; an account lies in one partition"
    return f"{fleet.run:,} workers x {each}"


def _between(curve: Curve, load: float) -> str:
    """The two measured points around a load."""
    first, second, share = curve.between(load)
    if first == second:
        return f"{digits(curve.values[first])} ms; measured at {curve.loads[first]:,.0f} events/s"
    before, after = digits(curve.values[first]), digits(curve.values[second])
    return (
        f"{before} ms x {1 - share:.4f} + {after} ms x {share:.4f}; between what was measured at "
        f"{curve.loads[first]:,.0f} and at {curve.loads[second]:,.0f} events/s"
    )


def _memory(load: Load, figures: Figures, costs: Costs, fleet: Fleet, state: State) -> list[Row]:
    """Of a worker while one is away, and what it keeps on its disk."""
    share, largest, fixed = fleet.busiest(load), fleet.largest_partition(load), costs.fixed.at(fleet.most)
    gib = f"{digits(state.size / GIB)} GiB"
    memory = (
        f"{fixed:,.0f} MiB + {gib} x ({digits(share)} + {COPIES} x {digits(largest)}); fixed with {fleet.most} "
        f"partitions + its share of the state, {fleet.accounts(load, fleet.most):,} of {load.accounts:,} accounts in "
        f"{fleet.most} of {fleet.partitions:,} partitions, the largest with {digits(load.largest)} + copies of the "
        "largest partition"
    )
    disk = f"{SNAPSHOTS} x {gib} x {digits(share)}; snapshots"
    return [
        Row("state of all partitions", state.size / GIB, "GiB", state.how),
        Row("memory of a worker", fleet.memory(load, costs, state) / GIB, "GiB", memory),
        Row("disk of a worker", SNAPSHOTS * state.size * share / GIB, "GiB", disk),
        *_start(state.size * share, figures),
    ]


def _start(size: float, figures: Figures) -> list[Row]:
    """From a worker's start to its first batch, where that was measured: never less than it was then."""
    if not figures.measured("snapshot_s"):
        return []
    identities, facts = MEASURED_START
    then = identities * figures.of("identity_bytes") + facts * figures.of("fact_bytes")
    seconds, times = figures.of("snapshot_s"), max(1.0, size / then)
    how = f"{seconds:g} s x {digits(times)}; measured with {digits(then / GIB)} GiB, from its own disk"
    return [Row("start of a worker from its snapshots", seconds * times, "s", how)]


def _kafka(load: Load, figures: Figures, costs: Costs, fleet: Fleet) -> list[Row]:
    free, rows = 1 - load.headroom, []
    for what, name, days in (
        ("disk of Kafka: source topics", "source_bytes", load.source_days),
        ("disk of Kafka: journal", "journal_bytes", load.retention_days),
    ):
        size = load.events_per_day * figures.of(name) * days * load.replicas / free
        times = f"{figures.of(name):g} B x {days:g} days x {load.replicas} copies ÷ {digits(free)}"
        rows.append(Row(what, size / GIB, "GiB", f"{load.events_per_day:,} events x {times}"))
    rate = load.peak / fleet.partitions
    each = costs.broker.at(rate)
    told = (
        f"{fleet.partitions:,} partitions x {digits(each)} cores ÷ {digits(load.use)}; at {digits(rate)} events/s "
        "each on the mean, producers and workers as measured with one broker; further copies come on top"
    )
    return [*rows, Row("cores of Kafka", fleet.partitions * each / load.use, "cores", told)]


def _clickhouse(load: Load, figures: Figures, sinks: Sinks, fleet: Fleet) -> list[Row]:
    free = 1 - load.headroom
    cores, how = insert_cores(load, figures, sinks, fleet.partitions)
    row, profile, copies = figures.of("row_bytes"), figures.of("profile_bytes"), load.clickhouse_replicas
    size = (load.events_per_day * load.retention_days * row + load.people * profile) * copies / free
    by_events = f"{load.events_per_day:,} rows x {load.retention_days} days x {row:g} B"
    disk = f"({by_events} + {load.people:,} profiles x {profile:g} B) x {copies} copies ÷ {digits(free)}"
    told = f"{sinks.needed} + 1; needed for {sinks.by}, and one that may be away"
    bound = f"{figures.of('sink_fixed_mib'):,.0f} MiB; its bound, whatever flows"
    return [
        Row("sinks", sinks.run, "processes", told),
        Row("p99 of Kafka append to the row in ClickHouse", sinks.freshness, "s", sinks.how),
        Row("memory of a sink", figures.of("sink_fixed_mib") * MIB / GIB, "GiB", bound),
        Row("cores of sinks and ClickHouse for inserts", cores, "cores", how),
        Row("disk of ClickHouse", size / GIB, "GiB", disk),
    ]
