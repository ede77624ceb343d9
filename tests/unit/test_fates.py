"""Every event read has one fate, and each is told with its place."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from pipeline.core.batch import Slab
from pipeline.core.fates import sources
from pipeline.core.origins import place
from pipeline.core.record import RAW_BYTES_MAX
from tests.events import NOON_MS, event, frame, slab
from tests.partition import Partition, reasons

GOOD = frame(event("email_sent", event_id="1"))


def test_the_three_fates_add_up_to_what_was_read() -> None:
    record = Partition().send_slabs([slab("events.email", 5, GOOD, GOOD, b"junk", None, GOOD)])
    assert (record.read, record.accepted) == (5, 1)
    assert [(r.topic, r.offset, r.reason) for r in record.rejects] == [
        ("events.email", 7, "not_framed"),
        ("events.email", 8, "not_framed"),
    ]
    assert sum(d.events for d in record.duplicates) == 2


def test_rejects_stand_in_stream_order_whatever_their_schema() -> None:
    bad = [event("email_sent", account_id=""), event("email_exploded"), event("email_sent", profile_id="guest")]
    record = Partition().send_slabs(
        [slab("events.email", 0, b"x", bad[0]), slab("events.sms", 0, b"y"), slab("events.email", 2, *bad[1:])]
    )
    assert reasons(record) == ["not_framed", "missing_field", "not_framed", "unknown_type", "nobody"]


@pytest.mark.parametrize("size", [RAW_BYTES_MAX - 1, RAW_BYTES_MAX, RAW_BYTES_MAX + 1])
def test_a_reject_keeps_64_kib_of_its_bytes_and_says_its_size(size: int) -> None:
    value = bytes(range(1, 251)) * (size // 250 + 1)
    reject = Partition().send_slabs([slab("events.email", 0, value[:size])]).rejects[0]
    assert (reject.raw, reject.size) == (value[: min(size, 64 * 1024)], size)


def test_a_reject_whose_bytes_are_not_all_kept_says_the_digest_of_all_of_them() -> None:
    whole, cut = b"x" * RAW_BYTES_MAX, b"x" * (RAW_BYTES_MAX + 1)
    kept, head = Partition().send_slabs([slab("events.email", 0, whole, cut)]).rejects
    assert "sha256" not in kept.detail
    digest = hashlib.sha256(cut).hexdigest()
    assert head.detail == f"{kept.detail}; 65,537 bytes, sha256 {digest}, of which the first 65,536 are kept"


def test_a_reject_of_one_message_says_the_same_digest_whatever_batch_it_is_in() -> None:
    large = frame(event("email_exploded", event_id="1", link="l" * RAW_BYTES_MAX))
    alone = Partition().send_slabs([slab("events.email", 0, large)]).rejects[0]
    beside = Partition().send_slabs([slab("events.email", 0, GOOD, b"x", large)]).rejects[1]
    assert alone.detail == beside.detail
    assert hashlib.sha256(large).hexdigest() in alone.detail


def test_a_reject_carries_its_account_where_it_could_be_read() -> None:
    record = Partition().send_slabs([slab("events.email", 0, event("email_exploded", account_id="acme"), b"x")])
    assert [reject.account_id for reject in record.rejects] == ["acme", ""]


def test_a_reject_s_account_has_512_characters_at_most_however_long_it_was() -> None:
    record = Partition().send(*[event("email_sent", account_id="a" * size) for size in (512, 513, 1_000_000)])
    assert reasons(record) == ["impossible_field"] * 2
    assert [len(reject.account_id) for reject in record.rejects] == [512, 512]


def test_a_reject_without_a_value_has_no_bytes() -> None:
    reject = Partition().send_slabs([Slab("events.crm", 3, NOON_MS, [None])]).rejects[0]
    assert (reject.raw, reject.size, reject.arrived_at) == (b"", 0, NOON_MS * 1000)


def test_sources_tell_first_and_next_offset_of_each_topic_in_the_order_of_topics() -> None:
    record = Partition().send_slabs(
        [slab("events.email", 5, GOOD), slab("events.crm", 9, b"x"), slab("events.crm", 10, b"x", b"y")]
    )
    assert [tuple(source) for source in record.sources] == [("events.email", 5, 6, 1), ("events.crm", 9, 12, 0)]


def test_a_gap_in_a_topic_s_offsets_is_a_broken_assumption() -> None:
    with pytest.raises(AssertionError, match="offset 3 follows 1"):
        sources([slab("events.email", 0, b"x"), slab("events.email", 3, b"y")], np.zeros(0, np.uint64))


def test_an_origin_is_topic_and_offset() -> None:
    assert place((10 << 56) | ((1 << 56) - 1)) == ("events.crm", (1 << 56) - 1)
