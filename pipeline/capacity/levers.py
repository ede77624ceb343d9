"""Of a plan that is not possible: which options would make it so, and with which values. Pure.

Each was tried: an option alone, the rest as given, or several together, and the plan is possible with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from pipeline.capacity.curves import Costs
from pipeline.capacity.figures import Figures
from pipeline.capacity.load import Load
from pipeline.capacity.options import MEMORY_GIB_MAX, OPTIONS, ROOMIER, Option
from pipeline.capacity.plan import plan_of, possible

PROBES = 4  # values of an option that are tried before the nearest one is looked for
HURT = ("--peak-factor", "--accounts")  # far from what was given these may break what they do not mend
MEMORY = OPTIONS[0]
LATENCY, FRESHNESS = "--latency", "--freshness"
_T = TypeVar("_T", int, float)


class Lever(NamedTuple):
    """An option, the value that would do, and what that means."""

    option: str
    value: float
    means: str


class Levers(NamedTuple):
    """Options that must be changed whatever else is; options of which, beside those, each alone does.

    `together`: where none alone does, several that do together, none of which is spare. `open`: the musts alone do
    not make the plan possible.
    """

    musts: list[Lever]
    each: list[Lever]
    together: list[Lever]
    open: bool


def levers(load: Load, figures: Figures) -> Levers:
    """What makes a plan possible that is not.

    Raises:
        NotMeasured: a figure is missing.
    """
    musts, base = _musts(load, figures)
    if musts and possible(base, figures):
        return Levers(musts, [], [], open=False)
    options = [one for one in OPTIONS if one.name not in {must.option for must in musts}]
    each = [*_each(base, figures, options)]
    together = [] if each else _together(base, figures, options)
    if len(together) == 1:  # alone after all, though none of its first values did
        return Levers(musts, together, [], open=True)
    return Levers(musts, each, together, open=True)


def _musts(load: Load, figures: Figures) -> tuple[list[Lever], Load]:
    """What no fleet keeps, whatever it carries, and the load with what was measured in its place."""
    found, base, costs = [], load, Costs.of(figures)
    if (p99 := figures.of("freshness_p99")) > load.freshness_s:
        base = replace(base, freshness_s=math.ceil(p99 * 10) / 10)
        found.append(Lever(FRESHNESS, base.freshness_s, "s, the shortest measured"))
    if load.latency_ms is not None and costs.latency is not None and load.latency_ms < min(costs.latency.values):
        base = replace(base, latency_ms=math.ceil(max(costs.latency.values)))
        told = "ms, the longest measured"
        if possible(base, figures):
            least = range(math.ceil(min(costs.latency.values)), math.ceil(max(costs.latency.values)) + 1)
            ms = _nearest(least, lambda one: possible(replace(base, latency_ms=one), figures))
            base, told = replace(base, latency_ms=ms), "ms, which that plan keeps"
        assert base.latency_ms is not None, "it is what was measured"
        found.insert(0, Lever(LATENCY, base.latency_ms, told))
    return found, base


def _each(base: Load, figures: Figures, options: Iterable[Option]) -> Iterator[Lever]:
    """The options of which each alone does; of the memory a roomier one too."""
    for option in options:
        value = _value(base, figures, option)
        if value is None:
            continue
        yield _lever(base, figures, option, value)
        roomier = math.ceil(ROOMIER * value)
        if option is MEMORY and roomier <= MEMORY_GIB_MAX and possible(_with(base, option, roomier), figures):
            yield _lever(base, figures, option, roomier)


def _together(base: Load, figures: Figures, options: list[Option]) -> list[Lever]:
    """Several that do together: all as far as they go, then without those that are spare, then as near as does."""
    for without in (None, *HURT):
        chosen = [one for one in options if one.name != without]
        if possible(_far(base, figures, chosen), figures):
            break
    else:
        return []
    for option in reversed(chosen):
        fewer = [one for one in chosen if one is not option]
        if possible(_far(base, figures, fewer), figures):
            chosen = fewer
    load, kept = _far(base, figures, chosen), list[Option]()
    for option in reversed(chosen):
        given = replace(load, **{option.field: getattr(base, option.field)})
        if possible(given, figures):  # spare beside the values that the others have now
            load = given
            continue
        value = _value(given, figures, option)
        load = load if value is None else _with(given, option, value)
        kept.insert(0, option)
    return [_lever(load, figures, one, getattr(load, one.field)) for one in kept]


def _far(base: Load, figures: Figures, chosen: Iterable[Option]) -> Load:
    """The load with each option as far as it goes: the accounts first, as the largest one's share goes by them."""
    for option in sorted(chosen, key=lambda one: one.field != "accounts"):
        if option is MEMORY:
            base = replace(base, worker_memory_gib=MEMORY_GIB_MAX)  # sooner than the least that is behind it
        elif values := option.values(base, figures):
            base = _with(base, option, values[-1])
    return base


def _value(load: Load, figures: Figures, option: Option) -> float | None:
    """The value of an option that does, the rest as it is: as near to the given one as was found."""
    return _nearest(option.values(load, figures), lambda one: possible(_with(load, option, one), figures))


def _with(load: Load, option: Option, value: float) -> Load:
    return replace(load, **{option.field: value})  # type: ignore[arg-type]


def _lever(load: Load, figures: Figures, option: Option, value: float) -> Lever:
    changed = plan_of(_with(load, option, value), figures)
    return Lever(option.name, value, option.means.format(workers=changed.fleet.run))


def _nearest(values: Sequence[_T], does: Callable[[_T], bool]) -> _T | None:
    """The first that does: of a few probes, the first; then as near as it does between that and the one before."""
    last = len(values) - 1
    low = 0
    for probe in sorted({last * n // PROBES for n in range(PROBES + 1)}) if values else []:
        if does(values[probe]):
            return values[_first(low, probe, lambda at: does(values[at]))]
        low = probe + 1
    return None


def _first(low: int, high: int, does: Callable[[int], bool]) -> int:
    """The least of low to high, of which high is known to do, where all behind it do as well."""
    while low < high:
        middle = (low + high) // 2
        if does(middle):
            high = middle
        else:
            low = middle + 1
    return high
