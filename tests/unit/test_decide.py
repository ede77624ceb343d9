"""Decide as a whole: what the stages do together."""

from __future__ import annotations

import pytest

from pipeline.core.decide import decide
from pipeline.core.reasons import Reject
from tests.events import NOON_MS, NOON_US, context, event, merge, plan, slab, split
from tests.partition import Partition, events_of, reasons
from tests.property.running import frozen

DAY_MS = 86_400_000


def test_a_batch_over_two_days_of_the_stream_is_a_broken_assumption() -> None:
    partition = Partition()
    slabs = [slab("events.email", n, event("email_sent"), arrived_ms=NOON_MS + n * DAY_MS) for n in range(2)]
    with pytest.raises(AssertionError, match="day"):
        decide(partition.state, slabs, context())


def test_a_decision_that_is_never_applied_leaves_nothing_behind() -> None:
    partition = Partition()
    partition.send(merge(["a"], "b"), event("email_opened", profile_id="a", message_id="m"), plan(2))
    before = frozen(partition.state)
    one = [event("email_opened", profile_id="b", message_id="m", occurred_at=NOON_US - 1), merge(["c"], "b"), plan(3)]
    for topic, value in zip(("events.email", "events.profile", "events.account"), one, strict=True):
        decide(partition.state, [slab(topic, 5, value)], partition.context)
    assert frozen(partition.state) == before


def test_one_batch_may_hold_every_reason_to_reject() -> None:
    partition = Partition(person_profiles_max=2)
    sent = event("email_sent", event_id="1")
    values = [
        b"",
        b"\x00\x00\x00\x03\xe7",
        b"\x00\x00\x00\x00\x01" + bytes(1 + (1 << 20)),
        b"\x00\x00\x00\x00\x01",
        event("email_exploded"),
        event("sms_sent"),
        event("email_sent", source=""),
        event("email_sent", campaign_id="x" * 513),
        event("email_sent", profile_id="guest"),
        event("email_sent", occurred_at=0),
        event("email_sent", occurred_at=NOON_US * 2),
        sent,
        sent | {"link": "other"},
    ]
    operations = [
        merge(["a"], "a"),
        merge(["a", "b"], "c"),
        event("profile_split", split_source="a", parts=[{"target": "b", "members": ["b"]}]),
    ]
    record = partition.send_slabs([slab("events.email", 0, *values), slab("events.profile", 0, *operations)])
    assert sorted(reasons(record)) == sorted(reason.value for reason in Reject)
    assert record.accepted == 1


def test_rows_of_all_schemas_come_with_their_own_decisions() -> None:
    partition = Partition()
    purchase, opened = event("crm_purchase", profile_id="a"), event("email_opened", profile_id="a", message_id="m")
    record = partition.send(purchase, opened, merge(["a"], "b"))
    found = {row["type"]: (row["person_id"], row["unique_open"], row["activity"]) for row in events_of(record)}
    assert found == {"crm_purchase": ("b", 0, 1), "email_opened": ("b", 1, 1), "profile_merged": (None, 0, 1)}


def test_what_is_refused_whole_is_rejected_with_its_bytes_and_changes_no_state() -> None:
    partition = Partition()
    divided = split("a", {"b": ["c", "d"]}, event_id="1")
    slabs = [slab("events.profile", 0, divided)]
    record = decide(partition.state, slabs, partition.context, "its decision does not fit")
    assert [(r.reason, r.detail) for r in record.rejects] == [("oversized", "its decision does not fit")]
    assert record.rejects[0].raw == slabs[0].values[0]
    assert (record.read, record.accepted, record.registers, record.persons, len(record.identities)) == (1, 0, [], [], 0)
    accepted = decide(partition.state, slabs, partition.context)
    assert (accepted.accepted, len(accepted.persons)) == (1, 4)
