"""A journal record's layout has a number; this program knows one."""

from __future__ import annotations

import pytest

from pipeline.core.framing import FRAME_BYTES
from pipeline.core.record import FORMAT, Link, NotARecord, Record, UnknownFormat, decode, encode, read_link
from tests.events import context

WRITTEN = encode(Record(rules=context().rules, stream_time=0, sources=[]), Link(1, 0, ""))


@pytest.mark.parametrize("number", [FORMAT - 1, FORMAT + 1, -FORMAT])
def test_older_and_newer_layouts_are_refused_alike(number: int) -> None:
    zigzag = (number << 1) ^ (number >> 63)
    value = WRITTEN[:FRAME_BYTES] + bytes([zigzag]) + WRITTEN[FRAME_BYTES + 1 :]
    for reader in (read_link, decode):
        with pytest.raises(UnknownFormat, match=f"of format {number}; this tally knows {FORMAT}"):
            reader(value)


@pytest.mark.parametrize("head", [b"\x80", b"\x02\x80", b"\x02\x02\xff", b"\x02" + b"\xff" * 20])
def test_a_head_that_ends_inside_a_number_is_no_record(head: bytes) -> None:
    with pytest.raises(NotARecord, match="no journal record"):
        read_link(WRITTEN[:FRAME_BYTES] + head)
