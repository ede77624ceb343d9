"""Instants: RFC 3339 with any offset and up to nanoseconds, to UTC microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import rfc3339

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", 1_000_000),
        ("1970-01-01 00:00:00.5+00:00", 500_000),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T19:00:00.000001-05:00", 1),
        ("2026-11-21T10:00:00.123456789Z", 1_795_255_200_123_456),
        ("1970-01-01T00:00:00.1Z", 100_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000_000),
        ("9999-12-31T23:59:59-23:59", 253_402_387_139_000_000),
    ],
)
def test_an_instant_is_read(text: str, micros: int) -> None:
    assert rfc3339.parse(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21", "2026-11-21T10:00Z", "2026-11-21T10:00:00", "20261121T100000Z", "2026-11-21T10:00:00.1234567890Z",
        "2026-13-21T10:00:00Z", "2026-02-30T10:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T10:00:61Z",
        "2026-11-21T10:00:00+24:00", "2026-11-21T10:00:00+02:60", "2026-11-21T10:00:00+0200", "2026-11-21T10:00:00.Z",
        " 2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z\n", "1700000000", "1700000000.5", "", "now",
        "٢٠٢٦-11-21T10:00:00Z", "2026-W47-6T10:00:00Z", "2026-11-21T10:00:00.\u0665Z",
    ],
)  # fmt: skip
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"2026-11-21T10:00:00|no such instant"):
        rfc3339.parse(text)


def test_the_message_says_that_an_offset_is_missing() -> None:
    with pytest.raises(ValueError, match="the offset is missing"):
        rfc3339.parse("2026-11-21T10:00:00.5")


@given(st.integers(-62_135_000_000, 253_402_000_000), st.integers(0, 999_999), st.integers(-1439, 1439))
def test_it_agrees_with_datetime(seconds: int, micros: int, offset: int) -> None:
    there = EPOCH + timedelta(seconds=seconds, microseconds=micros)
    there = there.astimezone(timezone(timedelta(minutes=offset)))
    assert rfc3339.parse(there.isoformat()) == (there - EPOCH) // timedelta(microseconds=1)


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_text_and_parse_are_each_others_reverse(micros: int) -> None:
    assert rfc3339.parse(rfc3339.text(micros)) == micros
