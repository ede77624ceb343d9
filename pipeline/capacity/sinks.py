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
from pipeline.capacity.fleet import Fleet
from pipeline.capacity.load import Load


class Sinks(NamedTuple):
    """How many carry the load while one is away, how many run, and what they do then.

    `freshness`: p99 in seconds to the row in ClickHouse. `rows`: a second at the peak of the one that has most, and
    `rows_max` that it may have.
    """

    needed: int
    run: int
    by: str
    freshness: float
    rows: float
    rows_max: float
    how: str

    def kept(self, load: Load) -> bool:
        """Whether they take the rows of the peak and keep the freshness asked for."""
        return self.rows <= self.rows_max and self.freshness <= load.freshness_s


def sinks_of(load: Load, figures: Figures, fleet: Fleet) -> Sinks:
    """The fewest that take the rows of the peak and keep the freshness asked for, as near as was measured.

    Raises:
        NotMeasured: a figure is missing.
    """
    light = figures.by_name.get("freshness_p99")
    p99 = figures.of("freshness_p99")
    assert light is not None, "it has a value"
    partitions, rows_max = fleet.partitions, figures.of("one_sink_rows_s") * load.use
    by_rows = next(
        (n for n in range(1, partitions) if _rows(load, fleet, n) <= rows_max),
        partitions,
    )
    by_wait = math.ceil(partitions / max(light.partitions, math.floor(light.partitions * load.freshness_s / p99)))
    needed = max(by_rows, by_wait)
    each = max(light.partitions, math.ceil(partitions / needed))
    how = (
        f"{p99:g} s x {each} ÷ {light.partitions}; measured with {light.partitions} partitions to a sink at "
        f"{light.rate:,g} events/s; a sink has {math.ceil(partitions / needed)} while one is away"
    )
    by, rows = "the rows" if by_rows > by_wait else "the freshness", _rows(load, fleet, needed)
    return Sinks(needed, needed + 1, by, p99 * each / light.partitions, rows, rows_max, how)


def _rows(load: Load, fleet: Fleet, needed: int) -> float:
    """Rows a second at the peak of the sink that has most, of so many that share the partitions."""
    return load.peak * fleet.share(load, math.ceil(fleet.partitions / needed))


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
