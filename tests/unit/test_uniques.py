"""Unique opens and clicks: set, not sequence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.events import NOON_MS, NOON_US, Event, event, merge, split
from tests.partition import Partition, corrections_of, events_of

DAY_US = 86_400_000_000
DAY_MS = 86_400_000
TODAY = NOON_US // DAY_US


def opened(profile: str | None = "p1", days_ago: int = 0, **fields: Any) -> Event:
    occurred_at = NOON_US - days_ago * DAY_US
    return event("email_opened", **{"profile_id": profile, "message_id": "m", "occurred_at": occurred_at} | fields)


def clicked(profile: str = "p1", link: str | None = "l1", name: str = "email_clicked", **fields: Any) -> Event:
    return event(name, **{"profile_id": profile, "message_id": "m", "link": link} | fields)


def sums(*batches: list[Event]) -> tuple[int, int, int]:
    partition = Partition()
    for batch in batches:
        partition.send(*batch)
    found = partition.uniques()
    return found["unique_open"], found["unique_click"], found["unique_link_click"]


def test_the_first_open_of_a_message_by_a_person_is_unique() -> None:
    assert sums([opened(), opened(occurred_at=NOON_US + 1)], [opened(occurred_at=NOON_US + 2)]) == (1, 0, 0)


def test_persons_messages_channels_and_accounts_are_apart() -> None:
    others = [
        opened("p2"),
        opened(message_id="m2"),
        opened(account_id="other"),
        event("whatsapp_opened", profile_id="p1", message_id="m"),
    ]
    assert sums([opened(), *others]) == (5, 0, 0)


def test_a_campaign_stands_for_the_message_where_there_is_none() -> None:
    by_campaign = {"message_id": None, "campaign_id": "c"}
    assert sums([opened(**by_campaign), opened(**by_campaign, occurred_at=NOON_US + 1)]) == (1, 0, 0)
    assert sums([opened(message_id="", campaign_id="c"), opened(**by_campaign, occurred_at=NOON_US + 1)]) == (1, 0, 0)
    assert sums([opened(message_id="m1", campaign_id="c"), opened(message_id="m2", campaign_id="c")]) == (2, 0, 0)


def test_nobody_and_nothing_is_never_unique() -> None:
    nothing = opened(message_id=None, campaign_id=None)
    assert sums([opened(None), nothing, clicked(None), clicked(message_id=None)]) == (0, 0, 0)


@pytest.mark.parametrize(
    "name", ["email_proxy_opened", "email_read", "email_sent", "email_unsubscribed", "crm_sales_email_opened"]
)
def test_other_verbs_are_never_unique(name: str) -> None:
    one = event(name, profile_id="p1") if name.startswith("crm") else event(name, profile_id="p1", message_id="m")
    assert sums([one]) == (0, 0, 0)


def test_tests_are_never_unique_and_take_nothing_over() -> None:
    assert sums([opened(is_test=True)]) == (0, 0, 0)
    assert sums([opened()], [opened(is_test=True, occurred_at=NOON_US - 1)]) == (1, 0, 0)


def test_a_click_is_unique_once_a_message_and_once_a_link() -> None:
    assert sums([clicked(link="l1"), clicked(link="l1", occurred_at=NOON_US + 1), clicked(link="l2")]) == (0, 1, 2)
    assert sums([clicked(link=None), clicked(link="")]) == (0, 1, 0)


def test_a_vendor_s_unique_is_evidence_where_no_raw_event_is() -> None:
    vendor = event("email_unique_opened", profile_id="p1", message_id="m")
    assert sums([vendor]) == (1, 0, 0)
    assert sums([vendor], [vendor]) == (1, 0, 0)
    assert sums([vendor], [opened()]) == (1, 0, 0)
    assert sums([opened()], [vendor | {"occurred_at": NOON_US - DAY_US}]) == (1, 0, 0)


def test_a_raw_event_takes_over_from_a_vendor_s_even_where_it_is_later() -> None:
    partition = Partition()
    partition.send(event("email_unique_opened", profile_id="p1", message_id="m", occurred_at=NOON_US - 3 * DAY_US))
    partition.send(opened(days_ago=1))
    assert partition.by_day("unique_open") == {TODAY - 1: 1}


def test_a_vendor_s_unique_click_makes_the_link_click_too_but_not_on_viber() -> None:
    assert sums([clicked(name="email_unique_clicked")]) == (0, 1, 1)
    assert sums([clicked(name="viber_unique_clicked")]) == (0, 1, 0)
    assert sums([clicked(name="viber_clicked")]) == (0, 1, 1)


def test_an_earlier_event_that_arrives_later_takes_the_unique_over() -> None:
    partition = Partition()
    partition.send(opened(days_ago=1, campaign_id="late"))
    record = partition.send(opened(days_ago=3, campaign_id="early"))
    assert partition.by_day("unique_open") == {TODAY - 3: 1}
    correction = corrections_of(record)[0]
    assert (correction["unique_open"], correction["campaign_id"], correction["type"]) == (-1, "late", "email_opened")
    assert correction["occurred_at"] == NOON_US - DAY_US
    assert correction["hits"] == 0
    assert events_of(record)[0]["unique_open"] == 1


def test_a_merge_takes_the_later_of_two_back_and_a_split_gives_it_again() -> None:
    partition = Partition()
    partition.send(opened("p1", 1), opened("p2", 2))
    partition.send(merge(["p1"], "p2", occurred_at=NOON_US - 2))
    assert partition.by_day("unique_open") == {TODAY - 2: 1}
    partition.send(split("p2", {"p1": []}, occurred_at=NOON_US - 1))
    assert partition.by_day("unique_open") == {TODAY - 1: 1, TODAY - 2: 1}


def test_events_and_operations_of_one_batch_may_stand_in_any_order() -> None:
    merged = merge(["p1"], "p2")
    for batch in ([opened("p1", 1), opened("p2", 2), merged], [merged, opened("p2", 2), opened("p1", 1)]):
        partition = Partition()
        partition.send(*batch)
        assert partition.by_day("unique_open") == {TODAY - 2: 1}


def test_profiles_merged_before_they_open_count_once() -> None:
    assert sums([merge(["p1", "p2"], "p3")], [opened("p1")], [opened("p2")], [opened("p3")]) == (1, 0, 0)


def test_a_third_profile_that_joins_brings_the_earliest() -> None:
    partition = Partition()
    partition.send(merge(["p1"], "p2"), opened("p1", 1), opened("p3", 4))
    partition.send(merge(["p3"], "p1"))
    assert partition.by_day("unique_open") == {TODAY - 4: 1}
    partition.send(opened("p2", 5))
    assert partition.by_day("unique_open") == {TODAY - 5: 1}


def test_a_later_event_of_a_person_changes_nothing() -> None:
    partition = Partition()
    partition.send(merge(["p1"], "p2"), opened("p1", 3))
    record = partition.send(opened("p2", 1))
    assert corrections_of(record) == []
    assert partition.by_day("unique_open") == {TODAY - 3: 1}


def test_ties_go_to_the_smaller_identity_whatever_arrives_first() -> None:
    holders = []
    for order in ((1, 2), (2, 1)):
        partition = Partition()
        for number in order:
            partition.send(opened(campaign_id=f"c{number}", event_id=str(number)))
        held = [row["campaign_id"] for row in partition.outcome.rows for _ in range(row["unique_open"])]
        taken = [row["campaign_id"] for row in partition.outcome.rows if row["unique_open"] < 0]
        holders.append(set(held) - set(taken))
    assert holders[0] == holders[1]
    assert len(holders[0]) == 1


@pytest.mark.parametrize(("days", "uniques"), [(30, 1), (31, 2)])
def test_a_fact_is_remembered_for_unique_days_of_the_stream(days: int, uniques: int) -> None:
    partition = Partition(unique_days=30)
    partition.send(opened())
    late = opened(days_ago=-days)
    partition.send(late, at_ms=NOON_MS + days * DAY_MS)
    assert partition.uniques()["unique_open"] == uniques


def test_a_fact_lives_as_long_as_the_event_that_holds_it() -> None:
    partition = Partition(unique_days=30)
    partition.send(opened())
    partition.send(opened(days_ago=5))
    partition.send(opened(days_ago=-26), at_ms=NOON_MS + 26 * DAY_MS)
    assert partition.by_day("unique_open") == {TODAY - 5: 1, TODAY + 26: 1}


def test_a_person_that_comes_again_is_not_held_by_what_it_had_before() -> None:
    partition = Partition()
    partition.send(opened("p1", 3), merge(["p1"], "p2", occurred_at=NOON_US - 5))
    partition.send(split("p2", {"p1": []}, occurred_at=NOON_US - 4))
    partition.send(merge(["p3"], "p2", occurred_at=NOON_US - 3))
    partition.send(opened("p3", 1))
    assert partition.by_day("unique_open") == {TODAY - 1: 1, TODAY - 3: 1}


def person_at_the_horizon() -> Partition:
    """p1 opened first and counts, p2, the same person, later; p1's fact was forgotten since, p2's is remembered."""
    partition = Partition()
    partition.send(merge(["p1"], "p2"), opened("p1", 2))
    partition.send(opened("p2", occurred_at=NOON_US + 50 * DAY_US), at_ms=NOON_MS + 50 * DAY_MS)
    partition.send(event("email_sent", occurred_at=NOON_US + 95 * DAY_US), at_ms=NOON_MS + 95 * DAY_MS)
    return partition


def test_at_the_horizon_what_is_remembered_counts_once_a_merge_regroups_it() -> None:
    partition = person_at_the_horizon()
    assert partition.by_day("unique_open") == {TODAY - 2: 1}
    later = {"occurred_at": NOON_US + 95 * DAY_US}
    for number in range(2):
        joined = merge(["p2", f"q{number}"], f"r{number}", **later)
        partition.send(joined, at_ms=NOON_MS + 95 * DAY_MS)
        assert partition.by_day("unique_open") == {TODAY - 2: 1, TODAY + 50: 1}


def test_at_the_horizon_a_merge_takes_nothing_back_from_what_was_forgotten() -> None:
    partition = Partition()
    partition.send(opened("p1", 2))
    partition.send(opened("p2", occurred_at=NOON_US + 50 * DAY_US), at_ms=NOON_MS + 50 * DAY_MS)
    joined = merge(["p1"], "p2", occurred_at=NOON_US + 95 * DAY_US)
    partition.send(joined, at_ms=NOON_MS + 95 * DAY_MS)
    assert partition.by_day("unique_open") == {TODAY - 2: 1, TODAY + 50: 1}


def test_what_counts_for_a_person_whom_the_earliest_has_left_is_taken_back_and_given_once() -> None:
    partition = Partition()
    partition.send(merge(["a", "c"], "p"))
    partition.send(opened("a"), opened("p", occurred_at=NOON_US + 1))
    found = []
    for n, leaves in enumerate("ac", 1):
        partition.send(split("p", {leaves: []}, occurred_at=NOON_US + n))
        found.append(partition.uniques()["unique_open"])
    assert found == [2, 2]
