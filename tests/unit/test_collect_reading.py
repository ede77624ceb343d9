"""Items read by roles, and the bodies to paste that these readings understand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.collect import template_body
from connectors.collect.default_types import canonical
from connectors.collect.reading import Reading, Unfit, first_somebody
from connectors.collect.template_body import Part
from connectors.producer.fields import shown, shown_place
from pipeline.core import vocabulary
from pipeline.core.validate import ID_BYTES_MAX
from tests.written_samples import endpoint


def reading(item: dict[str, Any], **fields: str) -> Reading:
    return Reading(item, endpoint("connectif", "", "UTC", **fields))


def test_the_endpoints_place_goes_before_the_vendors_keys_and_both_are_taken() -> None:
    item = {"a": " own ", "b": "theirs", "c": 1, "d": {"e": "deep"}, "empty": " "}
    read = reading(item, role="a", deep="/d/e", other="empty")
    assert read.text("role", "b") == "own"
    assert read.text("deep") == "deep"
    assert read.text("other", "c") == "1"
    assert read.rest() == {"d": '{"e":"deep"}'}


def test_places_that_no_role_asked_for_are_properties_of_their_names() -> None:
    read = reading({"a": 1, "b": 2, "d": {"e": [3]}}, role="a", value="/d/e/0", nothing="x")
    assert read.text("role") == "1"
    assert read.named() == {"value": "3"}
    assert read.rest() == {"b": "2", "d": '{"e":[3]}'}


@pytest.mark.parametrize("value", [{"a": 1}, [1], True, False, "${Recipient.Id}", " {{a.b}} ", "<the id>"])
def test_what_is_no_value_is_none(value: Any) -> None:
    with pytest.raises(Unfit) as told:
        reading({"a": value}).text("role", "a")
    assert told.value.refusal.reason == "impossible_field"
    assert told.value.refusal.detail.startswith("role ")


@pytest.mark.parametrize("value", ["a <b> c", "x${y}", "{{a}}b", "<a", "price < 5 > 3"])
def test_a_value_that_holds_what_placeholders_hold_is_a_value(value: str) -> None:
    assert reading({"a": value}).text("role", "a") == value


def test_an_id_at_its_bound_passes() -> None:
    assert reading({"a": "é" * (ID_BYTES_MAX // 2)}).id("role", "a")
    with pytest.raises(Unfit, match="more than 512 bytes"):
        reading({"a": "é" * (ID_BYTES_MAX // 2) + "e"}).id("role", "a")


@pytest.mark.parametrize(
    ("value", "is_true"), [(True, 1), ("TRUE", 1), (1, 1), ("yes", 1), (False, 0), ("no", 0), (0, 0)]
)
def test_flags(value: Any, is_true: int) -> None:
    assert reading({"a": value}).flag("is_test", "a") == bool(is_true)


def test_the_first_that_names_somebody() -> None:
    assert first_somebody({"a": None, "b": "", "c": "guest", "d": "x"}) == "x"
    assert first_somebody({"a": None, "b": ""}) is None
    with pytest.raises(Unfit, match="a and c: holds an id that names nobody"):
        first_somebody({"a": "0", "b": None, "c": "NULL"})


def test_a_body_puts_parts_where_the_endpoint_finds_them() -> None:
    parts = [Part("event", "event", "<e>"), Part("who", "/a/b", "<w>"), Part("when", "when", "<t>")]
    at = endpoint("mindbox", "", "UTC", when="/a/c~1d", value="total")
    assert json.loads(template_body.body(parts, at)) == {
        "event": "<e>", "a": {"b": "<w>", "c/d": "<t>"}, "total": "<value>",
    }  # fmt: skip


def test_a_body_keeps_the_words_of_a_part_whose_place_another_role_shares() -> None:
    at = endpoint("connectif", "", "UTC", profile_id="event")
    assert json.loads(template_body.body([Part("event", "event", "<e>")], at)) == {"event": "<e>"}


def test_types_that_an_endpoint_may_name() -> None:
    assert canonical("email_sent") == "email_sent"
    names = ("account_plan_set", "profile_merged", "profile_split", "account_delivery_refused", "x", "", None)
    assert not any(canonical(name) for name in names)


KEYS = ["hard_bounce", "Hard Bounce", "email/click", "hardBounce", "email_bakced", "push.a1:b2-c3", "open_" + "a" * 59]


@pytest.mark.parametrize("key", KEYS)
def test_words_repeat_what_looks_like_a_vendors_key(key: str) -> None:
    assert shown(key) == repr(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " a",
        "a ",
        "a  b",
        "a1234",
        "1 2 3 4",
        "a@b",
        "a%40b",
        "\uff20",
        "a\n",
        "ключ",
        "\u0661",
        "open" + "a" * 61,
        "a+b",
    ],
)
def test_words_tell_of_what_does_not_its_length_alone(text: str) -> None:
    assert shown(text) == f"a text of {len(text)} characters"


@pytest.mark.parametrize(
    "name",
    ["Anna Smith", "anna smith", "Anna", "anna", "anna.smith", "anna-smith", "AnnaSmith", "Anna_Sent", "Max Sent"],
)
def test_words_repeat_no_name_of_a_contact(name: str) -> None:
    assert shown(name) == f"a text of {len(name)} characters"


@pytest.mark.parametrize("key", ["Anna Smith", "Anna", "ANNA", "anna smith", "a@b", "79991234567"])
def test_words_say_of_a_place_whose_key_may_be_a_contacts_its_length(key: str) -> None:
    assert shown_place(key, "properties") == f"properties: a text of {len(key)} characters"
    assert shown_place("customerId", "properties") == "properties.customerId"


def test_every_vendors_keys_look_like_keys() -> None:
    places = [place for vendor, place in vocabulary.load().vendors if "*" not in place]
    assert [place for place in places if shown(place) != repr(place)] == []
