"""An account's billing month, found by looking at the clock of its zone: section 1."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, timedelta

from tests.oracle.zones import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR, _MINUTE, _SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@functools.cache
def day_begins(day: date, zone: str) -> datetime:
    """The first instant at which the zone's calendar shows that day, or a later one where it skips the day."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) - 26 * _HOUR
    local = ZoneInfo(zone)
    for step, back in ((_HOUR, 3 * _HOUR), (_MINUTE, _MINUTE), (_SECOND, 0 * _SECOND)):
        while (at + step).astimezone(local).date() < day:
            at += step
        at -= back  # clocks turned back at midnight show the day for some minutes, then the day before once more
    return at + _SECOND


def anchor_date(year: int, month: int, anchor_day: int) -> date:
    """The anchor day of a month, or the month's last day where it has none."""
    following = date(year + month // 12, month % 12 + 1, 1)
    last = following - timedelta(days=1)
    return last.replace(day=min(anchor_day, last.day))


def cycle_of(anchor_day: int, zone: str, instant: int) -> tuple[int, int]:
    """Start and end of the cycle that contains an instant; all UTC microseconds."""
    at = _EPOCH + timedelta(microseconds=instant)
    months = [divmod(at.year * 12 + at.month - 1 + ahead, 12) for ahead in (-2, -1, 0, 1, 2)]
    starts = [day_begins(anchor_date(year, month + 1, anchor_day), zone) for year, month in months]
    number = max(n for n, start in enumerate(starts) if start <= at)
    return _microseconds(starts[number]), _microseconds(starts[number + 1])


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
