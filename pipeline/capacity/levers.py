"""Of a plan that is not possible: which option would make it so, and with which value. Pure.

Each value was tried: with it alone, the rest as given, the plan is feasible. What no one option mends is told with
those that must be changed together with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from pipeline.capacity.figures import Figures
from pipeline.capacity.load import Load
from pipeline.capacity.needs import Needs, needs

ROOMIER = 1.25  # times the memory that just does: usually far fewer workers
MEMORY_GIB_MAX = 100_000  # of the option
_T = TypeVar("_T", int, float)
HEADROOMS = tuple(n / 20 for n in range(18, -1, -1))


class Lever(NamedTuple):
    """An option, the value that would do, and what that means."""

    option: str
    value: float
    means: str


class Levers(NamedTuple):
    """Options that must be changed whatever else is; options of which, beside those, each alone does.

    `open`: the musts alone do not make the plan feasible.
    """

    musts: list[Lever]
    each: list[Lever]
    open: bool


def levers(load: Load, figures: Figures) -> Levers:
    """What makes a plan feasible that is not.

    Raises:
        NotMeasured: a figure is missing.
    """
    musts = [*_musts(load, needs(load, figures))]
    base = replace(load, **{_FIELDS[one.option]: one.value for one in musts})  # type: ignore[arg-type]
    if needs(base, figures).feasible:
        return Levers(musts, [], open=False)
    return Levers(musts, [*_each(base, figures)], open=True)


_FIELDS = {"--latency": "latency_ms", "--freshness": "freshness_s"}


def _musts(load: Load, found: Needs) -> Iterator[Lever]:
    costs, p99 = found.plan.costs, found.plan.fleet.latency(load, found.plan.costs)
    if load.latency_ms is not None and costs.latency is not None and p99 > load.latency_ms:
        others = len(found.limits) > 1
        worst = max(costs.latency.values) if others else p99
        yield Lever(
            "--latency", math.ceil(worst), "ms, the longest measured" if others else "ms, which this plan keeps"
        )
    if found.plan.sinks.freshness > load.freshness_s:
        yield Lever("--freshness", math.ceil(found.plan.sinks.freshness * 10) / 10, "s, which this plan keeps")


def _each(load: Load, figures: Figures) -> Iterator[Lever]:
    def does(**changed: float) -> bool:
        return needs(replace(load, **changed), figures).feasible  # type: ignore[arg-type]

    memory = math.ceil(needs(load, figures).plan.memory)
    for gib in (memory, math.ceil(ROOMIER * memory)):
        if load.worker_memory_gib < gib <= MEMORY_GIB_MAX and does(worker_memory_gib=gib):
            workers = needs(replace(load, worker_memory_gib=gib), figures).plan.fleet.run
            yield Lever("--worker-memory", gib, f"GiB, with {workers:,} workers")
    share = _first(_shares(load), lambda one: does(largest_account=one))
    if share is not None:
        yield Lever("--largest-account", share, "of all events: give the largest account several account ids")
    days = _first(range(load.remember_days - 1, 0, -1), lambda one: does(remember_days=one))
    if days is not None:
        yield Lever("--remember-days", days, "days: rules.unique_days, after which an open is a new one")
    free = _first([one for one in HEADROOMS if one < load.headroom], lambda one: does(headroom=one))
    if free is not None:
        yield Lever("--headroom", free, "of cores and disks that stays free")


def _shares(load: Load) -> list[float]:
    """Shares below that of the largest account, largest first, with one digit; never less than an even one."""
    found = [n / 10**digits for digits in range(1, 10) for n in range(9, 0, -1)]
    return [one for one in found if 1 / load.accounts <= one < load.largest]


def _first(tried: Sequence[_T], does: Callable[[_T], bool]) -> _T | None:
    """The first that does, where all behind it do as well."""
    low, high = 0, len(tried)
    while low < high:
        middle = (low + high) // 2
        if does(tried[middle]):
            high = middle
        else:
            low = middle + 1
    return tried[low] if low < len(tried) else None
