"""Forecast: what an account will have used at its cycle's end, and whether its allowance runs out before.

In:   a cycle's activities so far and the account's by UTC day, as of the beginning of a day of the stream.
Out:  activities at the cycle's end, with the bounds of a band that holds 80 of 100 outcomes; yes or no.
Time: `as_of`, the instant that the forecast is made at.  Late: a late activity changes the next day's forecast.
Expected = used + remaining time x the mean of the cycle's daily average and that of the last seven days, in whole
numbers. The band comes from how the same days differ from each other, and from how fast accounts grow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pipeline.core.window import DAY_US

RECENT_DAYS = 7  # SEMANTICS 7
ACTIVE_DAYS_MIN = 3  # with activities, before which a forecast deserves no confidence
ELAPSED_SHARE_MIN = 10  # the tenth of the cycle that must have passed before
BAND = (128, 100)  # standard deviations to each side, as a fraction: the normal distribution's 80 %
GROWTH = (12, 1000)  # standard deviation of a day's growth among accounts: fitted by the back-test, docs/forecast.md


class Pace(NamedTuple):
    """A cycle so far. `span`: its start, `as_of` and its end, UTC microseconds; `used`: activities; `days`: by UTC day.

    `daily`: activities of each UTC day before `as_of`, in order, as `used_by_day` says.
    """

    span: tuple[int, int, int]
    used: int
    days: Mapping[int, int]
    daily: Sequence[int]


class Forecast(NamedTuple):
    """A cycle's use at its end, as foreseen at the beginning of a day of the stream; `used`: what it was then.

    `low` to `high` is the band that holds the outcome in 80 of 100 cases (docs/forecast.md).
    """

    account_id: str
    cycle_start: int
    made_at: int
    used: int
    low: int
    expected: int
    high: int
    confident: bool


class Foreseen(NamedTuple):
    """Activities at the cycle's end, and whether that deserves confidence."""

    low: int
    expected: int
    high: int
    confident: bool


def used_by_day(own: Mapping[int, int], cycles: Iterable[Mapping[int, int]], start: int, day: int) -> list[int]:
    """Activities by UTC day before `day`: on the last seven the account's, over its cycles; before, the cycle's own.

    A cycle that ended earlier, and overlaps this one by another anchor, is forgotten already.
    """
    week = day - RECENT_DAYS
    recent = [0] * RECENT_DAYS
    for days in cycles:
        for on, used in days.items():
            if week <= on < day:
                recent[on - week] += used
    return [own.get(on, 0) for on in range(start // DAY_US, week)] + recent


def foresee(pace: Pace) -> Foreseen:
    """What will have been used at the cycle's end."""
    to_come, per = _to_come(pace)
    expected = pace.used + (2 * to_come + per) // (2 * per)  # rounded to the nearest
    width = _half_width(pace)
    return Foreseen(max(pace.used, expected - width), expected, expected + width, has_confidence(pace))


def has_confidence(pace: Pace) -> bool:
    """Whether enough of the cycle has passed, with enough active days."""
    start, as_of, end = pace.span
    active = sum(1 for day, n in pace.days.items() if n and day * DAY_US < as_of)
    return (as_of - start) * ELAPSED_SHARE_MIN >= end - start and active >= ACTIVE_DAYS_MIN


def will_run_out(pace: Pace, allowance: int) -> bool:
    """Whether, with confidence, the forecast line meets the allowance before the cycle's end."""
    to_come, per = _to_come(pace)
    return has_confidence(pace) and to_come > per * (allowance - pace.used)


def _to_come(pace: Pace) -> tuple[int, int]:
    """Activities to come until the cycle's end, as a fraction of whole numbers: remaining time x the mean rate."""
    start, as_of, end = pace.span
    elapsed, remaining, week = as_of - start, end - as_of, RECENT_DAYS * DAY_US
    recent = sum(pace.daily[-RECENT_DAYS:])
    if not elapsed:
        return remaining * recent, week
    # remaining x (used / elapsed + recent / week) / 2
    return remaining * (pace.used * week + recent * elapsed), 2 * elapsed * week


def _half_width(pace: Pace) -> int:
    """BAND standard deviations of what is to come, rounded up: days differ, few of them are known, accounts grow.

    variance of a day x (remaining + remaining^2 / days known) + (GROWTH x to come x the cycle's days / 2)^2
    """
    start, as_of, end = pace.span
    n, remaining, total = len(pace.daily), end - as_of, sum(pace.daily)
    of_days = (n * sum(used * used for used in pace.daily) - total * total) * remaining * (n * DAY_US + remaining)
    per_days = n * n * (n - 1) * DAY_US * DAY_US
    to_come, per = _to_come(pace)
    of_growth, per_growth = (GROWTH[0] * to_come * (end - start)) ** 2, (GROWTH[1] * per * 2 * DAY_US) ** 2
    squared = BAND[0] ** 2 * (of_days * per_growth + of_growth * per_days)
    return _root(-(-squared // (BAND[1] ** 2 * per_days * per_growth)))


def _root(square: int) -> int:
    """The least whole number whose square is at least that."""
    return math.isqrt(square - 1) + 1 if square else 0
