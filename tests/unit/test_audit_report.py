"""An audit in words: coordinates, values, meaning, and no contact's address."""

from __future__ import annotations

import pytest

from pipeline.audit import report
from pipeline.audit.comparison import Difference, Kind
from pipeline.audit.look import Unit, units
from pipeline.audit.result import Audit, Part
from pipeline.audit.trace import Row

OPENED = Difference(
    Kind.ENGAGEMENT, ("acme", "", "email", "2024-03-01"), "opened", 2, 7, {"journal": 3, "view": 3, "recount": 2}
)


def test_a_difference_is_told_with_coordinates_values_and_meaning() -> None:
    assert report.told(OPENED) == [
        "✗ engagement: opened of account acme, campaign (none), channel email, day 2024-03-01",
        "    journal 3   view 3   recount 2",
        "    journal partition 2, as of offset 7",
        "    the raw rows are off: rows of events or rejects are missing, added or changed",
    ]


def test_a_cycle_without_a_plan_and_a_threshold_are_told_in_their_own_words() -> None:
    cycle = ("acme", "2024-03-01 00:00:00")
    planless = Difference(Kind.ALLOWANCE, cycle, "allowance", 0, 1, {"state": 5, "view": -1})
    assert "    state 5   view none" in report.told(planless)
    alert = Difference(Kind.ALERTS, (*cycle, "threshold", "800000"), "alerts", 0, 1, {"journal": 1, "view": 0})
    assert "threshold 0.8" in report.told(alert)[0]


@pytest.mark.parametrize("profile", ["ann@shop.example", "+44 20 7946 0958", "4420794609"])
def test_what_looks_like_an_address_is_told_as_its_hash(profile: str) -> None:
    values: dict[str, int | str | None] = {"state": profile, "view": "p2"}
    difference = Difference(Kind.PERSONS, ("acme", profile), "person", 0, 1, values)
    audit = Audit(differences=[difference])
    assert profile not in "\n".join(report.told(difference)) + str(report.as_json(audit))
    assert report.nameless(profile).startswith("xxh3:")
    assert report.nameless("visitor-06fc8bf46f93") == "visitor-06fc8bf46f93"


def test_raw_rows_are_named_by_their_source_or_it_is_said_that_all_are_right() -> None:
    row = Row("missing", 2, 5, "acme", "", "email", "email_opened", "2024-03-01", "events.email", 36)
    (_, told) = report.rows(Audit(differences=[OPENED], rows=[row]))
    assert "(events.email, partition 2, offset 36); journal offset 5" in told
    assert "are what the journal says" in report.rows(Audit(differences=[OPENED]))[0]
    assert report.rows(Audit()) == []


def test_changed_rows_name_their_columns_and_what_is_left_off_is_counted() -> None:
    row = Row("changed", 2, 5, "acme", "", "email", "email_opened", "2024-03-01", "events.email", 36, ("message_id",))
    audit = Audit(differences=[OPENED], rows=[row], rows_left_off=1, records_left_off=1_200)
    _, told, more = report.rows(audit)
    assert told.lstrip().startswith("changed in ClickHouse (message_id)  email_opened")
    assert more == "    and 1 more row and 1,200 more journal records"
    found = report.as_json(audit)
    assert (found["rows_left_off"], found["records_left_off"], found["differences_left_off"]) == (1, 1_200, 0)


def test_where_no_row_differs_the_columns_that_were_not_compared_are_told() -> None:
    assert "properties and attributes were not compared" in report.rows(Audit(differences=[OPENED]))[0]


def test_the_verdict_and_the_json_say_how_far() -> None:
    sound = Audit(parts=[Part(0, 7, 1, 100, 1)], accounts={"acme"}, days={"2024-03-01"})
    sound.numbers[Kind.ENGAGEMENT] = 1_234
    assert report.verdict(sound) == "✓ journal, views and recount agree (1 account, 1 day, 1,234 numbers, 0.0 s)"
    found = report.as_json(sound)
    assert (found["drift"], found["partitions"][0]["offset"], found["partitions"][0]["behind"]) == (0, 7, 1)
    assert report.verdict(Audit(differences=[OPENED])).startswith("✗ 1 of them differ")


def test_looks_are_small_and_can_be_cut() -> None:
    made = units([("a", 0, 15_000), ("b", 0, 9_000), ("c", 1, 1), ("d", 0, 1)])
    assert made == [Unit(0, ("a",)), Unit(0, ("b", "d")), Unit(1, ("c",))]
    assert all(len(unit.accounts) <= 100 for unit in units([(f"a{n}", 0, 0) for n in range(250)]))
    whole = Unit(0, ("a", "b", "c"), (("a", "1"), ("c", "2")))
    assert whole.halves() == [Unit(0, ("a",), (("a", "1"),)), Unit(0, ("b", "c"), (("c", "2"),))]
    assert Unit(0, ("a",)).halves() == [Unit(0, ("a",))]
