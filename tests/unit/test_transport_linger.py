"""Linger: how long events wait for others, by what batches cost, and how long the broker holds a fetch back for it."""

from __future__ import annotations

import pytest

from pipeline.transport.linger import (
    AROUND_S,
    BUSY_TIMES,
    EARLY_PART,
    EVENT_S,
    EVENT_S_RANGE,
    FIXED_SHARE_MIN,
    LINGER_S_MAX,
    PACE_S_MAX,
    RATE_S,
    SMALL_EVENTS,
    Costs,
    Linger,
    pace_s,
)

FIXED_S = 0.003


def learned(lanes: int, events: int, seconds: float = 20.0, least_s: float = 0.02) -> tuple[Linger, float]:
    """A linger that has seen so many events a second for a while, in ten batches of each lane, and its clock."""
    linger, batches = Linger(least_s), 10 * lanes
    for number in range(int(seconds * batches)):
        of_batch = events // batches
        linger.observe(number % lanes, of_batch, FIXED_S + of_batch * EVENT_S, number / batches)
    return linger, seconds


def test_it_is_the_least_until_a_batch_has_shown_its_cost() -> None:
    assert Linger(0.02).seconds(0.0) == 0.02


def test_under_light_load_fixed_cost_takes_its_least_share_of_a_core() -> None:
    linger, now = learned(lanes=4, events=40)
    assert linger.seconds(now) == pytest.approx(4 * (FIXED_S + AROUND_S) / FIXED_SHARE_MIN, rel=0.01)


def test_it_grows_with_the_lanes_at_work_up_to_its_bound() -> None:
    one, four, many = (learned(lanes, 100 * lanes) for lanes in (1, 4, 50))
    assert one[0].seconds(one[1]) < four[0].seconds(four[1]) < many[0].seconds(many[1]) == LINGER_S_MAX


def test_a_lane_without_batches_does_not_count_any_more() -> None:
    linger, now = learned(lanes=4, events=400)
    before = linger.seconds(now)
    for _ in range(20):
        now += RATE_S / 10
        linger.observe(0, 0, FIXED_S, now)
    assert linger.seconds(now) == pytest.approx(before / 4, rel=0.1)


def test_many_events_shorten_it_as_long_as_they_do_not_fill_the_core() -> None:
    light, some, full = (learned(4, events)[0].seconds(20.0) for events in (1_000, 25_000, 200_000))
    assert some < full < light


def test_batches_of_different_sizes_tell_an_events_cost_and_a_batchs_apart() -> None:
    costs = Costs()
    for number in range(200):
        events = (300, 2_000, 700)[number % 3]
        costs.observe(events, FIXED_S + events * 7e-6)
    assert costs.event_s == pytest.approx(7e-6)
    assert costs.fixed_s == pytest.approx(FIXED_S + AROUND_S)


def test_batches_of_one_size_do_not_and_an_events_usual_cost_is_taken() -> None:
    costs = Costs()
    for _ in range(200):
        costs.observe(1_000, FIXED_S + 1_000 * EVENT_S)
    assert costs.event_s == EVENT_S
    assert costs.fixed_s == pytest.approx(FIXED_S + AROUND_S)


@pytest.mark.parametrize(("event_s", "taken"), [(-1e-6, EVENT_S_RANGE[0]), (1e-3, EVENT_S_RANGE[1])])
def test_an_events_cost_stays_in_its_range_whatever_disturbs_the_batches(event_s: float, taken: float) -> None:
    costs = Costs()
    for number in range(200):
        events = (100, 2_000)[number % 2]
        costs.observe(events, 0.01 + events * event_s)
    assert costs.event_s == taken


def test_large_batches_say_nothing_of_the_fixed_cost() -> None:
    linger = Linger(0.02)
    for number in range(200):
        linger.observe(0, SMALL_EVENTS + 1, 1.0, number / 10)
    assert linger.seconds(20.0) == 0.02


def test_one_that_is_set_longer_than_the_bound_is_kept() -> None:
    linger, now = learned(lanes=50, events=500, least_s=2.0)
    assert linger.seconds(now) == 2.0


@pytest.mark.parametrize("linger_s", [0.0, 0.02, LINGER_S_MAX, PACE_S_MAX, 10.0])
def test_one_broker_holds_a_fetch_back_for_the_whole_wait_and_several_for_half_of_it_up_to_a_bound(
    linger_s: float,
) -> None:
    assert pace_s(linger_s, [], 5.0, 1) == min(linger_s, PACE_S_MAX)
    assert pace_s(linger_s, [], 5.0, 2) == pace_s(linger_s, [], 5.0, 3) == min(linger_s / 2, PACE_S_MAX)


def test_every_lane_is_fetched_for_before_it_is_due_and_those_near_each_other_come_together() -> None:
    linger_s, now, due = 0.4, 10.0, [10.0, 10.05, 10.11, 10.2, 10.35]
    early, asked = EARLY_PART * linger_s, []
    for _ in range(40):
        due = [now + linger_s if at - now <= early else at for at in due]
        asked.append(pace_s(linger_s, due, now, 1))
        now += asked[-1]
        assert now <= min(due), "a lane goes at its own time, without what is asked for"
    assert asked[0] == pytest.approx(0.11 - early / 2)
    assert len(set(due)) < 5
    assert max(due) - min(due) < linger_s


def test_lanes_that_are_due_together_are_fetched_for_after_the_whole_wait() -> None:
    assert pace_s(0.4, [10.0, 9.0, 10.05], 10.0, 1) == 0.4


def test_fixed_cost_may_take_more_of_a_core_the_more_events_take_of_it() -> None:
    linger, now = learned(lanes=4, events=25_000)
    share = 4 * (FIXED_S + AROUND_S) / linger.seconds(now)
    assert share == pytest.approx(FIXED_SHARE_MIN + BUSY_TIMES * 25_000 * EVENT_S, rel=0.1)
