"""Usage and threshold alerts: section 7. Goes through the accepted events in the order of arrival."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from tests.oracle.cycles import cycle_of
from tests.oracle.history import Event, when
from tests.oracle.vocabulary import TYPES

Cycle = tuple[str, int]  # (account, start)


class Usage(NamedTuple):
    """A cycle as the oracle leaves it; `allowance` is None without a plan."""

    end: int
    as_closed: int
    as_corrected: int
    allowance: int | None


class Alert(NamedTuple):
    """A threshold reached; `plan` is the tie-breaking number of the plan's event."""

    account_id: str
    cycle_start: int
    threshold: float
    used: int
    allowance: int
    occurred_at: int
    plan: int


@dataclass
class _Count:
    end: int
    as_closed: int = 0
    as_corrected: int = 0
    crossed: set[float] = field(default_factory=set)


@dataclass
class Ledger:
    """What was counted so far, and the plans known so far."""

    counts: dict[Cycle, _Count] = field(default_factory=dict)
    plans: dict[str, list[Event]] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)


def usage(accepted: list[Event]) -> tuple[dict[Cycle, Usage], list[Alert]]:
    """Usage of every cycle, and every alert in the order of arrival; `accepted` in the order of arrival."""
    ledger = Ledger()
    for event in accepted:
        if event["is_test"]:
            continue
        if _is_activity(ledger, event):
            _count(ledger, event)
        if event["type"] == "account_plan_set":
            _set_plan(ledger, event)
    found = {}
    for cycle, count in ledger.counts.items():
        judging = judge(ledger.plans.get(cycle[0], []), count.end)
        allowance = judging["plan"]["allowance"] if judging else None
        found[cycle] = Usage(count.end, count.as_closed, count.as_corrected, allowance)
    return found, ledger.alerts


def judge(plans: list[Event], cycle_end: int) -> Event | None:
    """The latest plan dated before the cycle's end; one that says the same as the one before it is that one."""
    said: list[Event] = []
    for plan in sorted(plans, key=when):
        if plan["occurred_at"] < cycle_end and (not said or _terms(said[-1]) != _terms(plan)):
            said.append(plan)
    return said[-1] if said else None


def needed(threshold: float, allowance: int) -> int:
    """The least number of activities with used >= threshold x allowance; 0.8 means eight tenths."""
    return math.ceil(Fraction(repr(threshold)) * allowance)


def _terms(plan: Event) -> tuple[int, set[float]]:
    return plan["plan"]["allowance"], set(plan["plan"]["thresholds"])


def _is_activity(ledger: Ledger, event: Event) -> bool:
    plans = ledger.plans.get(event["account_id"])
    own = max(plans, key=when)["plan"]["activities"] if plans else None
    return TYPES[event["type"]].is_activity if own is None else event["type"] in own


def _cycle(ledger: Ledger, event: Event) -> tuple[int, int]:
    plans = ledger.plans.get(event["account_id"])
    plan = max(plans, key=when)["plan"] if plans else {"anchor_day": 1, "time_zone": "UTC"}
    return cycle_of(plan["anchor_day"], plan["time_zone"], event["occurred_at"])


def _count(ledger: Ledger, event: Event) -> None:
    account = event["account_id"]
    start, end = _cycle(ledger, event)
    count = _cycle_until(ledger, (account, start), end)
    count.as_corrected += 1
    count.as_closed += event["arrived_at"] < end
    plan = judge(ledger.plans.get(account, []), count.end)
    if plan:
        _alert(ledger, (account, start), plan, event["occurred_at"])


def _set_plan(ledger: Ledger, event: Event) -> None:
    account = event["account_id"]
    plans = ledger.plans.setdefault(account, [])
    before = {cycle: judge(plans, count.end) for cycle, count in ledger.counts.items() if cycle[0] == account}
    plans.append(event)
    start, end = cycle_of(event["plan"]["anchor_day"], event["plan"]["time_zone"], event["occurred_at"])
    _cycle_until(ledger, (account, start), end)
    for cycle in sorted(cycle for cycle in ledger.counts if cycle[0] == account):
        count = ledger.counts[cycle]
        now = judge(plans, count.end)
        if now is not None and now is not before.get(cycle):
            count.crossed.clear()
            _alert(ledger, cycle, now, event["occurred_at"])


def _cycle_until(ledger: Ledger, cycle: Cycle, end: int) -> _Count:
    """A cycle is known by its start; where plans disagree on its end, the later one holds."""
    count = ledger.counts.setdefault(cycle, _Count(end))
    count.end = max(count.end, end)
    return count


def _alert(ledger: Ledger, cycle: Cycle, plan: Event, occurred_at: int) -> None:
    count = ledger.counts[cycle]
    allowance = plan["plan"]["allowance"]
    for threshold in sorted(set(plan["plan"]["thresholds"]) - count.crossed):
        if count.as_corrected >= needed(threshold, allowance):
            count.crossed.add(threshold)
            alert = Alert(*cycle, threshold, count.as_corrected, allowance, occurred_at, plan["rank"])
            ledger.alerts.append(alert)
