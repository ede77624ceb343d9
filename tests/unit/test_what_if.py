"""A planned sending on top of a forecast: when the allowance is used up, and between which instants."""

from __future__ import annotations

import math

from pipeline.allowance.like import DAY, Curve
from pipeline.allowance.what_if import Band, Cycle, Line, Sending, what_if

MADE = 1_700_006_400  # a UTC midnight
END = MADE + 10 * DAY
LINE = Line(MADE, 100, 200, 200, 200)  # ten a day, for certain
CURVE = Curve((0.5, 0.25), 0.0)


def cycle(allowance: int, used: int = 100, line: Line | None = LINE) -> Cycle:
    return Cycle(END, allowance, used, line)


def test_a_sending_exhausts_what_the_forecast_alone_does_not() -> None:
    found = what_if(cycle(220), [Sending(100, MADE, CURVE)], MADE)
    assert found.used == Band(275, 275, 275)
    assert found.sending == Band(75, 75, 75)
    # The first day brings 10 + 50, the second 10 + 25; then 10 a day: 220 is met in the middle of the fourth.
    assert found.exhausted_at == found.earliest == found.latest == MADE + 2 * DAY + DAY * 5 // 2
    assert what_if(cycle(220), [], MADE).exhausted_at is None


def test_what_is_met_exactly_at_the_end_is_not_exhausted() -> None:
    assert what_if(cycle(275), [Sending(100, MADE, CURVE)], MADE).exhausted_at is None
    assert what_if(cycle(274), [Sending(100, MADE, CURVE)], MADE).exhausted_at is not None


def test_what_comes_after_the_cycle_s_end_is_told_apart() -> None:
    found = what_if(cycle(1_000), [Sending(100, END - DAY, CURVE)], MADE)
    assert (found.sending.expected, found.behind) == (50, 25)


def test_the_forecast_s_band_and_the_spread_add_up_as_squares_do() -> None:
    line = Line(MADE, 100, 170, 200, 240)
    curve = Curve((0.5,), 0.8)
    found = what_if(cycle(10_000, line=line), [Sending(100, MADE, curve)], MADE)  # 50, 40 to each side
    assert found.used == Band(math.floor(250 - 50), 250, math.ceil(250 + math.hypot(40, 40)))
    assert found.sending == Band(10, 50, 90)


def test_two_sendings_differ_independently_of_each_other() -> None:
    half = Sending(50, MADE, Curve((1.0,), 0.6))
    found = what_if(cycle(10_000), [half, half], MADE)
    assert found.sending == Band(math.floor(100 - math.hypot(30, 30)), 100, math.ceil(100 + math.hypot(30, 30)))


def test_a_sending_uses_never_less_than_nothing() -> None:
    found = what_if(cycle(10_000), [Sending(10, MADE, Curve((1.0,), 3.0))], MADE)
    assert found.sending == Band(0, 10, 40)
    assert found.used.low == 200


def test_what_is_used_by_now_is_never_undercut() -> None:
    now = MADE + DAY // 2
    found = what_if(cycle(320, used=300), [Sending(40, now, CURVE)], now)
    assert found.used == Band(330, 330, 330)
    assert found.exhausted_at is not None
    assert now < found.exhausted_at < now + 2 * DAY


def test_without_a_forecast_only_the_sending_is_added() -> None:
    found = what_if(cycle(120, line=None), [Sending(100, MADE, CURVE)], MADE)
    assert found.used == Band(175, 175, 175)
    assert found.exhausted_at == MADE + DAY * 2 // 5


def test_an_allowance_that_is_used_up_is_not_used_up_again() -> None:
    found = what_if(cycle(100), [Sending(100, MADE, CURVE)], MADE)
    assert (found.exhausted_at, found.earliest, found.latest) == (None, None, None)
    assert found.used.expected == 275


def test_the_earliest_may_be_within_the_cycle_when_the_expected_is_not() -> None:
    found = what_if(cycle(260, line=Line(MADE, 100, 150, 200, 300)), [Sending(60, MADE, CURVE)], MADE)
    assert (found.exhausted_at, found.latest) == (None, None)
    assert found.earliest is not None
