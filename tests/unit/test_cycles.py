"""Billing cycles: months that lack the anchor day, zones, clocks that change at midnight."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.core.cycles import cycle_of, cycle_starts, month_of


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("anchor_day", "zone", "instant", "start", "end"),
    [
        (1, "UTC", "2024-02-29T23:59:59", "2024-02-01", "2024-03-01"),
        (31, "UTC", "2024-02-28T12:00", "2024-01-31", "2024-02-29"),
        (31, "UTC", "2024-02-29T00:00", "2024-02-29", "2024-03-31"),
        (29, "UTC", "2023-02-28T00:00", "2023-02-28", "2023-03-29"),
        (30, "UTC", "2024-12-31T12:00", "2024-12-30", "2025-01-30"),
        (15, "Europe/Berlin", "2024-03-14T23:00", "2024-03-14T23:00", "2024-04-14T22:00"),
        (15, "Europe/Berlin", "2024-03-14T22:59:59", "2024-02-14T23:00", "2024-03-14T23:00"),
        (1, "Pacific/Kiritimati", "2024-01-31T10:00", "2024-01-31T10:00", "2024-02-29T10:00"),
        (1, "Pacific/Pago_Pago", "2024-02-01T10:59:59", "2024-01-01T11:00", "2024-02-01T11:00"),
        (4, "America/Sao_Paulo", "2018-11-04T03:00", "2018-11-04T03:00", "2018-12-04T02:00"),
        (18, "America/Sao_Paulo", "2018-02-18T03:00", "2018-02-18T03:00", "2018-03-18T03:00"),
        (30, "Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00", "2012-01-29T10:00"),  # a day that was not
    ],
)
def test_the_cycle_of_an_instant(anchor_day: int, zone: str, instant: str, start: str, end: str) -> None:
    assert cycle_of(anchor_day, zone, us(instant)) == (us(start), us(end))


def test_months_are_counted_from_1970() -> None:
    assert [month_of(us(day)) for day in ("1969-12-31", "1970-01-01", "2024-03-31")] == [-1, 0, 650]


def test_starts_cover_all_instants_of_the_months_in_any_zone() -> None:
    first, last = us("2024-01-01"), us("2024-03-31T23:59:59")
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        for anchor_day in (1, 31):
            starts = cycle_starts(anchor_day, zone, month_of(first), month_of(last))
            assert starts[0] <= first
            assert starts[-1] > last
            assert (starts[1:] > starts[:-1]).all()
