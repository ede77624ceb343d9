"""ClickHouse's answers as plain values: plans as the core has them, cycles, alerts, burn. Pure.

In:   rows of `statements`.  Out: named tuples; instants are Unix seconds, None where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pipeline import rfc3339
from pipeline.core.record import Plan

SECOND_US = 1_000_000

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


def under_way(found: Sequence[Cycle], now: int) -> Cycle | None:
    """The cycle that contains an instant; where a plan moved the boundaries and two do, the later one."""
    holds = [cycle for cycle in found if cycle.start <= now < cycle.end]
    return max(holds, key=lambda cycle: cycle.start) if holds else None


def moment(seconds: int | None) -> str | None:
    """An instant in words: RFC 3339, UTC."""
    return None if seconds is None else rfc3339.text(seconds * SECOND_US)


def percent(ratio: float | None) -> str:
    """A ratio in words; empty where there is none."""
    return "" if ratio is None else f"{ratio * 100:,.1f} %"
