"""What planned sendings make of a cycle: nothing is the forecast itself, more is never less, bounds stay in order."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pipeline.allowance.like import DAY, Curve
from pipeline.allowance.what_if import Band, Cycle, Line, Outcome, Sending, what_if
from tests.property.budget import examples

BEGIN = 1_700_006_400  # a UTC midnight
NEVER = math.inf


@st.composite
def cycles(draw: st.DrawFn) -> tuple[Cycle, int]:
    """A cycle under way and an instant in it; its forecast was made at the last midnight, or never."""
    days = draw(st.integers(2, 31))
    made_at = BEGIN + draw(st.integers(0, days - 1)) * DAY
    now = made_at + draw(st.integers(0, DAY - 1))
    used_then, allowance = draw(st.integers(0, 2_000)), draw(st.integers(1, 5_000))
    steps = [draw(st.integers(0, 3_000)) for _ in range(3)]
    bounds = [used_then + sum(steps[: n + 1]) for n in range(3)]
    line = Line(made_at, used_then, *bounds) if draw(st.booleans()) else None
    return Cycle(BEGIN + days * DAY, allowance, used_then + draw(st.integers(0, 500)), line), now


CURVES = st.builds(
    Curve,
    st.lists(st.floats(0, 3, allow_subnormal=False), min_size=1, max_size=8).map(tuple),
    st.none() | st.floats(0, 4),
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Cycle, int, list[Sending]]:
    cycle, now = draw(cycles())
    count = draw(st.integers(0, 3))
    sendings = [
        Sending(draw(st.integers(0, 5_000)), draw(st.integers(now, cycle.end - 1)), draw(CURVES)) for _ in range(count)
    ]
    return cycle, now, sendings


def instants(outcome: Outcome) -> tuple[float, float, float]:
    """Earliest, expected, latest; one that is not within the cycle is never."""
    found = (outcome.earliest, outcome.exhausted_at, outcome.latest)
    earliest, expected, latest = (NEVER if at is None else at for at in found)
    return earliest, expected, latest


def crossing(cycle: Cycle, to: int) -> int | None:
    """Where the view allowance_cycles lets a line meet the allowance."""
    line = cycle.line
    if line is None or cycle.used >= cycle.allowance:
        return None
    left = cycle.allowance - line.used
    if left <= 0 or to - line.used <= left:
        return None
    return line.made_at + math.floor(Fraction(left, to - line.used) * (cycle.end - line.made_at))


@given(cycles(), st.lists(CURVES, max_size=2))
@examples()
def test_no_recipients_are_the_forecast_itself(asked: tuple[Cycle, int], curves: list[Curve]) -> None:
    cycle, now = asked
    outcome = what_if(cycle, [Sending(0, now, one) for one in curves], now)
    assert outcome == what_if(cycle, [], now)
    assert (outcome.sending, outcome.behind) == (Band(0, 0, 0), 0)
    line = cycle.line
    if line is None:
        assert outcome.used == Band(*[cycle.used] * 3)
        assert instants(outcome) == (NEVER, NEVER, NEVER)
        return
    assert outcome.used == Band(*(max(bound, cycle.used) for bound in (line.low, line.expected, line.high)))
    for found, bound in zip((outcome.latest, outcome.exhausted_at, outcome.earliest), line[2:], strict=True):
        expected = crossing(cycle, bound)
        if expected is None or found is None:
            assert found == expected
        else:  # a float's last digit may put an exact second into the one before it
            assert abs(found - expected) <= 1


@given(questions(), st.integers(1, 5_000))
@examples()
def test_more_recipients_use_no_less_and_exhaust_no_later(asked: tuple[Cycle, int, list[Sending]], more: int) -> None:
    cycle, now, sendings = asked
    larger = [one._replace(recipients=one.recipients + more) if n == 0 else one for n, one in enumerate(sendings)]
    less, much = what_if(cycle, sendings, now), what_if(cycle, larger, now)
    assert all(a <= b for a, b in zip(less.used, much.used, strict=True))
    assert less.behind <= much.behind
    assert all(a >= b for a, b in zip(instants(less), instants(much), strict=True))


@given(questions())
@examples()
def test_bounds_are_in_order_and_nothing_is_lost(asked: tuple[Cycle, int, list[Sending]]) -> None:
    cycle, now, sendings = asked
    outcome = what_if(cycle, sendings, now)
    for band in (outcome.used, outcome.sending):
        assert 0 <= band.low <= band.expected <= band.high
    earliest, expected, latest = instants(outcome)
    assert earliest <= expected <= latest
    assert outcome.used.low >= cycle.used
    total = math.fsum(one.recipients * math.fsum(one.curve.daily) for one in sendings)
    assert abs(outcome.sending.expected + outcome.behind - total) <= 1.01  # each is rounded
    without = what_if(cycle, [], now)
    assert abs(outcome.used.expected - without.used.expected - outcome.sending.expected) <= 1.01
    assert outcome == what_if(cycle, sendings[::-1], now)


@given(questions())
@examples()
def test_it_is_exhausted_in_the_second_in_which_the_sum_goes_past_the_allowance(
    asked: tuple[Cycle, int, list[Sending]],
) -> None:
    cycle, now, sendings = asked

    def used(at: int) -> Fraction:
        found = Fraction(cycle.used if at >= now or cycle.line is None else 0)
        if cycle.line is not None:
            line = cycle.line
            share = Fraction(at - line.made_at, cycle.end - line.made_at)
            found = max(found, line.used + (line.expected - line.used) * share)
        for one in sendings:
            for day, rate in enumerate(one.curve.daily):
                passed = min(max(at - one.at - day * DAY, 0), DAY)
                found += one.recipients * Fraction(rate) * Fraction(passed, DAY)
        return found

    close = Fraction(1, 10**6)  # machine numbers
    at = what_if(cycle, sendings, now).exhausted_at
    if at is not None:
        assert used(at + 1) > cycle.allowance - close
        assert used(at) <= cycle.allowance + close or at == (cycle.line.made_at if cycle.line else now)
    elif cycle.used < cycle.allowance:
        assert used(cycle.end) <= cycle.allowance + close


@given(questions(), st.integers(1, 10 * DAY))
@examples()
def test_a_sending_that_begins_later_uses_no_more_of_this_cycle(
    asked: tuple[Cycle, int, list[Sending]], later: int
) -> None:
    cycle, now, sendings = asked
    moved = [one._replace(at=one.at + later) for one in sendings]
    assert what_if(cycle, moved, now).used.expected <= what_if(cycle, sendings, now).used.expected
