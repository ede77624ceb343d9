"""Cycles against the clock on the wall, in every zone, also where clocks skip or repeat midnight."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core import cycles
from pipeline.core.zones import names
from tests.oracle import cycles as oracle
from tests.property.budget import examples

MICROSECOND = 1_000_000
FROM, UNTIL = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * MICROSECOND for year in (1971, 2037))
ODD = (  # clocks that skip or repeat midnight, a day that is not there, odd offsets
    "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/Asuncion", "America/Havana", "America/St_Johns",
    "Pacific/Apia", "Pacific/Kwajalein", "Asia/Kathmandu", "Africa/Monrovia", "Asia/Pyongyang", "America/Scoresbysund",
    "Atlantic/Azores", "Asia/Amman", "Asia/Gaza", "America/Caracas", "Antarctica/Troll", "Australia/Lord_Howe",
)  # fmt: skip
zones = st.sampled_from(ODD) | st.sampled_from(sorted(names()))
anchors = st.integers(1, 31)


@given(anchors, zones, st.integers(FROM, UNTIL))
@examples()
def test_an_instant_lies_in_the_cycle_that_the_clock_says(anchor_day: int, zone: str, instant: int) -> None:
    assert cycles.cycle_of(anchor_day, zone, instant) == oracle.cycle_of(anchor_day, zone, instant)


@given(anchors, st.sampled_from(ODD), st.integers(0, 66 * 12 - 1), st.sampled_from((-1, 0, 1)))
@examples()
def test_a_cycle_begins_with_its_day_to_the_microsecond(anchor_day: int, zone: str, month: int, beside: int) -> None:
    day = oracle.anchor_date(1971 + month // 12, month % 12 + 1, anchor_day)
    start = int(oracle.day_begins(day, zone).timestamp()) * MICROSECOND
    found = cycles.cycle_of(anchor_day, zone, start + beside)
    assert found == oracle.cycle_of(anchor_day, zone, start + beside)
    assert found[beside < 0] == start


@given(anchors, zones, st.integers(FROM, UNTIL))
@examples()
def test_cycles_follow_each_other_without_gap(anchor_day: int, zone: str, instant: int) -> None:
    start, end = cycles.cycle_of(anchor_day, zone, instant)
    assert start <= instant < end
    assert cycles.cycle_of(anchor_day, zone, end)[0] == end
    assert cycles.cycle_of(anchor_day, zone, start - 1)[1] == start


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("America/Sao_Paulo", 4, "2018-11-04T03:00:00+00:00"),  # midnight is skipped: the day begins at 01:00
        ("Africa/Cairo", 28, "2023-04-27T22:00:00+00:00"),
        ("Asia/Beirut", 31, "2024-03-30T22:00:00+00:00"),
        ("America/Asuncion", 6, "2024-10-06T04:00:00+00:00"),
        ("Europe/Berlin", 31, "2024-03-30T23:00:00+00:00"),
    ],
)
def test_a_cycle_whose_midnight_is_skipped_begins_with_its_day(zone: str, day: int, begins: str) -> None:
    at = int(datetime.fromisoformat(begins).timestamp()) * MICROSECOND
    assert cycles.cycle_of(day, zone, at)[0] == at
    assert cycles.cycle_of(day, zone, at - 1)[1] == at
