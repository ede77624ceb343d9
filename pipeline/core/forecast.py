"""Forecast: what an account will have used at its cycle's end, and whether its allowance runs out before.

In:   a cycle's activities so far and the account's by UTC day, as of the beginning of a day of the stream.
Out:  activities at the cycle's end, with the bounds of a band that holds 80 of 100 outcomes; yes or no.
Time: `as_of`, the instant that the forecast is made at.  Late: a late activity changes the next day's forecast.
Expected = used + remaining time x the mean of the cycle's daily average and that of the last seven days, in whole
numbers. The band comes from how the same days differ from each other, and from one more that they do not show.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pipeline.core.window import DAY_US

RECENT_DAYS = 7  # SEMANTICS 7
ACTIVE_DAYS_MIN = 3  # with activities, before which a forecast deserves no confidence
ELAPSED_SHARE_MIN = 10  # the tenth of the cycle that must have passed before


class Band(NamedTuple):
    """How far the bounds lie from what is expected, each in hundredths.

    `below`, `above`: standard deviations; `unseen`: how far a day that is not among the known ones lies from their
    mean, in parts of it.
    """

    below: int
    above: int
    unseen: int


BAND = Band(below=130, above=300, unseen=125)  # 80 of 100 outcomes: fitted by the back-test, docs/forecast.md


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


def foresee(pace: Pace, band: Band = BAND) -> Foreseen:
    """What will have been used at the cycle's end."""
    to_come, per = _to_come(pace)
    expected = pace.used + (2 * to_come + per) // (2 * per)  # rounded to the nearest
    below, above = _widths(pace, band)
    return Foreseen(max(pace.used, expected - below), expected, expected + above, has_confidence(pace))


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


def _widths(pace: Pace, band: Band) -> tuple[int, int]:
    """The band below and above what is expected, rounded up: days differ, few are known, some are like none of them.

    variance of a day = (squared deviations of the n known days + (unseen x their mean)^2) / n
    variance of what is to come = variance of a day x (remaining days + remaining days^2 / n)
    """
    n, remaining, total = len(pace.daily), pace.span[2] - pace.span[1], sum(pace.daily)
    deviations = n * (n * sum(used * used for used in pace.daily) - total * total)
    variance = (deviations * 100**2 + (band.unseen * total) ** 2) * remaining * (n * DAY_US + remaining)
    per = (100 * 100 * n * n * DAY_US) ** 2
    return _root(-(-(band.below**2) * variance // per)), _root(-(-(band.above**2) * variance // per))


def _root(square: int) -> int:
    """The least whole number whose square is at least that."""
    return math.isqrt(square - 1) + 1 if square else 0
