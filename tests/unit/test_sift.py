"""The stages up to deduplication, in their order."""

from __future__ import annotations

import pytest

from pipeline.core.window import DAY_US
from tests.events import NOON_MS, NOON_US, context, event, slab
from tests.partition import Partition, reasons

WINDOW_US = 7 * DAY_US
DAY_MS = 86_400_000


def test_what_is_invalid_is_said_before_what_is_late_or_a_copy() -> None:
    partition = Partition()
    partition.send(event("email_sent", event_id="1"))
    late = {"occurred_at": NOON_US - WINDOW_US - 1, "event_id": "1"}
    record = partition.send(
        event("email_sent", profile_id="guest", **late), event("email_sent", **late), event("email_sent", event_id="1")
    )
    assert reasons(record) == ["nobody", "too_late"]
    assert [d.events for d in record.duplicates] == [1]


def test_the_stream_s_time_at_each_event_decides_not_the_batch_s_end() -> None:
    at_the_bound = event("email_sent", occurred_at=NOON_US - WINDOW_US)
    slabs = [
        slab("events.email", n, at_the_bound | {"event_id": str(n)}, arrived_ms=NOON_MS + n * 60_000) for n in range(2)
    ]
    record = Partition().send_slabs(slabs)
    assert [(reject.offset, reject.reason) for reject in record.rejects] == [(1, "too_late")]


def test_the_first_in_the_stream_counts_not_the_first_in_its_schema_s_group() -> None:
    partition = Partition()
    crm, email = event("crm_custom", event_id="1"), event("email_sent", event_id="1")
    record = partition.send(event("email_sent", event_id="0"), crm, email)
    assert [(reject.topic, reject.reason) for reject in record.rejects] == [("events.email", "conflicting_duplicate")]


COPIED = event("email_sent", event_id="copied", occurred_at=NOON_US - DAY_US)


def forgetful() -> Partition:
    """Has read COPIED, and forgotten it five days later with all that came more than four days before; 30 days now."""
    partition = Partition(window_days=3)
    partition.send(COPIED)
    partition.send(event("email_sent"), at_ms=NOON_MS + 5 * DAY_MS)
    partition.context = context(window_days=30)
    return partition


@pytest.mark.parametrize(("days_ago", "refused"), [(4, ["too_late"]), (3, [])])
def test_a_window_made_larger_reaches_back_no_further_than_what_is_remembered(
    days_ago: int, refused: list[str]
) -> None:
    day_us = (NOON_US // DAY_US + 5) * DAY_US
    other = event("email_sent", event_id="other", occurred_at=day_us - days_ago * DAY_US)
    assert reasons(forgetful().send(other, at_ms=NOON_MS + 6 * DAY_MS)) == refused


def test_no_window_lets_a_forgotten_copy_in() -> None:
    record = forgetful().send(COPIED, at_ms=NOON_MS + 5 * DAY_MS)
    assert reasons(record) == ["too_late"]
    assert "2024-03" in record.rejects[0].detail and "the window was smaller" in record.rejects[0].detail


def test_what_was_forgotten_stays_forgotten_on_all_days_of_a_larger_window() -> None:
    partition = forgetful()
    for day in (6, 7, 8):
        assert reasons(partition.send(COPIED, at_ms=NOON_MS + day * DAY_MS)) == ["too_late"]


def test_a_larger_window_is_whole_once_it_has_grown() -> None:
    partition = Partition(window_days=3)
    partition.send(event("email_sent"))
    partition.context = context(window_days=10)
    partition.send(event("email_sent"), at_ms=NOON_MS + 12 * DAY_MS)
    record = partition.send(
        event("email_sent", event_id="old", occurred_at=NOON_US + 2 * DAY_US), at_ms=NOON_MS + 12 * DAY_MS
    )
    assert record.accepted == 1
