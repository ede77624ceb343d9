"""What a load needs: partitions, processes, memory, disk. Pure.

In:   a Load, the measured figures.  Out: rows, each with its formula in numbers, and the limits that it meets.
Every event counts as accepted. One worker more than needed runs, so that the others carry the load while it is away.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pipeline.capacity.figures import Figures
from pipeline.capacity.fleet import COPIES, MIB, PARTITIONS_MAX, Fleet, State, fleet_of, remembered
from pipeline.capacity.load import SECONDS, Load, usable

SNAPSHOTS = 3  # on disk: the newest two and the one that is being written
FACTS_MAX = (1 << 32) - 1  # of one partition at once (core/facts.py)
MEASURED_START = 10_000_000, 5_000_000  # identities and facts with which a start was measured (tests/bench/aims.py)
GIB = 1 << 30


class Row(NamedTuple):
    """One thing needed, and how that was found."""

    what: str
    value: float
    unit: str
    how: str


class Needs(NamedTuple):
    """All rows in the order of the flow, and what the load runs into."""

    rows: list[Row]
    limits: list[str]


def needs(load: Load, figures: Figures) -> Needs:
    """What the load needs.

    Raises:
        NotMeasured: a figure is missing.
    """
    use, why = usable(load, figures)
    state = remembered(load, figures)
    fleet = fleet_of(load, figures, state, use)
    peak = Row("peak", load.peak, "events/s", f"{load.events_per_day:,} events ÷ {SECONDS:,} s x {load.peak_factor:g}")
    rows = [peak, *_workers(load, figures, fleet, (use, why)), *_memory(load, figures, fleet, state)]
    rows += [*_kafka(load, figures, use), *_clickhouse(load, figures, use)]
    return Needs(rows, [*_limits(load, figures, fleet, state, use)])


def _workers(load: Load, figures: Figures, fleet: Fleet, use: tuple[float, str]) -> list[Row]:
    cost, share = figures.of("worker_us"), fleet.busiest(load)
    cores = load.peak * share * cost / 1e6
    part = f"{share:.2f} (the largest account's {load.largest:.2f} + {1 - load.largest:.2f} ÷ {fleet.needed})"
    told = f"{fleet.needed} needed for {fleet.by} + 1 that may be away; {use[0]:.2f} of a core may be in use: {use[1]}"
    each = fleet.partitions // fleet.run
    busiest = f"{load.peak:,.0f} events/s x {part} x {cost:.2f} µs"
    return [
        Row("workers", fleet.run, "processes of a core", told),
        Row("partitions of every topic", fleet.partitions, "partitions", f"{fleet.run} workers x {each}"),
        Row("busiest worker while one is away", cores, "cores at the peak", busiest),
    ]


def _memory(load: Load, figures: Figures, fleet: Fleet, state: State) -> list[Row]:
    """Of a worker while one is away, and what it keeps on its disk."""
    fixed, share, largest = figures.of("worker_fixed_mib"), fleet.busiest(load), fleet.largest_partition(load)
    gib = f"{state.size / GIB:,.2f} GiB"
    memory = (
        f"{fixed:,.0f} MiB + {gib} x ({share:.2f} of it + {COPIES} x {largest:.2f}: copies of the largest partition)"
    )
    disk = f"{SNAPSHOTS} snapshots x {gib} x {share:.2f}"
    return [
        Row("state of all partitions", state.size / GIB, "GiB", state.how),
        Row("memory of a worker", fleet.memory(load, figures, state) / GIB, "GiB", memory),
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
    how = f"{seconds:.1f} s measured with {then / GIB:,.2f} GiB x {times:,.1f}; from its own disk"
    return [Row("start of a worker from its snapshots", seconds * times, "s", how)]


def _kafka(load: Load, figures: Figures, use: float) -> list[Row]:
    free, broker = 1 - load.headroom, figures.of("broker_us")
    rows = []
    for what, name, days in (
        ("disk of Kafka: source topics", "source_bytes", load.source_days),
        ("disk of Kafka: journal", "journal_bytes", load.retention_days),
    ):
        size = load.events_per_day * figures.of(name) * days * load.replicas / free
        times = f"{figures.of(name):.0f} B x {days} days x {load.replicas} copies ÷ {free:.2f}"
        rows.append(Row(what, size / GIB, "GiB", f"{load.events_per_day:,} events x {times}"))
    told = f"{load.peak:,.0f} events/s x {broker:.2f} µs ÷ {use:.2f}; producers and further copies come on top"
    return [*rows, Row("cores of Kafka for the workers", load.peak * broker / 1e6 / use, "cores", told)]


def _clickhouse(load: Load, figures: Figures, use: float) -> list[Row]:
    rate, free = figures.of("sink_rows_s"), 1 - load.headroom
    cores = load.peak / rate / use
    row, profile, copies = figures.of("row_bytes"), figures.of("profile_bytes"), load.clickhouse_replicas
    size = (load.events_per_day * load.retention_days * row + load.people * profile) * copies / free
    inserts = f"{load.peak:,.0f} rows/s ÷ {rate:,.0f} rows a CPU second ÷ {use:.2f}; queries come on top"
    by_events = f"{load.events_per_day:,} rows x {load.retention_days} days x {row:.0f} B"
    disk = f"({by_events} + {load.people:,} profiles x {profile:.0f} B) x {copies} copies ÷ {free:.2f}"
    sinks = f"{math.ceil(cores)} needed + 1 that may be away"
    bound = f"{figures.of('sink_fixed_mib'):,.0f} MiB: its bound, whatever flows"
    return [
        Row("sinks", math.ceil(cores) + 1, "processes", sinks),
        Row("memory of a sink", figures.of("sink_fixed_mib") * MIB / GIB, "GiB", bound),
        Row("cores of sinks and ClickHouse for inserts", cores, "cores", inserts),
        Row("disk of ClickHouse", size / GIB, "GiB", disk),
    ]


def _limits(load: Load, figures: Figures, fleet: Fleet, state: State, use: float) -> list[str]:
    alone, largest = load.peak * load.largest * figures.of("worker_us") / 1e6, fleet.largest_partition(load)
    measured = figures.of("identities_measured")
    memory = fleet.memory(load, figures, state) / GIB
    least = (figures.of("worker_fixed_mib") * MIB + state.size * load.largest * (1 + COPIES)) / GIB
    found = []
    if alone > use:
        found.append(
            f"The largest account takes {alone:.2f} of a core at the peak, more than {use:.2f}: an account is one "
            "core's work, and more workers do not help. Its events queue at the peak: give it several account ids, or "
            "leave less headroom."
        )
    if memory > load.worker_memory_gib:
        found.append(
            f"A worker needs {memory:,.1f} GiB, more than the {load.worker_memory_gib:g} given. The largest account's "
            f"state lies in one partition and in one worker, which needs {least:,.1f} GiB for it however many workers "
            "there are: remember fewer days, or give workers more."
        )
    if state.facts * largest > FACTS_MAX:
        found.append(
            f"The largest partition remembers {state.facts * largest:,.0f} unique opens and clicks, and can number "
            f"{FACTS_MAX:,}. Remember fewer days."
        )
    if state.identities * largest > measured:
        found.append(
            f"The largest partition remembers {state.identities * largest:,.0f} events; speed was measured up to "
            f"{measured:,.0f}."
        )
    if load.accounts < fleet.partitions:
        found.append(
            f"{load.accounts:,} accounts leave some of {fleet.partitions:,} partitions empty: an account lies in one."
        )
    shares = [f"{n}" for n in range(1, fleet.partitions + 1) if fleet.partitions % n == 0]
    found.append(
        f"Partitions are fixed at creation (at most {PARTITIONS_MAX:,}): {fleet.partitions:,} are shared evenly by "
        f"{', '.join(shares)} workers."
    )
    return found
