"""Usage, threshold and forecast alerts: section 7. Goes through the events in the order of arrival."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from tests.oracle.cycles import cycle_of
from tests.oracle.history import DAY, Event, stream_times, when
from tests.oracle.vocabulary import TYPES

_SECOND = 1_000_000

Cycle = tuple[str, int]  # (account, start)
Burnt = tuple[str, int, str, str, str]  # (account, cycle's start, campaign, channel, type)


class Usage(NamedTuple):
    """A cycle as the oracle leaves it; `allowance` is None without a plan, `forecast` where none was made."""

    end: int
    as_closed: int
    as_corrected: int
    allowance: int | None
    forecast: Forecast | None = None

    def met_at(self, at_the_end: int) -> int | None:
        """When a line from what was used at the forecast to the cycle's end meets the allowance, to the second."""
        made, granted = self.forecast, self.allowance
        if made is None or granted is None or self.as_corrected >= granted or not made.used < granted < at_the_end:
            return None
        risen = (granted - made.used) / (at_the_end - made.used)
        return made.made_at + int(risen * ((self.end - made.made_at) // _SECOND)) * _SECOND


class Alert(NamedTuple):
    """A threshold reached, or a forecast; `plan` is the tie-breaking number of the plan's event."""

    account_id: str
    cycle_start: int
    kind: str
    threshold: float
    used: int
    allowance: int
    occurred_at: int
    plan: int


class Forecast(NamedTuple):
    """What was said last of a cycle's end, at the beginning of a day of the stream."""

    made_at: int
    used: int
    low: int
    expected: int
    high: int
    confident: bool


@dataclass
class _Count:
    end: int
    as_closed: int = 0
    as_corrected: int = 0
    crossed: set[float] = field(default_factory=set)
    occurred: list[int] = field(default_factory=list)  # every activity's time
    will_run_out: bool = False
    forecast: Forecast | None = None


@dataclass
class Ledger:
    """What was counted so far, and the plans known so far."""

    counts: dict[Cycle, _Count] = field(default_factory=dict)
    plans: dict[str, list[Event]] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    burnt: Counter[Burnt] = field(default_factory=Counter)


def usage(events: list[Event], accepted: list[int]) -> tuple[dict[Cycle, Usage], Ledger]:
    """Usage of every cycle, and the alerts in the order of arrival; `accepted`: places in the history."""
    ledger, today = Ledger(), 0
    for n, (event, now) in enumerate(zip(events, stream_times(events), strict=True)):
        if now // DAY > today:
            today = now // DAY
            _foresee(ledger, today * DAY)
        if n not in accepted or event["is_test"]:
            continue
        if _is_activity(ledger, event):
            _count(ledger, event)
        if event["type"] == "account_plan_set":
            _set_plan(ledger, event)
    found = {}
    for cycle, count in ledger.counts.items():
        judging = judge(ledger.plans.get(cycle[0], []), count.end)
        allowance = judging["plan"]["allowance"] if judging else None
        found[cycle] = Usage(count.end, count.as_closed, count.as_corrected, allowance, count.forecast)
    return found, ledger


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
    count.occurred.append(event["occurred_at"])
    channel = TYPES[event["type"]].channel
    ledger.burnt[account, start, event.get("campaign_id") or "", channel, event["type"]] += 1
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
        now, former = judge(plans, count.end), before.get(cycle)
        if now is not None and (former is None or _terms(former) != _terms(now)):
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
            alert = Alert(*cycle, "threshold", threshold, count.as_corrected, allowance, occurred_at, plan["rank"])
            ledger.alerts.append(alert)


def _foresee(ledger: Ledger, as_of: int) -> None:
    """The forecasts at the beginning of a day of the stream, each against the plan that judges its cycle."""
    for cycle in sorted(ledger.counts):
        count = ledger.counts[cycle]
        plan = judge(ledger.plans.get(cycle[0], []), count.end)
        if plan is None or not cycle[1] <= as_of < count.end:
            continue
        at_the_end, confident = _used_at_the_end(ledger, cycle, as_of), _is_confident(count, cycle[1], as_of)
        count.forecast = _forecast(ledger, cycle, as_of, at_the_end)._replace(confident=confident)
        allowance = plan["plan"]["allowance"]
        if count.as_corrected >= allowance:
            continue  # nothing is left to be forecast
        was, count.will_run_out = count.will_run_out, confident and at_the_end > allowance
        if count.will_run_out and not was:
            ledger.alerts.append(
                Alert(*cycle, "forecast", 1.0, count.as_corrected, allowance, as_of, plan["rank"]),
            )


def _is_confident(count: _Count, start: int, as_of: int) -> bool:
    active = {at // DAY for at in count.occurred if at < as_of}
    return 10 * (as_of - start) >= count.end - start and len(active) >= 3


def _of_account(ledger: Ledger, account: str) -> list[int]:
    return [at for (owner, _), count in ledger.counts.items() if owner == account for at in count.occurred]


def _used_at_the_end(ledger: Ledger, cycle: Cycle, as_of: int) -> Fraction:
    (account, start), count = cycle, ledger.counts[cycle]
    last_seven = [at for at in _of_account(ledger, account) if as_of - 7 * DAY <= at < as_of]
    rates = [Fraction(len(last_seven), 7)]
    if as_of > start:
        rates.append(Fraction(count.as_corrected * DAY, as_of - start))
    return count.as_corrected + Fraction(count.end - as_of, DAY) * sum(rates) / len(rates)


def _forecast(ledger: Ledger, cycle: Cycle, as_of: int, at_the_end: Fraction) -> Forecast:
    """With the band of docs/forecast.md: 1.3 standard deviations below, 3 above, of days and of one 125 % off."""
    (account, start), count = cycle, ledger.counts[cycle]
    week, today = as_of // DAY - 7, as_of // DAY
    own, all_ = (Counter(at // DAY for at in occurred) for occurred in (count.occurred, _of_account(ledger, account)))
    daily = [own[day] for day in range(start // DAY, week)] + [all_[day] for day in range(week, today)]
    ahead, mean = Fraction(count.end - as_of, DAY), Fraction(sum(daily), len(daily))
    squares = [(n - mean) ** 2 for n in daily] + [(Fraction(5, 4) * mean) ** 2]
    variance = sum(squares) / len(daily) * (ahead + ahead**2 / len(daily))
    below, above = (_ceil_root(Fraction(tenths, 10) ** 2 * variance) for tenths in (13, 30))
    expected = math.floor(at_the_end + Fraction(1, 2))
    low = max(count.as_corrected, expected - below)
    return Forecast(as_of, count.as_corrected, low, expected, expected + above, confident=False)


def _ceil_root(square: Fraction) -> int:
    """By halving: the least whole number whose square is not less."""
    low, high = 0, 1
    while high * high < square:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if middle * middle >= square else (middle + 1, high)
    return low
