"""The journal record's edges: formats, chain places, what a fold refuses."""

from __future__ import annotations

import pytest

from pipeline.core.framing import FRAME_BYTES
from pipeline.core.record import FORMAT, Link, NotARecord, Record, UnknownFormat, decode, encode, read_link
from tests.events import NOON_US, context, event, plan
from tests.partition import Partition

EMPTY = Record(rules=context().rules, stream_time=NOON_US, sources=[])
U64_MAX = (1 << 64) - 1


@pytest.mark.parametrize("number", [0, 1, (1 << 63) - 1, 1 << 63, U64_MAX])
def test_ids_are_unsigned_64_bit(number: int) -> None:
    value = encode(EMPTY, Link(number, U64_MAX - number, "w"))
    assert read_link(value) == Link(number, U64_MAX - number, "")
    assert decode(value)[0] == Link(number, U64_MAX - number, "w")


def test_an_empty_record_holds_nothing() -> None:
    _, record = decode(encode(EMPTY, Link(1, 0, "")))
    assert (record.read, record.accepted, len(record.identities), len(record.origins)) == (0, 0, 0, 0)


def test_a_newer_format_is_refused_with_the_way_out() -> None:
    value = encode(EMPTY, Link(1, 0, ""))
    newer = value[:FRAME_BYTES] + bytes([(FORMAT + 1) * 2]) + value[FRAME_BYTES + 1 :]
    for reader in (read_link, decode):
        with pytest.raises(UnknownFormat, match="a newer one"):
            reader(newer)


def test_a_plan_s_own_activities_go_through_the_journal() -> None:
    partition = Partition()
    for activities in (["email_opened", "crm_purchase"], ["email_opened"], [], None):
        record = partition.send(plan(5, activities=activities))
        assert record.plans[0].activities == (None if activities is None else tuple(activities))


def test_columns_of_a_decoded_record_are_not_to_be_written_to() -> None:
    record = Partition().send(event("email_opened", profile_id="p", message_id="m"))
    with pytest.raises(ValueError, match="read-only"):
        record.facts["number"][0] = 9


@pytest.mark.parametrize("value", [b"", b"hello", b"\x01" + encode(EMPTY, Link(1, 0, ""))[1:], b"\x00" * FRAME_BYTES])
def test_what_is_no_record_is_told_apart_from_a_newer_one(value: bytes) -> None:
    for reader in (read_link, decode):
        with pytest.raises(NotARecord, match="no journal record"):
            reader(value)


def test_a_record_is_framed_with_its_schema_s_id() -> None:
    assert encode(EMPTY, Link(1, 0, ""))[:FRAME_BYTES] == b"\x00\x00\x00\x00\x05"
    assert encode(EMPTY, Link(1, 0, ""), schema_id=77)[:FRAME_BYTES] == b"\x00\x00\x00\x00\x4d"
