"""Which accounts Prometheus is shown, and how many of them stand where. Pure.

In:   accounts of partitions, an instant, a floor, a number.  Out: an immutable look.
An account qualifies when its cycle under way is at or above the floor, or forecast with confidence to run out. Of
those, the `rows_max` with the highest ratio are shown (of equal ones the first by id); how many were not is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from pipeline.core.accounts import Accounts, Cycles, judge
from pipeline.core.record import Plan
from pipeline.telemetry.numbers import Numbers, may_run_out, numbers, under_way


class Band(StrEnum):
    """Where an account stands in its cycle under way: its ratio, from the first bound up to below the second."""

    NO_PLAN = "no_plan"
    BELOW_HALF = "below_0.5"
    HALF = "0.5-0.8"
    EIGHT_TENTHS = "0.8-0.9"
    NINE_TENTHS = "0.9-1.0"
    EXHAUSTED = "exhausted"


class Choice(NamedTuple):
    """What is shown at most: accounts from this ratio on, and so many rows."""

    floor: Fraction
    rows_max: int


class Share(NamedTuple):
    """What a look shows of one partition: rows, and how many accounts qualified without one."""

    rows: tuple[Numbers, ...]
    dropped: int
    bands: Mapping[Band, int]


class Look(NamedTuple):
    """What there is to show, by partition; `made_at` in Unix seconds (0: never)."""

    made_at: float
    shares: Mapping[int, Share]


class Selection:
    """A look while it is made, account by account. Holds 2 x `rows_max` rows at most (one where that is 0)."""

    def __init__(self, now: int, choice: Choice) -> None:
        """`now` in UTC microseconds."""
        self.now, self._choice = now, choice
        self._share, self._of = choice.floor.numerator, choice.floor.denominator
        self._rows: list[tuple[float, str, int, Numbers]] = []
        self._qualified: Counter[int] = Counter()
        self._bands: dict[int, dict[Band, int]] = {}

    def begin(self, partition: int) -> None:
        """A partition is part of the look, whether it has accounts or not."""
        self._bands[partition] = dict.fromkeys(Band, 0)

    def take(self, partition: int, account: str, cycles: Cycles, plans: tuple[Plan, ...]) -> None:
        """An account of a partition that was begun."""
        cycle = under_way(cycles, plans, self.now)
        plan = judge(plans, cycle.end if cycle is not None else self.now + 1)
        if plan is None:
            self._bands[partition][Band.NO_PLAN] += cycle is not None
            return
        used, allowance = cycle.used if cycle is not None else 0, plan.allowance
        self._bands[partition][_band(used, allowance)] += 1
        if cycle is None or not (used * self._of >= self._share * allowance or may_run_out(cycle, allowance)):
            return
        self._qualified[partition] += 1
        self._rows.append((-used / allowance, account, partition, numbers(account, cycle, plan)))
        if len(self._rows) > 2 * self._choice.rows_max:
            self._cut()

    def look(self, made_at: float) -> Look:
        """What was selected."""
        self._cut()
        rows: dict[int, list[Numbers]] = {partition: [] for partition in self._bands}
        for _, _, partition, shown in self._rows:
            rows[partition].append(shown)
        return Look(
            made_at,
            {
                partition: Share(tuple(rows[partition]), self._qualified[partition] - len(rows[partition]), bands)
                for partition, bands in self._bands.items()
            },
        )

    def _cut(self) -> None:
        """Keep the highest ratios; an account is on one partition only, so no comparison goes beyond its id."""
        self._rows.sort()
        del self._rows[self._choice.rows_max :]


def select(partitions: Mapping[int, Accounts], now: int, choice: Choice, made_at: float = 0.0) -> Look:
    """The look at partitions in one go; `now` in UTC microseconds."""
    selection = Selection(now, choice)
    for partition, accounts in partitions.items():
        selection.begin(partition)
        for account in {**accounts.cycles, **accounts.plans}:
            selection.take(partition, account, accounts.cycles.get(account, {}), accounts.plans.get(account, ()))
    return selection.look(made_at)


def _band(used: int, allowance: int) -> Band:
    if used >= allowance:
        return Band.EXHAUSTED
    if used * 10 >= allowance * 9:
        return Band.NINE_TENTHS
    if used * 10 >= allowance * 8:
        return Band.EIGHT_TENTHS
    return Band.HALF if used * 2 >= allowance else Band.BELOW_HALF
