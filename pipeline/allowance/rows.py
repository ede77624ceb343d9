"""ClickHouse's answers as plain values: plans as the core has them, cycles, alerts, burn. Pure.

In:   rows of `statements`.  Out: named tuples; instants are Unix seconds, None where there is none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from pipeline import rfc3339
from pipeline.core.cycles import cycle_of
from pipeline.core.record import Plan

SECOND_US = 1_000_000
NO_PLAN = (1, "UTC")  # anchor day and zone of an account without a plan

Row = Sequence[Any]


class Cycle(NamedTuple):
    """A row of `allowance_cycles`."""

    account_id: str
    start: int
    end: int
    allowance: int | None
    used_as_closed: int
    used: int
    remaining: int | None
    ratio: float | None
    forecast_at: int | None
    forecast: int | None
    forecast_low: int | None
    forecast_high: int | None
    forecast_ratio: float | None
    low_confidence: bool | None
    exhausted_at: int | None
    exhausted_earliest: int | None
    exhausted_latest: int | None


class Alert(NamedTuple):
    """A row of `allowance_alerts`; `occurred_at` in microseconds."""

    cycle_start: int
    kind: str
    threshold: float
    used: int
    allowance: int
    occurred_at: int


class Burnt(NamedTuple):
    """What a campaign, channel and type used of a cycle."""

    campaign_id: str
    channel: str
    type: str
    used: int


def plans(rows: Iterable[Row]) -> tuple[Plan, ...]:
    """An account's plans, in the order in which the later one holds."""
    found = [plan(row) for row in rows]
    return tuple(sorted(found, key=lambda one: (one.occurred_at, one.identity)))


def plan(row: Row) -> Plan:
    """A row of `allowance_plans`; `activities` is None where the plan names no set of its own."""
    account, allowance, anchor_day, zone, thresholds, activities, own, set_us, identity = row[:9]
    types = tuple(activities) if own else None
    return Plan(account, int(allowance), int(anchor_day), zone, tuple(thresholds), types, int(set_us), int(identity))


def cycles(rows: Iterable[Row]) -> list[Cycle]:
    """Rows of `allowance_cycles`, in their order."""
    return [Cycle(*row[: len(Cycle._fields)]) for row in rows]


def alerts(rows: Iterable[Row]) -> list[Alert]:
    """Rows of `allowance_alerts`, in their order."""
    return [Alert(*row) for row in rows]


def burn(rows: Iterable[Row]) -> list[Burnt]:
    """Rows of `allowance_burn`, in their order."""
    return [Burnt(*row) for row in rows]


def under_way(found: Sequence[Cycle], plans: Sequence[Plan], now: int) -> Cycle | None:
    """The cycle that an activity of an instant goes to; None where it has none yet."""
    holds = {cycle.start: cycle for cycle in found if cycle.start <= now < cycle.end}
    anchor = (plans[-1].anchor_day, plans[-1].time_zone) if plans else NO_PLAN
    start = counting(holds, anchor, now)
    return holds[start] if start is not None else None


def counting(starts: Collection[int], anchor: tuple[int, str], now: int) -> int | None:
    """Which of the cycles under way counts: a plan that moved the boundaries leaves one behind that counts no more.

    Where the one of the anchor has nothing yet, not even a plan, it is the one that began last.
    """
    start = cycle_of(*anchor, now * SECOND_US)[0] // SECOND_US
    return start if start in starts else max(starts, default=None)


def moment(seconds: int | None) -> str | None:
    """An instant in words: RFC 3339, UTC."""
    return None if seconds is None else rfc3339.text(seconds * SECOND_US)


def minute(seconds: int | None) -> str:
    """An instant in a table: to the minute, UTC; empty where there is none."""
    return f"{(moment(seconds) or '')[:16]}Z" if seconds is not None else ""


def percent(ratio: float | None) -> str:
    """A ratio in words; empty where there is none."""
    return "" if ratio is None else f"{ratio * 100:,.1f} %"
