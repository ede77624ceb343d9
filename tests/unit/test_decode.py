"""Framed bytes to rows or faults, at the bounds of what is read."""

from __future__ import annotations

import struct

import pytest

from pipeline.core.decode import BODY_BYTES_MAX, FRAME_BYTES, Batch, payload, read, why_undecodable
from pipeline.core.origins import OFFSET_BITS
from pipeline.core.reasons import Reject
from tests.events import NOON_MS, SCHEMA_IDS, SCHEMAS, event, frame, slab

GOOD = frame(event("email_opened", profile_id="p1"))
CHANNEL = SCHEMAS[SCHEMA_IDS["channel"]]


def reasons(batch: Batch) -> dict[int, Reject]:
    return {fault.seq: fault.reason for fault in batch.faults}


def decoded(batch: Batch) -> list[int]:
    return sorted(seq for group in batch.groups for seq in group.seq.tolist())


def test_rows_keep_their_place_topic_offset_and_arrival() -> None:
    batch = read([slab("events.sms", 7, GOOD, b"", GOOD), slab("events.crm", 0, GOOD, arrived_ms=NOON_MS + 1)], SCHEMAS)
    assert decoded(batch) == [0, 2]
    assert batch.origin.tolist() == [(1 << OFFSET_BITS) + 7 + n for n in range(3)] + [10 << OFFSET_BITS]
    assert batch.arrived_at.tolist() == [NOON_MS * 1000] * 3 + [(NOON_MS + 1) * 1000]
    assert reasons(batch) == {1: Reject.NOT_FRAMED, 3: Reject.WRONG_TOPIC}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reject.NOT_FRAMED),
        (b"", Reject.NOT_FRAMED),
        (b"\x00\x00\x00\x00", Reject.NOT_FRAMED),  # one byte short of a frame
        (b"\x01" + GOOD[1:], Reject.NOT_FRAMED),
        (b"\x00" + struct.pack(">I", 999) + GOOD[5:], Reject.UNKNOWN_SCHEMA),
        (b"\x00" + struct.pack(">I", SCHEMA_IDS["crm"]) + GOOD[5:], Reject.WRONG_TOPIC),
        (GOOD[:5], Reject.UNDECODABLE),
        (GOOD[:-1], Reject.UNDECODABLE),
        (GOOD[:6] + b"\xff" + GOOD[7:], Reject.UNDECODABLE),  # no UTF-8
    ],
)
def test_what_cannot_be_read_is_a_fault_and_its_neighbours_are_read(value: bytes | None, reason: Reject) -> None:
    batch = read([slab("events.email", 0, GOOD, value, GOOD)], SCHEMAS)
    assert reasons(batch) == {1: reason}
    assert decoded(batch) == [0, 2]


@pytest.mark.parametrize(("past_the_bound", "is_oversized"), [(0, False), (1, True)])
def test_a_body_is_oversized_one_byte_past_a_mebibyte(past_the_bound: int, is_oversized: bool) -> None:
    filler = BODY_BYTES_MAX + past_the_bound - (len(GOOD) - FRAME_BYTES)
    padding = filler - 2 - 2  # the link's length takes three bytes in place of none
    large = frame(event("email_opened", profile_id="p1", link="x" * padding))
    large += b"\x00" * (BODY_BYTES_MAX + FRAME_BYTES + past_the_bound - len(large))
    assert len(large) == FRAME_BYTES + BODY_BYTES_MAX + past_the_bound
    batch = read([slab("events.email", 0, GOOD, large)], SCHEMAS)
    assert reasons(batch).get(1) == (Reject.OVERSIZED if is_oversized else None)
    assert decoded(batch) == ([0] if is_oversized else [0, 1])


@pytest.mark.parametrize("bad", [{0}, {1, 2}, {7}, {0, 3, 7}, set(range(8))])
def test_bad_bodies_are_found_wherever_they_stand(bad: set[int]) -> None:
    batch = read([slab("events.email", 0, *[GOOD[:-1] if n in bad else GOOD for n in range(8)])], SCHEMAS)
    assert set(reasons(batch)) == bad
    assert decoded(batch) == sorted(set(range(8)) - bad)


def test_the_words_of_a_reject_never_repeat_its_bytes() -> None:
    detail = why_undecodable(CHANNEL, b"\x0esecret!\xff")
    assert detail.startswith("not a tally.events.ChannelEvent: ")
    assert "secret" not in detail


def test_schema_ids_that_are_known_are_named() -> None:
    batch = read([slab("events.email", 0, b"\x00\x00\x00\x03\xe7")], SCHEMAS)
    assert batch.faults[0].detail == f"schema id 999; known are {', '.join(map(str, sorted(SCHEMAS)))}"


def test_a_payload_is_plain_values_with_times_as_numbers() -> None:
    one = event("email_opened", profile_id="p1", occurred_at=(1 << 62), properties={"k": "v"})
    assert payload(CHANNEL, frame(one)[FRAME_BYTES:]) == one
