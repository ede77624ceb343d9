"""A body: what is no delivery is refused by its headers, and never more than the bound is read or unpacked."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from connectors.collect import bodies
from connectors.collect.answers import Outcome
from connectors.collect.room import Lease, Room
from connectors.collect.translation import Refusal
from pipeline.core.reasons import Reject
from tests.property.budget import examples

MOST = 1_000
GZIP = CIMultiDict({"Content-Encoding": "gzip"})
PACKED = gzip.compress(b"abc", mtime=0)  # the hour of packing would stand in its bytes, and in the names of tests


def lease(bytes_max: int = 10**9) -> Lease:
    room = Room(9, bytes_max, 10)
    other = room.enter()
    assert other is not None
    assert other.hold(1)  # so that it is not alone
    found = room.enter()
    assert found is not None
    return found


@pytest.mark.parametrize(
    "media",
    ["", "application/json", "APPLICATION/JSON; charset=utf-8", "text/plain", "application/cloudevents-batch+json"],
)
def test_what_senders_put_on_json_is_a_delivery(media: str) -> None:
    assert bodies.refusal(CIMultiDict({"Content-Type": media}), MOST) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/html"},
        {"Content-Type": "image/svg+json"},
        {"Content-Encoding": "br"},
        {"Content-Encoding": "gzip, gzip"},
    ],
)
def test_what_is_no_json_is_no_delivery(headers: dict[str, str]) -> None:
    assert bodies.refusal(CIMultiDict(headers), MOST) is Outcome.NO_DELIVERY


@pytest.mark.parametrize(
    ("length", "expected"), [("1000", None), ("1001", Outcome.TOO_LARGE), ("9" * 30, Outcome.TOO_LARGE), ("x", None)]
)
def test_a_length_above_the_bound_is_refused_before_anything_is_read(length: str, expected: Outcome | None) -> None:
    assert bodies.refusal(CIMultiDict({"Content-Length": length}), MOST) is expected


class _Wire(BaseProtocol):
    """Where a body comes from."""

    connected = True  # type: ignore[assignment]


def read(parts: list[bytes], of: Lease, length: int | None = None, ends: bool = True) -> Any:
    async def run() -> Any:
        loop = asyncio.get_running_loop()
        content = StreamReader((_Wire if length is None else BaseProtocol)(loop), 2**16, loop=loop)
        for part in parts:
            content.feed_data(part)
        if ends:
            content.feed_eof()
        return await bodies.read(content, of, length, MOST)

    return asyncio.run(run())


def test_a_body_is_read_up_to_the_bound_and_not_one_byte_more() -> None:
    assert read([b"a" * 600, b"b" * 400], lease()) == b"a" * 600 + b"b" * 400
    assert read([b"a" * 600, b"b" * 401], lease()) is Outcome.TOO_LARGE
    assert read([], lease()) == b""


def test_a_body_for_which_there_is_no_room_is_not_read() -> None:
    assert read([b"a" * 600], lease(500)) is Outcome.FULL
    assert read([], lease(500), length=600) is Outcome.FULL


def test_a_body_that_does_not_arrive_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)
    assert read([b"a"], lease(), ends=False) is Outcome.SLOW


def test_a_body_whose_connection_is_gone_is_told_as_that() -> None:
    with pytest.raises(ConnectionError):
        read([b"a"], lease(), length=2, ends=False)


def unpacked(raw: bytes, headers: CIMultiDict[str] = GZIP, of: Lease | None = None) -> bytes | Refusal | Outcome:
    return bodies.unpacked(headers, raw, of or lease(), MOST)


def test_a_packed_body_is_unpacked_up_to_the_bound_and_not_one_byte_more() -> None:
    assert unpacked(gzip.compress(b"a" * 1_000)) == b"a" * 1_000
    assert unpacked(gzip.compress(b"a" * 1_001)) is Outcome.TOO_LARGE
    assert unpacked(gzip.compress(b"a" * 400) + gzip.compress(b"b" * 600)) == b"a" * 400 + b"b" * 600
    assert unpacked(gzip.compress(b"a" * 500) + gzip.compress(b"b" * 501)) is Outcome.TOO_LARGE


def test_a_bomb_is_not_unpacked_beyond_the_first_piece() -> None:
    of = lease()
    assert unpacked(gzip.compress(b"\0" * 300_000_000, 1), of=of) is Outcome.TOO_LARGE
    assert of.bytes < 10 * bodies.CHUNK_BYTES


def test_a_body_that_says_nothing_of_packing_is_left_alone() -> None:
    assert unpacked(PACKED, CIMultiDict()) == PACKED


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"{}", "gzip is none"),
        (b"{" * 50, "gzip is none"),
        (zlib.compress(b"a"), "gzip is none"),
        (PACKED[:-1], "gzip ends in the middle"),
        (PACKED[:5], "gzip ends in the middle"),
        (b"", "gzip ends in the middle"),
        (PACKED + b"x", "gzip"),
        (PACKED + b"xyzt", "bytes behind its end"),
        (PACKED[:-8] + b"wrongsum", "gzip is"),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_refused_for_its_gzip(raw: bytes, words: str) -> None:
    found = unpacked(raw)
    assert isinstance(found, Refusal)
    assert found.reason is Reject.UNDECODABLE
    assert words in found.detail
    assert f"has {len(raw)} bytes" in found.detail


def test_a_body_of_very_many_pieces_is_refused() -> None:
    most = gzip.compress(b"") * bodies.MEMBERS_MAX
    assert unpacked(most) == b""
    assert isinstance(unpacked(most + gzip.compress(b"")), Refusal)


@examples()
@given(st.binary(max_size=200))
def test_whatever_bytes_call_themselves_gzip_nothing_is_raised(raw: bytes) -> None:
    assert isinstance(unpacked(raw), bytes | Refusal)
