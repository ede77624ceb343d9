"""Activities against the accounts' monthly allowances: cycles in absolute numbers, plans, threshold alerts.

In:   accepted, non-test events in stream order, plan events among them.
Out:  the cycle of every activity; cycles, plans, alerts and forecast alerts that follow.
Time: occurred_at decides the cycle, arrived_at whether it came before the cycle's close.
Late: a late activity corrects its own, closed cycle; "as closed" stays as it was.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.accounts import Accounts, Cycle, Cycles, judge, needed, says_the_same, with_plan
from pipeline.core.cycles import cycle_of, cycle_starts, month_of
from pipeline.core.forecast import Forecast, Pace, foresee, used_by_day, will_run_out
from pipeline.core.hashing import Codes, Ints, Mask
from pipeline.core.record import Alert, Allowance, Plan
from pipeline.core.window import DAY_US

_DENSE_MAX = 1 << 16  # days of all cycles met; above it a sort is cheaper than a count of each
_NO_PLAN = (1, "UTC")  # anchor day and zone of an account without a plan


class Activities(NamedTuple):
    """Rows of a batch, in stream order: `rows` index the other columns, `seq` is a row's place in the stream."""

    rows: Ints
    seq: Ints
    account: Codes
    occurred_at: Ints
    arrived_at: Ints
    types: Codes


class Book:
    """One batch's changes to the accounts, on top of them as they are."""

    def __init__(self, accounts: Accounts, counts: Callable[[str], bool]) -> None:
        """`counts` says whether a canonical type is an activity where no plan names a set."""
        self._accounts, self._counts = accounts, counts
        self._cycles: dict[str, Cycles] = {}  # of accounts touched: all their cycles
        self._plans: dict[str, tuple[Plan, ...]] = {}  # of accounts with a new plan
        self._changed: dict[tuple[str, int], None] = {}
        self._new_plans: list[Plan] = []
        self._forecasts: list[Forecast] = []
        self._alerts: list[tuple[int, Alert]] = []

    def plans(self, account: str) -> tuple[Plan, ...]:
        """The account's plans, those of this batch so far included."""
        return self._plans.get(account) or self._accounts.plans.get(account, ())

    def is_activity(self, a: Activities) -> Mask:
        """Which rows use up the allowance, by the default set or the account's own."""
        mask = a.types.mask(self._counts(t) for t in a.types.values)[a.rows]
        if not any(plans[-1].activities is not None for plans in map(self.plans, a.account.values) if plans):
            return mask
        for code in _distinct(a.account.code[a.rows]):
            plans = self.plans(a.account.values[code])
            if plans and plans[-1].activities is not None:
                own = a.types.mask(t in plans[-1].activities for t in a.types.values)
                mask = np.where(a.account.code[a.rows] == code, own[a.rows], mask)
        return mask

    def count_with_plans(self, a: Activities, plans: Sequence[tuple[int, Plan]]) -> tuple[Ints, Ints]:
        """Rows counted, and the start of each one's cycle. `plans`: this batch's, each with its place in the stream.

        Accounts with a plan in the batch are counted up to it, its own event included, then after it; all others in one
        go.
        """
        if not plans:
            return self._count_activities(a)
        planned = np.isin(a.account.code[a.rows], [a.account.values.index(p.account_id) for _, p in plans])
        counted = [self._count_activities(a._replace(rows=a.rows[~planned]))]
        rows = a.rows[planned]
        for seq, plan in plans:
            at = int(np.searchsorted(a.seq[rows], seq, "right"))
            counted.append(self._count_activities(a._replace(rows=rows[:at])))
            self.set_plan(seq, plan)
            rows = rows[at:]
        counted.append(self._count_activities(a._replace(rows=rows)))
        return np.concatenate([r for r, _ in counted]), np.concatenate([c for _, c in counted])

    def _count_activities(self, a: Activities) -> tuple[Ints, Ints]:
        active = a._replace(rows=a.rows[self.is_activity(a)])
        return active.rows, self.count(active)

    def count(self, a: Activities) -> Ints:
        """Add activities (`a.rows` are nothing else); returns the start of each one's cycle."""
        if not len(a.rows):
            return np.zeros(0, np.int64)
        code, occurred_at = a.account.code[a.rows].astype(np.int64), a.occurred_at[a.rows]
        months = month_of(int(occurred_at.min())), month_of(int(occurred_at.max()))
        present = _distinct(code)
        starts = [cycle_starts(*self._anchor(a.account.values[c]), *months) for c in present]
        owner = np.repeat(np.array(present, np.int64), [len(s) for s in starts])
        start = np.concatenate(starts)
        origin, span = int(start.min()), int(start.max() - start.min()) + 1
        group = np.searchsorted(owner * span + start - origin, code * span + occurred_at - origin, "right") - 1
        end = start[np.minimum(group + 1, len(start) - 1)]
        added = np.bincount(group, minlength=len(start))
        in_time = np.bincount(group[a.arrived_at[a.rows] < end], minlength=len(start))
        by_day = _by_day(group, occurred_at)
        for g in np.flatnonzero(added).tolist():
            account = a.account.values[int(owner[g])]
            before = self._add(account, (int(start[g]), int(start[g + 1])), int(in_time[g]), by_day[g])
            self._cross(account, int(start[g]), before, functools.partial(_place, a, group, g))
        return start[group]

    def set_plan(self, seq: int, plan: Plan) -> None:
        """A plan judges at once the cycles that it meets; what it says differently is armed and alerts anew."""
        account = plan.account_id
        cycles = self._of(account)
        was = {start: judge(self.plans(account), cycle.end) for start, cycle in cycles.items()}
        self._plans[account] = with_plan(self.plans(account), plan)
        self._new_plans.append(plan)
        start, end = cycle_of(plan.anchor_day, plan.time_zone, plan.occurred_at)
        cycles[start] = self._until(account, start, end)
        for start, cycle in sorted(cycles.items()):
            now, before = judge(self.plans(account), cycle.end), was.get(start)
            if now is None or (before is not None and says_the_same(before, now)):
                continue
            reached = frozenset(t for t in now.thresholds if cycle.used >= needed(t, now.allowance))
            cycles[start] = cycle._replace(crossed=reached)
            self._changed[account, start] = None
            for t in sorted(reached):
                alert = Alert(account, start, "threshold", t, cycle.used, now.allowance, plan.occurred_at, now.identity)
                self._alerts.append((seq, alert))

    def foresee(self, day: int) -> None:
        """Forecasts as of the beginning of a UTC day since 1970: before anything that arrives on it is counted."""
        as_of = day * DAY_US
        for account, plans in sorted(self._accounts.plans.items()):
            cycles = self._accounts.cycles.get(account, {})
            for start, cycle in sorted(cycles.items()):
                plan = judge(plans, cycle.end)
                if plan is None or not start <= as_of < cycle.end:
                    continue
                daily = used_by_day(cycle.days, (other.days for other in cycles.values()), start, day)
                pace = Pace((start, as_of, cycle.end), cycle.used, cycle.days, daily)
                self._forecasts.append(Forecast(account, start, as_of, cycle.used, *foresee(pace)))
                if cycle.used < plan.allowance:
                    self._expect(account, start, will_run_out(pace, plan.allowance), plan)

    def _expect(self, account: str, start: int, runs_out: bool, plan: Plan) -> None:
        """One alert when a cycle is first forecast to run out; another only after that was withdrawn."""
        cycle = self._of(account)[start]
        if runs_out == cycle.forecast:
            return
        self._of(account)[start] = cycle._replace(forecast=runs_out)
        self._changed[account, start] = None
        if runs_out:
            made_at = self._forecasts[-1].made_at
            alert = Alert(account, start, "forecast", 1.0, cycle.used, plan.allowance, made_at, plan.identity)
            self._alerts.append((-1, alert))

    def allowance(self) -> list[Allowance]:
        """The cycles that changed, in absolute numbers."""
        return list(self._absolute())

    def new_plans(self) -> list[Plan]:
        """The plans of this batch."""
        return self._new_plans

    def forecasts(self) -> list[Forecast]:
        """The forecasts made, by account and cycle."""
        return self._forecasts

    def alerts(self) -> list[Alert]:
        """The alerts, in stream order."""
        return [alert for _, alert in sorted(self._alerts, key=lambda x: x[0])]

    def _absolute(self) -> Iterator[Allowance]:
        for account, start in self._changed:
            cycle = self._cycles[account][start]
            was = self._accounts.cycles.get(account, {}).get(start)
            changed = sorted(cycle.days.items() - (was.days.items() if was else set()))
            plan = judge(self.plans(account), cycle.end)
            yield Allowance(
                account_id=account,
                cycle_start=start,
                cycle_end=cycle.end,
                used=cycle.used,
                used_as_closed=cycle.used_as_closed,
                allowance=plan.allowance if plan else None,
                crossed=tuple(sorted(cycle.crossed)),
                forecast=cycle.forecast,
                days=tuple(day for day, _ in changed),
                days_used=tuple(used for _, used in changed),
            )

    def _anchor(self, account: str) -> tuple[int, str]:
        plans = self.plans(account)
        return (plans[-1].anchor_day, plans[-1].time_zone) if plans else _NO_PLAN

    def _of(self, account: str) -> Cycles:
        if account not in self._cycles:
            self._cycles[account] = dict(self._accounts.cycles.get(account, {}))
        return self._cycles[account]

    def _add(self, account: str, span: tuple[int, int], in_time: int, by_day: Mapping[int, int]) -> int:
        """Returns how many the cycle had before."""
        start, end = span
        cycles = self._of(account)
        was = cycles.get(start) or Cycle(end, 0, 0, frozenset())
        days = dict(was.days)
        for day, n in by_day.items():
            days[day] = days.get(day, 0) + n
        used = (was.used + sum(by_day.values()), was.used_as_closed + in_time)
        cycles[start] = Cycle(max(was.end, end), *used, was.crossed, was.forecast, days, was.foreseen)
        self._changed[account, start] = None
        return was.used

    def _until(self, account: str, start: int, end: int) -> Cycle:
        """The cycle of a start. Where another anchor or zone lets it end later, it does: it is forgotten by its end."""
        was = self._of(account).get(start) or Cycle(end, 0, 0, frozenset())
        if was.end < end:
            self._changed[account, start] = None
        return was._replace(end=max(was.end, end))

    def _cross(self, account: str, start: int, before: int, place_of: Callable[[int], tuple[int, int]]) -> None:
        """Alerts of a cycle that had `before` activities; `row_of(n)` gives row and time of the batch's n-th."""
        cycle = self._cycles[account][start]
        plan = judge(self.plans(account), cycle.end)
        if plan is None:
            return
        for t in plan.thresholds:
            need = needed(t, plan.allowance)
            if t in cycle.crossed or cycle.used < need:
                continue
            seq, occurred_at = place_of(need - before)
            cycle = cycle._replace(crossed=cycle.crossed | {t})
            alert = Alert(account, start, "threshold", t, need, plan.allowance, occurred_at, plan.identity)
            self._alerts.append((seq, alert))
        self._cycles[account][start] = cycle


def _place(a: Activities, group: Ints, mine: int, n: int) -> tuple[int, int]:
    """Place in the stream and time of the n-th activity of a group; `group` is that of each of `a.rows`."""
    row = int(a.rows[np.flatnonzero(group == mine)[n - 1]])
    return int(a.seq[row]), int(a.occurred_at[row])


def _distinct(code: npt.NDArray[Any]) -> list[int]:
    """The codes that there are, ascending."""
    found: list[int] = np.flatnonzero(np.bincount(code)).tolist()
    return found


def _by_day(group: Ints, occurred_at: Ints) -> dict[int, dict[int, int]]:
    """How many of each group occurred on each UTC day."""
    day = occurred_at // DAY_US
    first, span = int(day.min()), int(day.max() - day.min()) + 1
    place = group * span + day - first
    if place.max() < _DENSE_MAX:
        each = np.bincount(place)
        keys = np.flatnonzero(each)
        counts = each[keys]
    else:
        keys, counts = np.unique(place, return_counts=True)
    found: dict[int, dict[int, int]] = {}
    for key, n in zip(keys.tolist(), counts.tolist(), strict=True):
        found.setdefault(key // span, {})[key % span + first] = n
    return found
