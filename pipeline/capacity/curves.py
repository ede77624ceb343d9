"""What depends on the load, from the loads at which it was measured: straight lines between them. Pure.

At a load that was measured the value is the measured one, so that a plan and docs/benchmarks.md cannot differ there.
Where another load lies is said: beyond the last one measured a latency is not known, and cores are a backlog's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, Self

from pipeline.capacity.figures import Figures, Measured

LATENCY = "latency_p99"
_MS = {"ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Curve:
    """Values at ascending loads. Before the first it is the first, beyond the last it rises by `slope`."""

    loads: tuple[float, ...]
    values: tuple[float, ...]
    slope: float = 0.0

    @classmethod
    def of(cls, points: Iterable[tuple[float, float]], slope: float = 0.0) -> Self:
        """Through points in any order."""
        loads, values = zip(*sorted(points), strict=True)
        return cls(loads, values, slope)

    @property
    def never_falling(self) -> Curve:
        """The same, with no value below that of a smaller load: what does more does not take less."""
        return Curve(self.loads, tuple(accumulate(self.values, max)), self.slope)

    def at(self, load: float) -> float:
        """The value at a load."""
        if load > self.last:
            return self.values[-1] + (load - self.last) * self.slope
        first, second, share = self.between(load)
        return self.values[first] * (1 - share) + self.values[second] * share

    @property
    def last(self) -> float:
        """The largest load that was measured."""
        return self.loads[-1]

    def place(self, load: float) -> str:
        """Where a load lies among those that were measured, in words."""
        if load > self.last:
            return f"beyond the {self.last:,.0f} that were measured, at what an event on a backlog costs"
        if load < self.loads[0]:
            return f"below the {self.loads[0]:,.0f} that were measured, as much as there"
        if load in self.loads:
            return "as was measured"
        return "on a straight line between the loads that were measured"

    def least(self, low: float, high: float) -> float:
        """The least value from one load to another: at one of them, or at one that was measured."""
        within = (value for load, value in zip(self.loads, self.values, strict=True) if low < load < high)
        return min(self.at(low), self.at(high), *within)

    def between(self, load: float) -> tuple[int, int, float]:
        """The points around a load, and how far it is from the first to the second: 0 to 1."""
        if load <= self.loads[0]:
            return 0, 0, 0.0
        last = len(self.loads) - 1
        first = min(bisect_right(self.loads, load) - 1, last)
        if first == last:
            return last, last, 0.0
        return first, first + 1, (load - self.loads[first]) / (self.loads[first + 1] - self.loads[first])


class Costs(NamedTuple):
    """What a worker, its broker and its events take, by load.

    `worker`, `broker`: cores of one partition, by its events a second. `fixed`: MiB of a worker by its partitions.
    `latency`: p99 in ms by a worker's events a second; None where it was not measured.
    """

    worker: Curve
    broker: Curve
    fixed: Curve
    latency: Curve | None

    @classmethod
    def of(cls, figures: Figures) -> Self:
        """From what was measured.

        Raises:
            NotMeasured: a figure is missing.
        """
        fixed = Curve.of((one.partitions, one.value) for one in figures.family("worker_fixed_mib"))
        more = (fixed.values[-1] - fixed.values[-2]) / (fixed.loads[-1] - fixed.loads[-2])
        p99 = [name for name in figures.by_name if name.startswith(f"{LATENCY}_")]
        return cls(
            _of_partition(figures.family("worker_cores"), figures.of("worker_us") / 1e6),
            _of_partition(figures.family("broker_cores"), figures.of("broker_us") / 1e6),
            Curve(fixed.loads, fixed.values, more),
            Curve.of((one.rate, one.value * _MS[one.unit]) for one in figures.family(LATENCY)) if p99 else None,
        )


def _of_partition(found: list[Measured], event_seconds: float) -> Curve:
    """An even part of what all partitions took, at an even part of their events."""
    points = [(one.rate / one.partitions, one.value / one.partitions) for one in found]
    return Curve.of(points, event_seconds).never_falling
