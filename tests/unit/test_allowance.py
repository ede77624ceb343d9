"""Activities against the allowance: cycles, late ones, plans, thresholds at the very event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.core.accounts import PLANS_MAX, judge, needed, with_plan
from pipeline.core.record import Plan
from tests.events import Event, event, plan
from tests.partition import Partition, events_of
from tests.property import running


def at(*when: int) -> int:
    """UTC milliseconds."""
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc]


START, MARCH_10, APRIL = at(2024, 3, 1), at(2024, 3, 10), at(2024, 4, 1)


def bought(occurred_ms: int = MARCH_10, **fields: Any) -> Event:
    return event("crm_purchase", occurred_at=occurred_ms * 1000, **fields)


def planned(allowance: int, occurred_ms: int = MARCH_10, **said: Any) -> Event:
    return plan(allowance, occurred_at=occurred_ms * 1000, **said)


def usage(partition: Partition, account: str = "acme") -> dict[int, tuple[int, int]]:
    """(as closed, as corrected) by the cycle's start in milliseconds."""
    found = running.usage(partition.outcome)
    return {start // 1000: used[1:3] for (owner, start), used in found.items() if owner == account}


def alerts(partition: Partition) -> list[tuple[float, int, int]]:
    """(threshold, used, allowance) of each threshold's alert."""
    return [alert[3:6] for alert in running.alerts(partition.outcome) if alert[2] == "threshold"]


def said(allowance: int, occurred_at: int, identity: int = 0, thresholds: tuple[float, ...] = (1.0,)) -> Plan:
    return Plan("a", allowance, 1, "UTC", thresholds, None, occurred_at, identity)


def test_only_accepted_activities_count_and_tests_do_not() -> None:
    partition = Partition()
    record = partition.send(
        bought(), event("email_sent", occurred_at=MARCH_10 * 1000), bought(is_test=True), at_ms=MARCH_10
    )
    assert usage(partition) == {START: (1, 1)}
    assert [row["activity"] for row in events_of(record)].count(1) == 1


def test_a_copy_uses_nothing_up() -> None:
    partition = Partition()
    one = bought(event_id="1")
    partition.send(one, one, at_ms=MARCH_10)
    partition.send(one, at_ms=MARCH_10)
    assert usage(partition) == {START: (1, 1)}


@pytest.mark.parametrize(("after_ms", "closed"), [(-1, 1), (0, 0), (1, 0)])
def test_a_late_activity_corrects_its_closed_cycle(after_ms: int, closed: int) -> None:
    partition = Partition()
    partition.send(bought(APRIL - 1), at_ms=APRIL + after_ms)
    assert usage(partition) == {START: (closed, 1)}


def test_an_activity_on_the_anchor_s_midnight_belongs_to_the_new_cycle() -> None:
    partition = Partition()
    partition.send(bought(APRIL - 1), bought(APRIL), at_ms=APRIL)
    assert usage(partition) == {START: (0, 1), APRIL: (1, 1)}


def test_accounts_have_their_own_cycles_in_one_batch() -> None:
    partition = Partition()
    partition.send(planned(10, anchor_day=5, account_id="other"), at_ms=MARCH_10)
    partition.send(bought(), bought(account_id="other"), bought(account_id="other"), at_ms=MARCH_10)
    assert usage(partition) == {START: (1, 1)}
    assert usage(partition, "other") == {at(2024, 3, 5): (2, 2)}


def test_a_plan_s_anchor_zone_and_activities_hold_for_what_arrives_after_it() -> None:
    partition = Partition()
    said = planned(10, anchor_day=10, time_zone="Asia/Kathmandu", activities=["email_sent"])
    sent = event("email_sent", occurred_at=MARCH_10 * 1000)
    partition.send(bought(), sent, said, bought(), sent, at_ms=MARCH_10)
    assert usage(partition) == {START: (1, 1), at(2024, 3, 9, 18, 15): (1, 1)}


def test_of_several_plans_the_latest_holds_whatever_arrives_last() -> None:
    partition = Partition()
    partition.send(planned(10, MARCH_10, anchor_day=10), planned(20, MARCH_10 - 5, anchor_day=7), at_ms=MARCH_10)
    partition.send(bought(), at_ms=MARCH_10)
    assert usage(partition)[MARCH_10] == (1, 1)


def test_a_test_plan_is_none() -> None:
    partition = Partition()
    record = partition.send(planned(1, is_test=True), bought(), at_ms=MARCH_10)
    assert (record.plans, record.alerts, record.accepted) == ([], [], 2)


@pytest.mark.parametrize(
    ("threshold", "allowance", "least"),
    [
        (0.8, 10, 8),
        (0.8, 1000, 800),
        (0.1, 3, 1),
        (0.1, 30, 3),
        (0.7, 10, 7),
        (1.0, 7, 7),
        (2.0, 7, 14),
        (0.5, 7, 4),
        (0.3, 10**15, 3 * 10**14),
        (1e-300, 5, 1),
    ],
)
def test_a_threshold_is_reached_inclusive_and_exactly(threshold: float, allowance: int, least: int) -> None:
    assert needed(threshold, allowance) == least


def test_an_alert_names_the_event_that_crosses() -> None:
    partition = Partition()
    partition.send(planned(5), at_ms=MARCH_10)
    record = partition.send(*[bought(MARCH_10 + n) for n in range(6)], at_ms=MARCH_10 + 10)
    assert alerts(partition) == [(0.8, 4, 5), (0.9, 5, 5), (1.0, 5, 5)]
    assert [alert.occurred_at for alert in record.alerts] == [(MARCH_10 + n) * 1000 for n in (3, 4, 4)]
    assert {alert.plan for alert in record.alerts} == {partition.outcome.records[0].plans[0].identity}


def test_an_alert_comes_once_whatever_else_comes() -> None:
    partition = Partition()
    partition.send(planned(1, thresholds=[1.0]), at_ms=MARCH_10)
    for n in range(3):
        partition.send(bought(event_id=str(n)), at_ms=MARCH_10)
    assert alerts(partition) == [(1.0, 1, 1)]


def test_thresholds_named_twice_or_out_of_order_alert_once_each_in_order() -> None:
    partition = Partition()
    partition.send(planned(2, thresholds=[1.0, 0.5, 1.0]), bought(), bought(), at_ms=MARCH_10)
    assert alerts(partition) == [(0.5, 1, 2), (1.0, 2, 2)]


def test_thresholds_crossed_at_one_event_alert_in_their_order() -> None:
    partition = Partition()
    partition.send(planned(1, thresholds=[1.0, 0.5]), bought(), at_ms=MARCH_10)
    assert alerts(partition) == [(0.5, 1, 1), (1.0, 1, 1)]


def test_a_plan_without_activities_counts_none() -> None:
    partition = Partition()
    partition.send(planned(1, activities=[]), bought(), at_ms=MARCH_10)
    assert usage(partition) == {START: (0, 0)}


def test_a_late_activity_may_cross_in_its_closed_cycle() -> None:
    partition = Partition()
    partition.send(planned(1, thresholds=[1.0]), at_ms=MARCH_10)
    partition.send(bought(APRIL - 1), at_ms=APRIL + 1)
    assert alerts(partition) == [(1.0, 1, 1)]


def test_a_plan_judges_at_once_what_was_counted_before_it() -> None:
    partition = Partition()
    partition.send(bought(), bought(), bought(), at_ms=MARCH_10)
    record = partition.send(planned(3, MARCH_10 + 5), at_ms=MARCH_10 + 5)
    assert alerts(partition) == [(0.8, 3, 3), (0.9, 3, 3), (1.0, 3, 3)]
    assert {alert.occurred_at for alert in record.alerts} == {(MARCH_10 + 5) * 1000}


def test_a_greater_allowance_arms_the_thresholds_above_the_new_ratio_again() -> None:
    partition = Partition()
    partition.send(planned(2, thresholds=[0.5, 1.0]), bought(), bought(), at_ms=MARCH_10)
    partition.send(planned(4, MARCH_10 + 1, thresholds=[0.5, 1.0]), at_ms=MARCH_10 + 1)
    partition.send(bought(), bought(), at_ms=MARCH_10 + 1)
    assert alerts(partition) == [(0.5, 1, 2), (1.0, 2, 2), (0.5, 2, 4), (1.0, 4, 4)]


def test_the_same_plan_said_again_alerts_no_more() -> None:
    partition = Partition()
    partition.send(planned(1, thresholds=[1.0]), bought(), at_ms=MARCH_10)
    partition.send(planned(1, MARCH_10 + 1, thresholds=[1.0], anchor_day=1), at_ms=MARCH_10 + 1)
    assert alerts(partition) == [(1.0, 1, 1)]


def test_an_earlier_plan_that_says_the_same_and_comes_late_alerts_no_more() -> None:
    partition = Partition()
    partition.send(planned(1, thresholds=[1.0]), bought(), at_ms=MARCH_10)
    partition.send(planned(1, MARCH_10 - 1, thresholds=[1.0]), at_ms=MARCH_10 + 1)
    assert alerts(partition) == [(1.0, 1, 1)]


def test_a_plan_that_comes_late_between_two_that_say_the_same_has_been_overtaken() -> None:
    partition = Partition()
    partition.send(planned(1, thresholds=[1.0]), planned(1, MARCH_10 + 2, thresholds=[1.0]), at_ms=MARCH_10 + 2)
    partition.send(bought(), at_ms=MARCH_10 + 3)
    partition.send(planned(2, MARCH_10 + 1, thresholds=[0.5]), at_ms=MARCH_10 + 4)
    assert alerts(partition) == [(1.0, 1, 1)]


def test_a_plan_does_not_judge_cycles_that_ended_before_it() -> None:
    partition = Partition()
    partition.send(bought(APRIL - 1), at_ms=APRIL - 1)
    partition.send(planned(1, APRIL, thresholds=[1.0]), at_ms=APRIL)
    assert alerts(partition) == []
    assert running.usage(partition.outcome)["acme", START * 1000][3] is None


def test_the_cycle_of_a_plan_is_there_from_then_on() -> None:
    partition = Partition()
    partition.send(planned(7), at_ms=MARCH_10)
    assert running.usage(partition.outcome) == {("acme", START * 1000): (APRIL * 1000, 0, 0, 7)}


def test_without_a_plan_there_are_counts_and_no_alerts() -> None:
    partition = Partition()
    partition.send(*[bought(event_id=str(n)) for n in range(50)], at_ms=MARCH_10)
    assert usage(partition) == {START: (50, 50)}
    assert alerts(partition) == []


def test_a_merge_costs_one_activity() -> None:
    partition = Partition()
    partition.send(event("profile_merged", sources=["a"], target="b", occurred_at=MARCH_10 * 1000), at_ms=MARCH_10)
    assert usage(partition) == {START: (1, 1)}


def test_a_merge_that_the_cap_refuses_costs_nothing() -> None:
    partition = Partition(person_profiles_max=2)
    merged = event("profile_merged", sources=["a", "b"], target="c", occurred_at=MARCH_10 * 1000)
    partition.send(merged, at_ms=MARCH_10)
    assert usage(partition) == {}


def test_the_judge_is_the_latest_plan_before_the_end_as_it_was_first_said() -> None:
    plans: tuple[Plan, ...] = ()
    for one in (said(5, 30, 3), said(5, 10, 1), said(5, 20, 2), said(9, 20, 9), said(8, 100)):
        plans = with_plan(plans, one)
    assert [p.occurred_at for p in plans] == [10, 20, 20, 30, 100]
    assert judge(plans, 10) is None
    assert judge(plans, 11) == judge(plans, 20) == said(5, 10, 1)
    assert judge(plans, 21) == said(9, 20, 9)
    assert judge(plans, 100) == said(5, 30, 3)
    assert judge(plans, 101) == said(8, 100)


def test_plans_are_bounded_and_the_first_stays() -> None:
    plans: tuple[Plan, ...] = ()
    for n in range(PLANS_MAX + 1):
        plans = with_plan(plans, said(n + 1, 10 * n))
    assert len(plans) == PLANS_MAX
    assert judge(plans, 1) == said(1, 0)
    assert judge(plans, 11) == said(1, 0)  # the second is forgotten
    assert judge(plans, 21) == said(3, 20)


def test_a_plan_forgotten_for_its_age_still_names_its_cycles_judge() -> None:
    partition = Partition()
    first = partition.send(planned(2, thresholds=[1.0]), at_ms=MARCH_10)
    partition.send(planned(2, MARCH_10 + 1, thresholds=[1.0]), at_ms=MARCH_10 + 1)
    for days in (10, 11, 12):
        later = MARCH_10 + days * 86_400_000
        partition.send(event("email_sent", occurred_at=later * 1000), at_ms=later)
    late = at(2024, 3, 23)
    record = partition.send(bought(late), bought(late), at_ms=late)
    assert [alert.plan for alert in record.alerts] == [first.plans[0].identity]


def test_a_cycle_that_another_anchor_lets_end_later_is_remembered_to_its_later_end() -> None:
    march_1, march_30, april_6 = at(2023, 3, 1), at(2023, 3, 30), at(2023, 4, 6)
    partition = Partition()
    partition.send(planned(9, march_1, anchor_day=28), bought(march_1), bought(march_1), at_ms=march_1)
    partition.send(planned(9, march_30, anchor_day=31), bought(march_30), at_ms=march_30)
    partition.send(bought(april_6), at_ms=april_6)
    partition.send(bought(march_30), at_ms=april_6)
    assert usage(partition)[at(2023, 2, 28)] == (3, 4)


def test_a_plan_s_own_event_is_counted_by_what_held_before_it() -> None:
    partition = Partition()
    sets = (["account_plan_set"], ["email_opened"], ["account_plan_set"])
    records = [
        partition.send(planned(10, MARCH_10 + n, activities=own), at_ms=MARCH_10 + 9) for n, own in enumerate(sets)
    ]
    assert [row["activity"] for record in records for row in events_of(record)] == [0, 1, 0]


def test_plans_of_one_batch_are_counted_as_plans_of_several() -> None:
    sets = (["account_plan_set"], ["email_opened"], ["account_plan_set"])
    plans = [planned(10, MARCH_10 + n, activities=own) for n, own in enumerate(sets)]
    record = Partition().send(*plans, at_ms=MARCH_10 + 9)
    assert [row["activity"] for row in events_of(record)] == [0, 1, 0]
