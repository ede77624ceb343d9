"""The rows for the sink: what they say, and that the schema is the agreed one."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest

from pipeline.core.event_schema import EVENTS
from pipeline.core.record import Damaged
from pipeline.core.rows import read_rows
from tests.events import NOON_MS, NOON_US, event, merge
from tests.partition import Partition, corrections_of, events_of


def test_a_row_says_what_the_event_said_and_what_was_decided() -> None:
    partition = Partition()
    partition.send(merge(["p1"], "p2"))
    said = {"profile_id": "p1", "message_id": "m", "campaign_id": "c", "link": "l", "vendor_type": "Click"}
    clicked = event("email_clicked", **said, properties={"b": "2", "a": "1"}, occurred_at=NOON_US - 1)
    row = events_of(partition.send(clicked, at_ms=NOON_MS + 1))[0]
    assert {name: row[name] for name in said} == said
    assert (row["account_id"], row["source"], row["channel"], row["type"]) == ("acme", "own", "email", "email_clicked")
    assert row["person_id"] == "p2"
    assert dict(row["properties"]) == {"a": "1", "b": "2"}
    assert (row["occurred_at"], row["arrived_at"]) == (NOON_US - 1, (NOON_MS + 1) * 1000)
    assert (row["hits"], row["unique_open"], row["unique_click"], row["unique_link_click"]) == (1, 0, 1, 1)
    assert (row["activity"], row["corrects"]) == (1, 0)
    assert (row["origin_topic"], row["origin_offset"]) == ("events.email", 0)


def test_what_the_source_did_not_say_is_null() -> None:
    row = events_of(Partition().send(event("telegram_clicked", message_id="", campaign_id=None, link="")))[0]
    for name in ("profile_id", "person_id", "message_id", "campaign_id", "link", "vendor_type", "cycle_start"):
        assert row[name] is None
    assert row["activity"] == 0


def test_a_person_is_named_only_where_it_is_another_profile() -> None:
    partition = Partition()
    sent = [event("email_sent", profile_id=profile) for profile in ("p1", "p2", "p3", None)]
    record = partition.send(*sent, merge(["p1"], "p2"))
    assert [row["person_id"] for row in events_of(record)][:4] == ["p2", None, None, None]
    record = partition.send(*sent)
    assert [row["person_id"] for row in events_of(record)] == ["p2", None, None, None]


def test_profile_account_and_crm_rows_have_no_channel() -> None:
    record = Partition().send(event("profile_updated", attributes={"email": "x"}), event("crm_custom"))
    rows = events_of(record)
    assert [row["channel"] for row in rows] == ["", ""]
    assert dict(rows[0]["attributes"]) == {"email": "x"}


def test_the_identity_is_there_where_ties_of_contact_state_need_it() -> None:
    named = ("email_delivered", "sms_hard_bounced", "push_subscribed", "crm_purchase", "profile_updated")
    others = ("email_sent", "email_opened", "web_page_visited", "account_system")
    partition = Partition()
    record = partition.send(*[event(name, event_id=name) for name in (*named, *others)])
    identity = {row["type"]: row["identity"] for row in events_of(record)}
    assert all(identity[name] in record.identities for name in named)
    assert len({identity[name] for name in named}) == len(named)
    assert {identity[name] for name in others} == {0}


def test_a_correction_has_no_identity_of_its_own() -> None:
    partition = Partition()
    said = {"profile_id": "p1", "message_id": "m"}
    partition.send(event("email_opened", event_id="late", **said, occurred_at=NOON_US))
    record = partition.send(event("email_opened", event_id="early", **said, occurred_at=NOON_US - 1))
    assert [(row["unique_open"], row["identity"]) for row in corrections_of(record)] == [(-1, 0)]


def test_a_test_is_marked() -> None:
    rows = events_of(Partition().send(event("email_sent"), event("email_sent", is_test=True)))
    assert [row["is_test"] for row in rows] == [False, True]


def test_the_stream_has_the_agreed_schema_also_where_nothing_was_accepted() -> None:
    for record in (Partition().send(event("email_exploded")), Partition().send(event("email_sent"))):
        assert read_rows(record).schema.equals(EVENTS)


def test_a_record_says_what_its_events_take_once_they_are_read() -> None:
    record = Partition().send(event("email_sent"), event("sms_sent"))
    table = read_rows(record)
    assert table.get_total_buffer_size() <= record.events_size < table.get_total_buffer_size() + 20_000


@pytest.mark.parametrize("size", [-1, 0, 1, 1 << 20, 1 << 47, (1 << 63) - 1])
def test_events_whose_size_was_changed_are_told(size: int) -> None:
    record = dataclasses.replace(Partition().send(event("email_sent")), events_size=size)
    with pytest.raises(Damaged, match="the events of a journal record are damaged"):
        read_rows(record)


@pytest.mark.parametrize("content", [b"", b"\0" * 16, b"\0" * 100])
def test_events_that_are_something_else_are_told(content: bytes) -> None:
    record = dataclasses.replace(Partition().send(event("email_sent")), events=content)
    with pytest.raises(Damaged, match="the events of a journal record are damaged"):
        read_rows(record)


def test_every_bit_of_the_events_that_is_another_is_told() -> None:
    record = Partition().send(event("email_sent"))
    for bit in range(8 * len(record.events)):
        damaged = bytearray(record.events)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Damaged):
            read_rows(dataclasses.replace(record, events=bytes(damaged)))


def test_any_reader_of_zstd_reads_the_events() -> None:
    record = Partition().send(event("email_sent"))
    stream = pa.decompress(record.events, record.events_size, "zstd")
    assert pa.ipc.open_stream(stream).read_all().equals(read_rows(record))


def test_batches_of_every_topic_at_once_are_one_set_of_rows() -> None:
    names = ("email_sent", "sms_sent", "profile_updated", "account_system", "crm_custom", "web_opened", "popup_closed")
    rows = events_of(Partition().send(*[event(name) for name in names]))
    assert sorted(row["type"] for row in rows) == sorted(names)
    assert {row["origin_topic"] for row in rows} == {f"events.{name.split('_')[0]}" for name in names}
