"""How accounts stand, for `tally top`: their cycles with what they burnt lately. Pure.

In:   rows of `statements.standing` and `statements.RECENT`.  Out: named tuples, and a bar for a ratio.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pipeline.allowance.rows import NO_PLAN, Cycle, Row, counting, cycles

WEEK_DAYS = 7
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Standing(NamedTuple):
    """An account's cycle under way; activities within the last 24 hours, and a day's mean over the last seven."""

    cycle: Cycle
    day: int
    week: float


class Table(NamedTuple):
    """The accounts that are shown, and how many there are in all."""

    standings: list[Standing]
    accounts: int


def left_behind(rows: Iterable[Row], now: int) -> list[str]:
    """Cycles under way that count no more, as `statements.standing` takes them; rows of `statements.OVERLAPPING`."""
    found = []
    for account, starts, anchor_day, zone in rows:
        kept = counting(starts, (int(anchor_day), zone) if zone else NO_PLAN, now)
        found += [f"{start} {account}" for start in starts if start != kept]
    return found


def recent(rows: Iterable[Row]) -> dict[str, tuple[int, int]]:
    """What accounts burnt: within 24 hours, within 7 days."""
    return {str(account): (int(day), int(week)) for account, day, week in rows}


def table(rows: list[Row], burnt: Mapping[str, tuple[int, int]]) -> Table:
    """Both answers together."""
    standings = []
    for cycle in cycles(rows):
        day, week = burnt.get(cycle.account_id, (0, 0))
        standings.append(Standing(cycle, day, week / WEEK_DAYS))
    return Table(standings, int(rows[0][-1]) if rows else 0)


def bar(ratio: float | None, width: int) -> str:
    """A bar of so many columns, full from a ratio of 1 on; dots where there is no ratio."""
    if ratio is None:
        return "·" * width
    eighths = min(max(int(ratio * width * 8), 0), width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)
