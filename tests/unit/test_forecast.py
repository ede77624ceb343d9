"""Whether the allowance will run out before the cycle's end, and the alert that says so once."""

from __future__ import annotations

import math
import statistics
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.core.forecast import Band, Pace, foresee, has_confidence, used_by_day, will_run_out
from pipeline.core.record import Alert
from pipeline.core.window import DAY_US
from tests.events import event, plan
from tests.partition import Partition
from tests.property import running

MARCH = datetime(2024, 3, 1, tzinfo=UTC)
START_US = int(MARCH.timestamp()) * 1_000_000
START_DAY = START_US // DAY_US
END_US = START_US + 31 * DAY_US


def pace(day: int, *by_day: int, recent: int | None = None) -> Pace:
    """March as of the beginning of its `day`-th day from 0; `by_day`: activities of its first days.

    `recent`: those of the last seven days, where they are not what `by_day` says.
    """
    days = {START_DAY + n: used for n, used in enumerate(by_day)}
    daily = used_by_day(days, [days], START_US, START_DAY + day)
    if recent is not None:
        daily[-7:] = [recent, 0, 0, 0, 0, 0, 0]
    return Pace((START_US, START_US + day * DAY_US, END_US), sum(by_day), days, daily)


@pytest.mark.parametrize(("day", "enough"), [(3, False), (4, True)])
def test_a_tenth_of_the_cycle_must_have_passed(day: int, enough: bool) -> None:
    assert has_confidence(pace(day, 1, 1, 1)) is enough


@pytest.mark.parametrize(("elapsed", "enough"), [(3 * DAY_US - 1, False), (3 * DAY_US, True)])
def test_exactly_a_tenth_is_enough(elapsed: int, enough: bool) -> None:
    days = {START_DAY - n: 1 for n in (1, 2, 3)}
    assert has_confidence(Pace((START_US, START_US + elapsed, START_US + 30 * DAY_US), 3, days, [1] * 7)) is enough


@pytest.mark.parametrize(("by_day", "enough"), [((5, 0, 0, 5), False), ((5, 0, 1, 5), True), ((5, 0, 0, 5, 5), False)])
def test_three_days_must_have_activities_before_the_forecast(by_day: tuple[int, ...], enough: bool) -> None:
    assert has_confidence(pace(4, *by_day)) is enough


@pytest.mark.parametrize(("allowance", "runs_out"), [(309, True), (310, False), (311, False)])
def test_it_runs_out_where_the_line_is_above_the_allowance_before_the_end(allowance: int, runs_out: bool) -> None:
    assert will_run_out(pace(10, *[10] * 10, recent=70), allowance) is runs_out


def test_the_line_s_slope_is_the_mean_of_the_cycle_s_and_the_last_week_s() -> None:
    # 100 in 10 days, 140 of the last week: 100 + 21 x (10 + 20) / 2 = 415
    busier = pace(10, *[10] * 10, recent=140)
    assert [will_run_out(busier, allowance) for allowance in (414, 415)] == [True, False]


def test_the_last_week_is_seven_days_over_all_cycles() -> None:
    cycles = ({9: 1, 10: 2, 12: 4}, {13: 8, 16: 16, 17: 32})
    assert used_by_day(cycles[1], cycles, 15 * DAY_US, 17) == [2, 0, 4, 8, 0, 0, 16]


def test_before_the_last_week_the_cycle_s_own_days_are_looked_at() -> None:
    own, other = {10: 2, 20: 4, 21: 8}, {9: 1, 11: 16, 14: 32}
    assert used_by_day(own, [own, other], 10 * DAY_US + 1, 21) == [2, 0, 0, 0, 32, 0, 0, 0, 0, 0, 4]


def test_what_is_expected_is_where_the_line_ends() -> None:
    assert foresee(pace(10, *[10] * 10)).expected == 310
    assert foresee(pace(10, *[10] * 10, recent=140)).expected == 415


def test_the_expected_number_is_the_nearest_whole_one() -> None:
    # 3 in 10 days, 3 of the last week: 3 + 21 x (3/10 + 3/7) / 2 = 10.65
    assert foresee(pace(10, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1)).expected == 11


def band_of(days: list[int], remaining: int) -> tuple[int, int]:
    """Below and above, by the formula of docs/forecast.md in floating point."""
    mean, n = statistics.mean(days), len(days)
    variance = (sum((day - mean) ** 2 for day in days) + (1.25 * mean) ** 2) / n
    deviation = math.sqrt(variance * (remaining + remaining**2 / n))
    return math.ceil(1.3 * deviation), math.ceil(3 * deviation)


def test_equal_days_leave_the_unseen_one_alone_to_doubt() -> None:
    below, above = band_of([10] * 10, 21)
    assert foresee(pace(10, *[10] * 10)) == (310 - below, 310, 310 + above, True)


def test_the_band_comes_of_what_days_differ_by() -> None:
    days = [5, 15, 5, 15, 5, 15, 10] * 2
    found = foresee(pace(14, *days))
    assert (found.expected - found.low, found.high - found.expected) == band_of(days, 17)


def test_the_band_is_as_wide_as_its_constants_say() -> None:
    days = pace(14, *[100, 150] * 7)
    plain = foresee(days, Band(below=100, above=100, unseen=0))
    assert plain.expected - plain.low == plain.high - plain.expected == 154  # 25 x root(17 + 17^2 / 14), rounded up
    twice = foresee(days, Band(below=200, above=50, unseen=0))
    assert (twice.expected - twice.low, twice.high - twice.expected) == (307, 77)


def test_nothing_used_has_no_band() -> None:
    assert foresee(pace(10)) == (0, 0, 0, False)


def test_days_that_differ_widen_the_band() -> None:
    even, uneven = foresee(pace(14, *[10] * 14)), foresee(pace(14, *[0, 20, 0, 20, 0, 20, 10] * 2))
    assert even.expected == uneven.expected
    assert uneven.low < even.low and uneven.high > even.high


def test_the_low_bound_is_never_below_what_is_used() -> None:
    assert foresee(pace(30, 0, 100, recent=0)).low == 100


def test_a_forecast_at_the_cycle_s_first_instant_has_the_last_week_alone() -> None:
    before = Pace((START_US, START_US, END_US), 0, {}, [10] * 7)
    assert foresee(before).expected == 310
    assert not will_run_out(before, 100)


def at(day: int, hour: int = 12) -> int:
    """UTC milliseconds, days from March 1."""
    return (START_US + day * DAY_US) // 1000 + hour * 3_600_000


def bought(partition: Partition, day: int, count: int = 10) -> list[Alert]:
    """That many purchases on a day, one batch; the alerts of it."""
    sent = [event("crm_purchase", event_id=f"{day} {n}", occurred_at=at(day) * 1000) for n in range(count)]
    return partition.send(*sent, at_ms=at(day)).alerts


def planned(allowance: int, day: int, **said: Any) -> Any:
    return plan(allowance, occurred_at=at(day, 0) * 1000, thresholds=[], **said)


def forecasts(alerts: list[Alert]) -> list[tuple[int, int]]:
    """Day from March 1, and used, of each forecast alert."""
    assert {alert.kind for alert in alerts} <= {"forecast"}
    return [((alert.occurred_at - START_US) // DAY_US, alert.used) for alert in alerts]


def test_one_alert_a_cycle_at_the_first_day_whose_forecast_has_confidence() -> None:
    partition = Partition()
    partition.send(planned(200, 0), at_ms=at(0, 0))
    said = [forecasts(bought(partition, day)) for day in range(12)]
    assert said == [[], [], [], [], [(4, 40)], *[[]] * 7]
    assert partition.state.accounts.cycles["acme"][START_US].forecast is True


def test_a_restart_repeats_no_forecast() -> None:
    partition = Partition()
    partition.send(planned(200, 0), at_ms=at(0, 0))
    for day in range(6):
        bought(partition, day)
    partition.outcome.state = running.thawed(partition.state)
    assert forecasts(bought(partition, 6)) == []


def test_another_alert_comes_only_after_it_was_withdrawn() -> None:
    partition = Partition()
    partition.send(planned(200, 0), at_ms=at(0, 0))
    for day in range(5):
        bought(partition, day)
    partition.send(planned(10_000, 5), at_ms=at(5, 13))
    assert forecasts(bought(partition, 6)) == []
    assert partition.state.accounts.cycles["acme"][START_US].forecast is False
    partition.send(planned(210, 6), at_ms=at(6, 13))
    assert forecasts(bought(partition, 7)) == [(7, 60)]


def test_what_has_run_out_is_not_forecast() -> None:
    partition = Partition()
    partition.send(planned(40, 0), at_ms=at(0, 0))
    assert [forecasts(bought(partition, day)) for day in range(8)] == [[]] * 8


def test_no_plan_no_forecast() -> None:
    partition = Partition()
    assert [forecasts(bought(partition, day)) for day in range(8)] == [[]] * 8


def test_the_forecast_is_made_before_what_arrives_on_its_day() -> None:
    partition = Partition()
    partition.send(planned(1000, 0), at_ms=at(0, 0))
    for day in range(6):
        bought(partition, day)
    assert forecasts(bought(partition, 6, count=500)) == []
    assert forecasts(bought(partition, 7)) == [(7, 560)]


def test_activities_are_kept_by_the_day_they_occurred_on() -> None:
    partition = Partition()
    bought(partition, 0)
    late = [event("crm_purchase", event_id=f"late {n}", occurred_at=at(0) * 1000 + n) for n in range(3)]
    record = partition.send(*late, at_ms=at(2))
    assert [(entry.days, entry.days_used) for entry in record.allowance] == [((START_DAY,), (13,))]
    assert dict(partition.state.accounts.cycles["acme"][START_US].days) == {START_DAY: 13}
    assert running.frozen(running.folded(partition.outcome.journal, partition.context)) == running.frozen(
        partition.state
    )
