"""The stages up to deduplication, in their order."""

from __future__ import annotations

from tests.events import NOON_MS, NOON_US, event, slab
from tests.partition import Partition, reasons

WINDOW_US = 7 * 86_400_000_000


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
