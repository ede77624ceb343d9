"""A vendor's times: with an offset as RFC 3339 has them, without one by the endpoint's zone."""

from __future__ import annotations

import pytest

from connectors.collect.instants import instant
from pipeline import rfc3339


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-11-16T10:00:00Z", "Europe/Moscow", "2026-11-16T10:00:00Z"),
        ("2026-11-16T10:00:00.123456789+03:00", "UTC", "2026-11-16T07:00:00.123456Z"),
        ("2026-11-16 10:00:00", "UTC", "2026-11-16T10:00:00Z"),
        ("2026-11-16T10:00:00.5", "Europe/Moscow", "2026-11-16T07:00:00.500000Z"),
        ("2026-10-25T02:30:00", "Europe/Berlin", "2026-10-25T00:30:00Z"),  # twice: the first
        ("2026-03-29T02:30:00", "Europe/Berlin", "2026-03-29T01:30:00Z"),  # never: as without the change
    ],
)
def test_a_time_is_utc_microseconds(text: str, zone: str, utc: str) -> None:
    assert instant(text, zone) == rfc3339.parse(utc)


@pytest.mark.parametrize(
    "text", ["", "2026-11-16", "1479200000", "2026-13-16T10:00:00Z", "2026-13-16T10:00:00", "somebody@example.org"]
)
def test_what_is_no_time_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^.") as refused:
        instant(text, "UTC")
    assert "example.org" not in str(refused.value)


def test_a_zone_that_there_is_not_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        instant("2026-11-16T10:00:00", "Europe/Nowhere")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
def test_the_first_and_the_last_year_have_instants_in_every_zone(text: str, zone: str) -> None:
    assert abs(instant(text, zone) - rfc3339.parse(f"{text}Z")) <= 14 * 3_600_000_000


def test_a_leap_second_after_the_last_year_is_out_of_range() -> None:
    with pytest.raises(ValueError, match="out of range"):
        instant("9999-12-31T23:59:60", "UTC")
