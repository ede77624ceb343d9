"""Times as accounts' own templates and exports write them."""

from __future__ import annotations

import pytest

from connectors.collect import clocks
from pipeline import rfc3339

NINE = rfc3339.parse("2026-11-16T09:00:00Z")


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-16T09:00:00Z",
        " 2026-11-16t09:00:00z ",
        "2026-11-16T09:00Z",
        "2026-11-16 10:00:00+01:00",
        "2026-11-16 10:00:00 +0100",
        "2026-11-16T04:00:00.000-05",
        "2026-11-16T10:00:00",
        "2026-11-16 10:00",
        "16.11.2026 10:00",
        "16.11.2026, 10:00:00,000",
        "16.11.2026 09:00:00Z",
        1_794_819_600,
        1_794_819_600.0,
        "1794819600",
        1_794_819_600_000,
        1_794_819_600_000_000,
        "1794819600.000",
    ],
)
def test_all_of_these_are_one_time_in_madrid(value: object) -> None:
    assert clocks.instant(value, "Europe/Madrid") == NINE


def test_fractions_are_kept_to_the_microsecond() -> None:
    assert clocks.instant("16.11.2026 09:00:00.123456789", "UTC") == NINE + 123_456
    assert clocks.instant(1_794_819_600.25, "UTC") == NINE + 250_000


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-11-16", "a day without a time of day"),
        ("16.11.2026", "a day without a time of day"),
        ("11/16/2026 10:00", "is no time"),
        ("November 16, 2026 10:00 AM", "is no time"),
        ("2026-02-30T10:00:00Z", "no such instant"),
        ("2026-11-16T25:00:00Z", "no such instant"),
        ("٢026-11-16T10:00:00Z", "is no time"),
        ("12345678", "is no time"),
        ("", "is no time"),
        (True, "must be a time"),
        (None, "must be a time"),
        ([], "must be a time"),
        (0, "is no number of"),
        (-1, "is no number of"),
        (10**17, "is no number of"),
        (float("nan"), "is no number of"),
        (float("inf"), "is no number of"),
    ],
)
def test_what_is_no_time_is_told(value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        clocks.instant(value, "UTC")


@pytest.mark.parametrize(("most", "unit"), [(10**11, 1_000_000), (10**14, 1_000), (10**17, 1)])
def test_a_numbers_size_says_its_unit(most: int, unit: int) -> None:
    assert clocks.instant(most - 1, "UTC") == (most - 1) * unit
    if most < 10**17:
        assert clocks.instant(most, "UTC") == most * unit // 1_000
