"""What the product's own forecast says of a history at days 5, 10 and 20 of its cycle, beside what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.core.forecast import Pace, foresee, used_by_day, will_run_out
from pipeline.core.window import DAY_US
from tests.backtest.histories import KINDS, History, Kind, histories

FORECAST_DAYS = (5, 10, 20)  # of the cycle, from 0: so many days have passed


class Outcome(NamedTuple):
    """A forecast and what came. `actual`: activities at the cycle's end; `length`: the cycle's days.

    `used_up`: the allowance was gone already. `said`: days until it runs out, as the forecast line meets it; None where
    the forecast does not say that it will. `came`: days until it did; None where it did not.
    """

    kind: str
    day: int
    length: int
    actual: int
    low: int
    expected: int
    high: int
    confident: bool
    used_up: bool
    said: float | None
    came: float | None


def replayed(count: int, seed: int, kinds: Sequence[Kind] = KINDS) -> list[Outcome]:
    """Every forecast of the held-out half."""
    return [one for history in histories("held out", count, seed, kinds) for one in outcomes(history)]


def outcomes(history: History) -> list[Outcome]:
    """One for each of the days."""
    return [_outcome(history, day) for day in FORECAST_DAYS]


def pace_at(history: History, day: int) -> Pace:
    """As the worker has it at the beginning of a day of the cycle: the cycle before it is still remembered."""
    first = history.start // DAY_US
    today = first + day
    known = {on: n for on, n in history.days.items() if on < today}
    own = {on: n for on, n in known.items() if on >= first}
    before = {on: n for on, n in known.items() if on < first}
    span = (history.start, today * DAY_US, history.end)
    return Pace(span, sum(own.values()), own, used_by_day(own, (before, own), history.start, today))


def _outcome(history: History, day: int) -> Outcome:
    pace = pace_at(history, day)
    start, as_of, end = pace.span
    low, expected, high, confident = foresee(pace)
    actual = sum(n for on, n in history.days.items() if on * DAY_US >= start)
    said = None
    if will_run_out(pace, history.allowance):
        slope = (expected - pace.used) * DAY_US / (end - as_of)  # activities a day
        said = max(0.0, (history.allowance - pace.used) / slope)
    return Outcome(
        history.kind, day, (end - start) // DAY_US, actual, low, expected, high, confident,
        pace.used >= history.allowance, said, _came(history, as_of // DAY_US, pace.used),
    )  # fmt: skip


def _came(history: History, today: int, used: int) -> float | None:
    """Days from `today` until more than the allowance was used, each day's activities being spread over it evenly."""
    if used >= history.allowance:
        return 0.0
    for day in range(today, history.end // DAY_US):
        n = history.days[day]
        if used + n > history.allowance:
            return day - today + (history.allowance - used) / n
        used += n
    return None
