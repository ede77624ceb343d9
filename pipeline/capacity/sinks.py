"""How many sinks, how fresh ClickHouse is then, and what the inserts take. Pure.

A sink inserts one partition after the other. An insert costs the engine far more than its rows where these are few, and
it does only so many a second: what was measured at light load is what a sink with so many partitions takes, and one
with more of them takes no more, but waits longer between two inserts of one partition.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pipeline.capacity.digits import digits
from pipeline.capacity.figures import Figures
from pipeline.capacity.load import Load


class Sinks(NamedTuple):
    """How many carry the load while one is away, how many run, and p99 in seconds to the row in ClickHouse then."""

    needed: int
    run: int
    by: str
    freshness: float
    how: str


def sinks_of(load: Load, figures: Figures, partitions: int) -> Sinks:
    """The fewest that take the rows of the peak and keep the freshness asked for, as near as was measured.

    Raises:
        NotMeasured: a figure is missing.
    """
    light = figures.by_name.get("freshness_p99")
    p99 = figures.of("freshness_p99")
    assert light is not None, "it has a value"
    by_rows = math.ceil(load.peak / (figures.of("one_sink_rows_s") * load.use))
    by_wait = math.ceil(partitions / max(light.partitions, light.partitions * load.freshness_s / p99))
    needed = max(1, min(partitions, max(by_rows, by_wait)))
    each = max(light.partitions, math.ceil(partitions / needed))
    how = (
        f"{p99:g} s x {each} ÷ {light.partitions}; measured with {light.partitions} partitions to a sink at "
        f"{light.rate:,g} events/s; a sink has {math.ceil(partitions / needed)} while one is away"
    )
    return Sinks(
        needed, needed + 1, "the rows" if by_rows > by_wait else "the freshness", p99 * each / light.partitions, how
    )


def insert_cores(load: Load, figures: Figures, found: Sinks, partitions: int) -> tuple[float, str]:
    """Cores of sinks and engine at the peak, and the formula.

    Raises:
        NotMeasured: a figure is missing.
    """
    light, rate = figures.by_name["freshness_p99"], figures.of("sink_rows_s")
    each = figures.of("sink_cores") + figures.of("engine_cores")
    busy = min(found.run, partitions / light.partitions)
    cores = (load.peak / rate + busy * each) / load.use
    how = (
        f"({digits(load.peak)} rows/s ÷ {rate:,.0f} rows a CPU second + {digits(busy)} x ({figures.of('sink_cores'):g} "
        f"+ {figures.of('engine_cores'):g} cores)) ÷ {digits(load.use)}; sinks with inserts of few rows, sink + engine "
        f"as measured with {light.partitions} partitions to a sink; queries and further copies come on top"
    )
    return cores, how
