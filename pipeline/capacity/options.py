"""Which options can make a plan possible that is not, and the values to try of each. Pure.

Tried is what somebody can change: the machine (memory, headroom), what is promised (latency), rules of the settings
(days), how the load falls (accounts, the busiest minutes), and counts that were assumed as nobody gave them. Not tried:
the events, for they are what is asked; copies, retention and source days, which are disks alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.capacity.curves import Costs
from pipeline.capacity.figures import Figures
from pipeline.capacity.load import Load
from pipeline.capacity.plan import plan_of

ROOMIER = 1.25  # times the memory that just does: usually far fewer workers
MEMORY_GIB_MAX = 100_000  # of the option
ACCOUNTS_MAX = 1_000  # as many as there can be partitions, nearly: more spread nothing further
HEADROOMS = tuple(n / 20 for n in range(18, -1, -1))
_DIGITS_MAX = 12  # of a count


class Option(NamedTuple):
    """An option, the load's field, its values from near to far of what was given, and what a value means.

    There are no values where the option is at its bound, or where only its other direction helps.
    """

    name: str
    field: str
    values: Callable[[Load, Figures], Sequence[float]]
    means: str


def _memory(load: Load, figures: Figures) -> Sequence[float]:
    """From what the plan needs that comes nearest, in steps of a quarter, and at last all."""
    least = max(plan_of(load, figures).memory, math.nextafter(load.worker_memory_gib, math.inf))
    steps = int(max(0.0, math.log(MEMORY_GIB_MAX / least, ROOMIER))) if least < MEMORY_GIB_MAX else -1
    found = [math.ceil(least * ROOMIER**step) for step in range(steps + 1)]
    far = [MEMORY_GIB_MAX] if load.worker_memory_gib < MEMORY_GIB_MAX else []
    return sorted({one for one in found + far if one <= MEMORY_GIB_MAX})


def _shares(load: Load, figures: Figures) -> Sequence[float]:
    """Shares below that of the largest account, with one digit; at last an even one."""
    even = math.ceil(1e9 / load.accounts) / 1e9
    found = [n / 10**digits for digits in range(1, 10) for n in range(9, 0, -1)]
    return [*(one for one in found if even < one < load.largest), *([even] if even < load.largest else [])]


def _accounts(load: Load, figures: Figures) -> Sequence[float]:
    """More, with one digit."""
    found = [n * 10**digits for digits in range(3) for n in range(1, 10)]
    return [one for one in [*found, ACCOUNTS_MAX] if one > load.accounts]


def _remembered(load: Load, figures: Figures) -> Sequence[float]:
    """Fewer days, but more than the window has: the settings refuse others."""
    return range(load.remember_days - 1, load.window_days, -1)


def _window(load: Load, figures: Figures) -> Sequence[float]:
    """Fewer days, and fewer than unique opens are remembered."""
    return range(min(load.window_days, load.remember_days) - 1, 0, -1)


def _headrooms(load: Load, figures: Figures) -> Sequence[float]:
    return [one for one in HEADROOMS if one < load.headroom]


def _peaks(load: Load, figures: Figures) -> Sequence[float]:
    """Lower ones, with two digits, down to a day without a peak."""
    found = [n * 10.0**digits for digits in (2, 1, 0) for n in range(99, 9, -1)] + [n / 10 for n in range(99, 9, -1)]
    return [one for one in found if one < load.peak_factor]


def _latencies(load: Load, figures: Figures) -> Sequence[float]:
    """Every ms up to the longest that was measured."""
    curve = Costs.of(figures).latency
    if load.latency_ms is None or curve is None:
        return []
    return range(math.floor(load.latency_ms) + 1, math.ceil(max(curve.values)) + 1)


def _fewer(count: int) -> Sequence[float]:
    """Smaller counts, with one digit."""
    found = [n * 10**digits for digits in range(_DIGITS_MAX, -1, -1) for n in range(9, 0, -1)]
    return [one for one in found if one < count]


def _profiles(load: Load, figures: Figures) -> Sequence[float]:
    """Fewer than assumed; none where they were given: that many there are."""
    return [] if load.profiles else _fewer(load.people)


def _campaigns(load: Load, figures: Figures) -> Sequence[float]:
    """Fewer than assumed; none where they were given."""
    return [] if load.campaigns else _fewer(load.labels)


OPTIONS = (  # what planners turn first comes first: docs/capacity.md
    Option("--worker-memory", "worker_memory_gib", _memory, "GiB, with {workers:,} workers"),
    Option(
        "--largest-account", "largest_account", _shares,
        "of all events: give the largest account several account ids",
    ),
    Option("--accounts", "accounts", _accounts, "at least: the same events under more account ids"),
    Option(
        "--remember-days", "remember_days", _remembered, "days: rules.unique_days, after which an open is a new one"
    ),
    Option("--latency", "latency_ms", _latencies, "ms, which that plan keeps"),
    Option("--headroom", "headroom", _headrooms, "of cores and disks that stays free"),
    Option("--peak-factor", "peak_factor", _peaks, "times the day's mean: the busiest minutes spread over more"),
    Option("--window-days", "window_days", _window, "days: rules.window_days, after which an event is too late"),
    Option("--profiles", "profiles", _profiles, "if there are no more: as many as events a day were assumed"),
    Option("--campaigns", "campaigns", _campaigns, "if there are no more: one a day and account was assumed"),
)  # fmt: skip
