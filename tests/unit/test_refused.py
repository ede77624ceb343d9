"""A delivery that a collector could not translate: its reason, its words and its own bytes, never counted."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.reasons import Reject
from pipeline.core.record import RAW_BYTES_MAX, Rejected
from pipeline.core.refused import DETAIL_CHARACTERS_MAX, REASONS, TYPE, Refused, properties, read, refused
from tests.events import NOON_MS, event, frame, slab
from tests.partition import Partition, reasons
from tests.property.budget import examples

BROKEN = b'{"event_type": "deliv", \xff'
SAID = refused(Reject.UNDECODABLE, "no JSON at character 25", BROKEN)


def told(given: dict[str, str]) -> bytes:
    return frame(event(TYPE, source="altcraft", properties=given))


def rejected(value: bytes, topic: str = "events.account") -> Rejected:
    record = Partition().send_slabs([slab(topic, 3, value)])
    assert (record.read, record.accepted) == (1, 0)
    (one,) = record.rejects
    return one


def test_it_ends_as_a_dead_letter_of_its_account_with_the_delivery_s_own_bytes() -> None:
    one = rejected(told(properties(SAID)))
    assert (one.topic, one.offset, one.arrived_at) == ("events.account", 3, NOON_MS * 1000)
    assert (one.account_id, one.reason, one.detail) == ("acme", "undecodable", "no JSON at character 25")
    assert (one.raw, one.size) == (BROKEN, len(BROKEN))


def test_every_copy_is_rejected_and_none_is_remembered() -> None:
    partition, value = Partition(), told(properties(SAID))
    assert reasons(partition.send_slabs([slab("events.account", 0, value, value)])) == ["undecodable"] * 2
    record = partition.send_slabs([slab("events.account", 2, value)])
    assert (reasons(record), record.duplicates, len(record.identities)) == (["undecodable"], [], 0)


@pytest.mark.parametrize("size", [RAW_BYTES_MAX, RAW_BYTES_MAX + 1])
def test_of_a_large_delivery_the_head_is_kept_and_the_digest_of_all(size: int) -> None:
    whole = b"x" * size
    one = rejected(told(properties(refused(Reject.OVERSIZED, "too large", whole))))
    assert (one.raw, one.size) == (whole[:RAW_BYTES_MAX], size)
    assert (hashlib.sha256(whole).hexdigest() in one.detail) == (size > RAW_BYTES_MAX)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": "too_late"},  # the pipeline alone can say so
        {"reason": "because"},
        {"raw": "?"},
        {"raw": "é"},
        {"size": "-1"},
        {"size": str(len(BROKEN) - 1)},
        {"size": str((1 << 40) + 1)},
        {"size": "many"},
    ],
)
def test_what_is_told_otherwise_is_an_event_of_unknown_type_with_its_own_bytes(wrong: dict[str, str]) -> None:
    value = told(properties(SAID) | wrong)
    one = rejected(value)
    assert (one.reason, one.raw) == ("unknown_type", value)


@pytest.mark.parametrize("missing", ["reason", "detail", "raw", "size"])
def test_what_is_told_in_part_is_an_event_of_unknown_type(missing: str) -> None:
    given = properties(SAID)
    del given[missing]
    assert rejected(told(given)).reason == "unknown_type"


@pytest.mark.parametrize("size", [RAW_BYTES_MAX, RAW_BYTES_MAX + 1])
def test_no_more_than_the_head_is_taken_whoever_tells_it(size: int) -> None:
    raw = base64.b64encode(b"x" * size).decode()
    assert (read(properties(SAID) | {"raw": raw, "size": str(size)}) is None) == (size > RAW_BYTES_MAX)


def test_it_is_known_on_its_own_topic_alone() -> None:
    value = frame(event("email_sent", properties=properties(SAID)) | {"type": TYPE}, "channel")
    assert rejected(value, "events.email").reason == "unknown_type"


def test_long_words_are_cut() -> None:
    assert refused(Reject.NOBODY, "w" * (DETAIL_CHARACTERS_MAX + 1), b"").detail == "w" * DETAIL_CHARACTERS_MAX


@examples()
@given(
    st.builds(
        refused,
        st.sampled_from(sorted(REASONS)),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        st.binary(max_size=200),
    )
)
def test_what_was_written_is_read(said: Refused) -> None:
    assert read(properties(said)) == said


@examples()
@given(st.dictionaries(st.sampled_from(["reason", "detail", "raw", "size", "x"]), st.text(max_size=20)))
def test_whatever_is_given_nothing_raises(given: dict[str, str]) -> None:
    assert read(given) is None or set(given) >= {"reason", "detail", "raw", "size"}
