"""What is invalid in itself, at each bound and one past it."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.batch import Slab
from pipeline.core.validate import (
    ACTIVITIES_MAX,
    ALLOWANCE_MAX,
    ID_BYTES_MAX,
    THRESHOLDS_MAX,
    is_nobody,
)
from tests.events import NOON_MS, Event, event, frame, merge, plan, split
from tests.partition import Partition, reasons

NOBODIES = ["", " ", "null", "NULL", "None", "undefined", "Anonymous", "guest", "0", " 0\t", "-1", "[object Object]"]
# Whatever Python or Arrow takes for space.
SPACES = [chr(n) for n in range(0x3100) if chr(n).isspace()]


def why(*events: Event) -> list[str]:
    return reasons(Partition().send(*events))


@pytest.mark.parametrize("name", NOBODIES)
def test_ids_that_name_nobody_are_refused_wherever_a_profile_is_named(name: str) -> None:
    assert is_nobody(name)
    events = (
        event("email_sent", profile_id=name),
        event("profile_updated", profile_id=name),
        event("crm_purchase", profile_id=name),
        merge([name], "p1"),
        merge(["p2", name], "p1"),
        merge(["p2"], name),
        split(name, {"p1": []}),
        split("p1", {name: []}),
        split("p1", {"p2": [name]}),
    )
    assert why(*events) == ["nobody"] * len(events)


@pytest.mark.parametrize("name", ["00", "-0", "1", "nobody", "nil", "object", "гость", "gue st"])
def test_other_ids_name_somebody(name: str) -> None:
    assert not is_nobody(name)
    assert why(event("email_sent", profile_id=name), merge([name], "p1")) == []


def test_every_kind_of_space_around_a_nobody_is_seen_alike_in_columns_and_in_operations() -> None:
    padded = [f"{space}guest{space}" for space in SPACES]
    assert all(is_nobody(name) for name in padded)
    assert why(*[event("email_sent", profile_id=name) for name in padded]) == ["nobody"] * len(padded)


def test_no_profile_at_all_is_accepted() -> None:
    assert why(event("telegram_clicked", profile_id=None)) == []


def test_an_unknown_type_is_refused_and_named_but_not_at_any_length() -> None:
    record = Partition().send(event("email_exploded"), event("email_" + "x" * 5000))
    assert reasons(record) == ["unknown_type"] * 2
    assert "email_exploded" in record.rejects[0].detail
    assert len(record.rejects[1].detail) < 600


def test_a_type_on_another_topic_is_refused_and_the_right_one_named() -> None:
    one = event("email_opened", event_id="1")
    record = Partition().send_slabs([Slab("events.sms", 0, NOON_MS, [frame(one)])])
    assert reasons(record) == ["wrong_topic"]
    assert "events.email" in record.rejects[0].detail


@pytest.mark.parametrize("field", ["account_id", "source"])
def test_account_and_source_must_be_there(field: str) -> None:
    record = Partition().send(event("email_opened", **{field: ""}))
    assert reasons(record) == ["missing_field"]
    assert record.rejects[0].detail == field


@pytest.mark.parametrize("field", ["account_id", "source", "profile_id", "campaign_id"])
def test_an_id_has_512_bytes_at_most(field: str) -> None:
    longest = "ä" * (ID_BYTES_MAX // 2)
    assert why(event("email_opened", **{field: longest})) == []
    assert why(event("email_opened", **{field: longest + "x"})) == ["impossible_field"]


@pytest.mark.parametrize("over", [False, True])
def test_an_id_in_an_operation_has_512_bytes_at_most(over: bool) -> None:
    name = "x" * (ID_BYTES_MAX + over)
    events = (merge([name], "p"), merge(["p"], name), split("p", {name: []}), split("p", {"q": [name]}))
    assert why(*events) == ["impossible_field"] * len(events) * over
    assert why(split(name, {"p": []})) == ["impossible_field"] * over


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (merge(["p1"], None), "missing_field"),
        (merge([], "p1"), "missing_field"),
        (merge(["p1", "p2"], "p2"), "merge_with_itself"),
        (split(None, {"p1": []}), "missing_field"),
        (split("p1", {}), "missing_field"),
        (split("p1", {"p2": ["p2"]}), "profile_named_twice"),
        (split("p1", {"p2": ["p3", "p3"]}), "profile_named_twice"),
        (split("p1", {"p2": ["p3"], "p3": []}), "profile_named_twice"),
        (split("p1", {"p2": [], "p3": []}) | {"parts": [{"target": "p2", "members": []}] * 2}, "profile_named_twice"),
    ],
)
def test_operations_that_say_nothing_possible_are_refused_whole(operation: Event, reason: str) -> None:
    partition = Partition()
    assert reasons(partition.send(operation)) == [reason]
    assert partition.persons() == {}


def test_operations_that_may_be_are_accepted() -> None:
    assert why(merge(["p1", "p1"], "p2"), split("p1", {"p1": ["p2"]}), split("p1", {"p2": []})) == []


def test_profiles_that_differ_by_case_or_space_are_two() -> None:
    assert why(merge(["p1"], "P1"), merge(["p1"], "p1 ")) == []


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"allowance": 0}, "plan.allowance"),
        ({"allowance": -1}, "plan.allowance"),
        ({"allowance": ALLOWANCE_MAX + 1}, "plan.allowance"),
        ({"anchor_day": 0}, "plan.anchor_day"),
        ({"anchor_day": 32}, "plan.anchor_day"),
        ({"time_zone": ""}, "plan.time_zone"),
        ({"time_zone": "Mars/Olympus"}, "plan.time_zone"),
        ({"time_zone": "../../etc/passwd"}, "plan.time_zone"),
        ({"time_zone": "/etc/localtime"}, "plan.time_zone"),
        ({"time_zone": "Europe/Berlin\x00"}, "plan.time_zone"),
        ({"time_zone": "Europe"}, "plan.time_zone"),
        ({"time_zone": "x" * 60_000}, "plan.time_zone"),
        ({"thresholds": [0.0]}, "plan.thresholds"),
        ({"thresholds": [-0.5]}, "plan.thresholds"),
        ({"thresholds": [float("nan")]}, "plan.thresholds"),
        ({"thresholds": [float("inf")]}, "plan.thresholds"),
        ({"thresholds": [0.5] * (THRESHOLDS_MAX + 1)}, "plan.thresholds"),
        ({"activities": ["email_exploded"]}, "plan.activities: unknown type 'email_exploded'"),
        ({"activities": ["email_opened"] * (ACTIVITIES_MAX + 1)}, "plan.activities"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_the_name_of_its_field(said: dict[str, Any], field: str) -> None:
    record = Partition().send(plan(**{"allowance": 10} | said))
    assert reasons(record) == ["impossible_field"]
    assert record.rejects[0].detail == field


def test_a_plan_at_its_bounds_is_accepted() -> None:
    bounds = (
        plan(1, anchor_day=1, thresholds=[5e-324]),
        plan(ALLOWANCE_MAX, anchor_day=31, thresholds=[1e308] * THRESHOLDS_MAX),
        plan(1, thresholds=[], activities=[], time_zone="Asia/Kathmandu"),
        plan(1, activities=["email_opened"] * ACTIVITIES_MAX),
    )
    assert why(*bounds) == []


def test_a_plan_event_without_a_plan_is_refused() -> None:
    assert why(event("account_plan_set")) == ["missing_field"]


def test_the_first_fault_of_an_event_stands() -> None:
    assert why(event("email_exploded", account_id="", profile_id="guest", occurred_at=0)) == ["unknown_type"]
    assert why(event("email_opened", profile_id="guest", occurred_at=0)) == ["nobody"]


def test_every_copy_of_what_is_invalid_is_rejected() -> None:
    bad = event("email_opened", profile_id="guest", event_id="1")
    assert why(bad, bad, bad | {"profile_id": "p1"}) == ["nobody", "nobody"]
