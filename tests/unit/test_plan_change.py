"""What a plan says where nobody said it, which names are near, and what its options mean."""

from __future__ import annotations

import pytest

from connectors.producer.fields import DEFAULT_THRESHOLDS
from pipeline.allowance.plan_change import THRESHOLDS, Given, completed, near
from pipeline.cli import plan_options
from pipeline.core import zones
from pipeline.core.record import Plan

PRESENT = Plan("acme", 5, 17, "Asia/Tokyo", (0.7,), ("email_opened",), 1, 2)


def values(given: Given, present: Plan | None) -> list[tuple[object, str]]:
    return [(one.value, one.origin) for one in completed(given, present)]


def test_what_is_not_given_is_kept_from_the_present_plan() -> None:
    kept = [(17, "kept"), ("Asia/Tokyo", "kept"), ((0.7,), "kept"), (("email_opened",), "kept")]
    assert values(Given(9), PRESENT) == [(9, "given"), *kept]


def test_without_a_present_plan_the_defaults_hold() -> None:
    defaults = [(1, "default"), ("UTC", "default"), ((0.8, 0.9, 1.0), "default"), (None, "default")]
    assert values(Given(9), None) == [(9, "given"), *defaults]
    assert list(THRESHOLDS) == DEFAULT_THRESHOLDS


def test_what_is_given_is_never_kept_not_even_nothing() -> None:
    given = Given(9, 0, "", (), ())
    said = [(9, "given"), (0, "given"), ("", "given"), ((), "given"), (None, "given")]
    assert values(given, PRESENT) == said


@pytest.mark.parametrize(
    ("said", "found"),
    [("Berlin", "Europe/Berlin"), ("europe/berln", "Europe/Berlin"), ("new york", "America/New_York")],
)
def test_near_zones_are_found_whatever_the_case_and_by_their_city(said: str, found: str) -> None:
    assert near(said, zones.names())[0] == found
    assert near("xyzzy", zones.names()) == []


def test_thresholds_are_shares_or_percents_in_order_each_once() -> None:
    assert plan_options.thresholds(["100%", "0.8", "80%", "57%"]) == (0.57, 0.8, 1.0)
    assert plan_options.thresholds(["none"]) == ()
    assert plan_options.thresholds(None) is None
    assert plan_options.thresholds([]) is None


@pytest.mark.parametrize("wrong", ["much", "", "nan", "inf", "none"])
def test_a_threshold_that_is_no_number_ends_the_command(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        plan_options.thresholds([wrong, "0.8"])
    assert ended.value.code == 2


def test_a_threshold_far_above_the_allowance_is_taken_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan_options.thresholds(["80", "80%", "10", "2000%"]) == (0.8, 10.0, 20.0, 80.0)
    said = " ".join(capsys.readouterr().err.split())
    assert said == "--threshold 80: 80 is 8,000 % of the allowance; for 80 % write 0.8 or 80%"


def test_activities_are_types_each_once_or_the_usual_list() -> None:
    assert plan_options.activities(["sms_sent", "email_opened", "sms_sent"]) == ("email_opened", "sms_sent")
    assert plan_options.activities(["default"]) == ()
    assert plan_options.activities(None) is None
