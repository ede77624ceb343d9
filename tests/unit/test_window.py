"""The acceptance window, at its bounds and one microsecond past them; days of the stream."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.batch import Slab
from pipeline.core.window import DAY_US, MINUTE_US, cut_days, in_the_future, stream_times, too_late
from tests.events import NOON_MS, NOON_US, context, event
from tests.partition import Partition, reasons

RULES = context(window_days=7, future_minutes_max=5).rules
MIDNIGHT_MS = 1_709_337_600_000  # 2024-03-02T00:00Z


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_stream_time_is_the_highest_arrival_so_far() -> None:
    assert stream_times(5, ints(3, 7, 6, 9)).tolist() == [5, 7, 7, 9]


@pytest.mark.parametrize(("before_the_bound", "late"), [(-1, False), (0, False), (1, True)])
def test_an_event_is_too_late_one_microsecond_past_the_window(before_the_bound: int, late: bool) -> None:
    occurred_at = ints(NOON_US - 7 * DAY_US - before_the_bound)
    assert too_late(occurred_at, ints(NOON_US), RULES).tolist() == [late]


@pytest.mark.parametrize(("past_the_bound", "early"), [(-1, False), (0, False), (1, True)])
def test_an_event_is_in_the_future_one_microsecond_past_five_minutes(past_the_bound: int, early: bool) -> None:
    occurred_at = ints(NOON_US + 5 * MINUTE_US + past_the_bound)
    assert in_the_future(occurred_at, ints(NOON_US), RULES).tolist() == [early]


def test_late_is_measured_from_the_stream_and_future_from_the_event_s_own_arrival() -> None:
    partition = Partition()
    partition.send(event("email_sent"), at_ms=NOON_MS)
    hour_ms = 3_600_000
    behind = partition.send(event("email_sent", occurred_at=NOON_US - 7 * DAY_US - 1), at_ms=NOON_MS - hour_ms)
    ahead = partition.send(event("email_sent", occurred_at=NOON_US - 10 * MINUTE_US), at_ms=NOON_MS - hour_ms)
    assert reasons(behind) == ["too_late"]
    assert reasons(ahead) == ["in_the_future"]


def test_a_reject_says_the_bound_in_words() -> None:
    record = Partition().send(event("email_sent", occurred_at=0))
    assert "7 days" in record.rejects[0].detail


def test_a_batch_is_cut_where_the_stream_s_day_changes() -> None:
    times = (MIDNIGHT_MS - 1, MIDNIGHT_MS - 5, MIDNIGHT_MS, MIDNIGHT_MS - 1, MIDNIGHT_MS + 86_400_000)
    slabs = [Slab("events.email", n, at, [b""]) for n, at in enumerate(times)]
    parts = cut_days(0, slabs)
    assert [[s.offset for s in part] for part in parts] == [[0, 1], [2, 3], [4]]


def test_the_day_is_the_stream_s_not_the_slab_s() -> None:
    old = Slab("events.email", 0, MIDNIGHT_MS - 1, [b""])
    new = Slab("events.email", 1, MIDNIGHT_MS, [b""])
    assert cut_days(MIDNIGHT_MS * 1000, [old, new]) == [[old, new]]


def test_nothing_is_cut_from_nothing() -> None:
    assert cut_days(0, []) == []
