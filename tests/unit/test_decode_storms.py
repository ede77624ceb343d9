"""Many bad bodies at once: found, each with words, wherever they stand and whichever decoder refuses them."""

from __future__ import annotations

import pytest

from pipeline.core.decode import BODY_BYTES_MAX, FRAME_BYTES, REFERENCE_ROWS_MAX, read, why_undecodable
from pipeline.core.reasons import Reject
from tests.events import SCHEMA_IDS, SCHEMAS, event, frame, slab

GOOD = frame(event("email_opened", profile_id="p1", event_id="1"))
CUT = GOOD[:-1]
# The event id's branch of its union is -1: the reference counts from the end, the bulk decoder refuses.
BRANCH = FRAME_BYTES + len("\bacme\x06own")
BACKWARDS = GOOD[:BRANCH] + b"\x01" + GOOD[BRANCH + 1 :]
CHANNEL = SCHEMAS[SCHEMA_IDS["channel"]]


def test_the_bulk_decoder_refuses_more_than_the_reference() -> None:
    assert why_undecodable(CHANNEL, CUT[FRAME_BYTES:]) is not None
    assert why_undecodable(CHANNEL, BACKWARDS[FRAME_BYTES:]) is None
    assert why_undecodable(CHANNEL, GOOD[FRAME_BYTES:]) is None
    (fault,) = read([slab("events.email", 0, BACKWARDS)], SCHEMAS).faults
    assert fault.detail == f"not a tally.events.ChannelEvent: the bulk decoder refuses a body of {len(GOOD) - 5} bytes"


@pytest.mark.parametrize("count", [REFERENCE_ROWS_MAX, REFERENCE_ROWS_MAX + 1, 3 * REFERENCE_ROWS_MAX])
@pytest.mark.parametrize("bad", [{0: CUT}, {1: BACKWARDS}, {0: BACKWARDS, 5: CUT, 6: BACKWARDS, 7: CUT, 63: BACKWARDS}])
def test_every_bad_body_is_found_and_no_other(count: int, bad: dict[int, bytes]) -> None:
    batch = read([slab("events.email", 0, *[bad.get(n, GOOD) for n in range(count)])], SCHEMAS)
    assert {fault.seq: fault.reason for fault in batch.faults} == dict.fromkeys(bad, Reject.UNDECODABLE)
    assert batch.groups[0].seq.tolist() == [n for n in range(count) if n not in bad]
    assert batch.groups[0].columns.num_rows == count - len(bad)


@pytest.mark.parametrize("one", [CUT, BACKWARDS], ids=["cut", "backwards"])
def test_a_batch_of_nothing_but_bad_bodies_has_no_rows(one: bytes) -> None:
    batch = read([slab("events.email", 0, *[one] * 150)], SCHEMAS)
    assert [fault.seq for fault in sorted(batch.faults)] == list(range(150))
    assert batch.groups == []


@pytest.mark.parametrize(("past_the_bound", "is_oversized"), [(0, False), (1, True)])
def test_the_bound_of_a_body_is_the_same_among_values_of_other_frames(past_the_bound: int, is_oversized: bool) -> None:
    large = GOOD + b"\x00" * (FRAME_BYTES + BODY_BYTES_MAX + past_the_bound - len(GOOD))
    batch = read([slab("events.email", 0, b"", large)], SCHEMAS)
    expected = {0: Reject.NOT_FRAMED} | ({1: Reject.OVERSIZED} if is_oversized else {})
    assert {fault.seq: fault.reason for fault in batch.faults} == expected
