"""Billing cycles: from an account's anchor day, at midnight in its time zone, to the next.

In:   anchor day, IANA zone, instants.  Out: the starts of the cycles that cover them, UTC microseconds.
An anchor day that a month lacks falls on that month's last day. Where a zone skips midnight, the day's first instant.
"""

from __future__ import annotations

import calendar
import functools
from datetime import UTC, datetime, timedelta

import numpy as np

from pipeline.core.hashing import Ints
from pipeline.core.zones import zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def month_of(us: int) -> int:
    """Months since January 1970, in UTC."""
    return int(np.datetime64(us, "us").astype("M8[M]").astype(np.int64))


@functools.lru_cache(8192)
def _start(anchor_day: int, time_zone: str, month: int) -> int:
    year, index = divmod(1970 * 12 + month, 12)
    day = min(anchor_day, calendar.monthrange(year, index + 1)[1])
    local = datetime(year, index + 1, day, tzinfo=zone(time_zone))
    return (local.astimezone(UTC) - _EPOCH) // _MICROSECOND


@functools.lru_cache(8192)
def cycle_starts(anchor_day: int, time_zone: str, first_month: int, last_month: int) -> Ints:
    """Starts of the cycles that cover all instants of the months, ascending; the last is the end of the last cycle."""
    months = range(first_month - 1, last_month + 3)
    return np.array([_start(anchor_day, time_zone, month) for month in months], np.int64)


def cycle_of(anchor_day: int, time_zone: str, us: int) -> tuple[int, int]:
    """Start and end of the cycle that contains an instant."""
    starts = cycle_starts(anchor_day, time_zone, month_of(us), month_of(us))
    at = int(np.searchsorted(starts, us, "right")) - 1
    return int(starts[at]), int(starts[at + 1])
