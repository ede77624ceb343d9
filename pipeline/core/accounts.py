"""Accounts: their cycles so far and their plans.

In:   what journal records say of cycles and plans.  Out: the plan that judges a cycle.
Time: cycles that ended long before the stream's day are forgotten.  Late: a late plan stands where it is dated.
A cycle is judged by the latest plan dated before its end. A plan that says the same as the one before it is that plan.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from pipeline.core.forecast import Forecast
from pipeline.core.record import Allowance, Plan

PLANS_MAX = 1000  # of an account: an hourly repetition over the longest cycle and window; an insertion costs 10 us then


class Cycle(NamedTuple):
    """What is known of an account's cycle."""

    end: int
    used: int
    used_as_closed: int
    crossed: frozenset[float]
    forecast: bool = False  # whether it was last forecast to run out
    days: Mapping[int, int] = MappingProxyType({})  # activities by UTC day since 1970
    foreseen: Forecast | None = None  # the last one


Cycles = dict[int, Cycle]  # by start


@dataclass(slots=True)
class Accounts:
    """Cycles and plans by account; plans ascending by (occurred_at, identity)."""

    cycles: dict[str, Cycles] = field(default_factory=dict)
    plans: dict[str, tuple[Plan, ...]] = field(default_factory=dict)

    def apply(self, allowance: list[Allowance], plans: list[Plan], forecasts: list[Forecast]) -> None:
        """What a journal record says."""
        for a in allowance:
            cycles = self.cycles.setdefault(a.account_id, {})
            was = cycles.get(a.cycle_start)
            days = {**(was.days if was else {}), **dict(zip(a.days, a.days_used, strict=True))}
            numbers = (a.cycle_end, a.used, a.used_as_closed, frozenset(a.crossed), a.forecast)
            cycles[a.cycle_start] = Cycle(*numbers, days, was.foreseen if was else None)
        for f in forecasts:
            cycles = self.cycles[f.account_id]
            cycles[f.cycle_start] = cycles[f.cycle_start]._replace(foreseen=f)
        for plan in plans:
            self.plans[plan.account_id] = with_plan(self.plans.get(plan.account_id, ()), plan)

    def forget(self, limit: int) -> None:
        """Cycles that ended before `limit` can change no more, nor plans that judge only such cycles."""
        for account in list(self.cycles):
            kept = {start: cycle for start, cycle in self.cycles[account].items() if cycle.end >= limit}
            if kept:
                self.cycles[account] = kept
            else:
                del self.cycles[account]
        for account, plans in self.plans.items():
            old = [plan for plan in plans if plan.occurred_at < limit]
            needed_still = {judge(plans, limit), *old[-1:]}
            self.plans[account] = tuple(plan for plan in plans if plan in needed_still or plan.occurred_at >= limit)


def with_plan(plans: tuple[Plan, ...], plan: Plan) -> tuple[Plan, ...]:
    """The plans with one more, in order; of more than PLANS_MAX the second is forgotten, not the first of all."""
    at = bisect.bisect(plans, _when(plan), key=_when)
    more = (*plans[:at], plan, *plans[at:])
    return more if len(more) <= PLANS_MAX else (more[0], *more[2:])


def judge(plans: tuple[Plan, ...], cycle_end: int) -> Plan | None:
    """The plan that judges a cycle: the latest dated before its end, as it was first said."""
    at = bisect.bisect_left(plans, cycle_end, key=lambda plan: plan.occurred_at) - 1
    while at > 0 and says_the_same(plans[at - 1], plans[at]):
        at -= 1
    return plans[at] if at >= 0 else None


@functools.lru_cache(16_384)
def needed(threshold: float, allowance: int) -> int:
    """The least number of activities that reaches a threshold, exactly: 0.8 means eight tenths."""
    return math.ceil(Fraction(str(threshold)) * allowance)


def says_the_same(one: Plan, other: Plan) -> bool:
    """Whether two plans measure a cycle alike: what either has alerted, the other does not alert again."""
    return one.allowance == other.allowance and one.thresholds == other.thresholds


def _when(plan: Plan) -> tuple[int, int]:
    return plan.occurred_at, plan.identity
