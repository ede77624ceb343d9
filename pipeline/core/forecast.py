"""Forecast: whether an account's allowance will run out before its cycle ends.

In:   a cycle's activities so far, by UTC day, as of the beginning of a day of the stream.  Out: yes or no.
Time: `as_of`, the instant that the forecast is made at.  Late: a late activity changes the next day's forecast.
Used at the end = used + remaining time x the mean of the cycle's daily average and that of the last seven days.
In whole numbers, so that every machine says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pipeline.core.window import DAY_US

RECENT_DAYS = 7  # SEMANTICS 7
ACTIVE_DAYS_MIN = 3  # with activities, before which a forecast deserves no confidence
ELAPSED_SHARE_MIN = 10  # the tenth of the cycle that must have passed before


class Pace(NamedTuple):
    """A cycle so far. `span`: its start, `as_of` and its end, UTC microseconds; `recent`: of the last seven days."""

    span: tuple[int, int, int]
    used: int
    recent: int
    days: Mapping[int, int]


def used_lately(cycles: Iterable[Mapping[int, int]], day: int) -> int:
    """Activities of an account on the seven UTC days before `day`, over its cycles."""
    return sum(days.get(day - back, 0) for days in cycles for back in range(1, RECENT_DAYS + 1))


def has_confidence(pace: Pace) -> bool:
    """Whether enough of the cycle has passed, with enough active days."""
    start, as_of, end = pace.span
    active = sum(1 for day, n in pace.days.items() if n and day * DAY_US < as_of)
    return (as_of - start) * ELAPSED_SHARE_MIN >= end - start and active >= ACTIVE_DAYS_MIN


def will_run_out(pace: Pace, allowance: int) -> bool:
    """Whether, with confidence, the forecast line meets the allowance before the cycle's end."""
    start, as_of, end = pace.span
    elapsed, remaining = as_of - start, end - as_of
    if not has_confidence(pace):
        return False
    week = RECENT_DAYS * DAY_US
    # used + remaining x (used / elapsed + recent / week) / 2 > allowance, times 2 x elapsed x week
    to_come = remaining * (pace.used * week + pace.recent * elapsed)
    return to_come > 2 * elapsed * week * (allowance - pace.used)
