"""Brevo's payloads to canonical events: samples, deliveries, what an event says and of whom."""

from __future__ import annotations

import re
from typing import Any

import pytest

from connectors.collect.brevo import keys
from connectors.collect.brevo.rows import NESTING_MAX
from pipeline import rfc3339
from pipeline.core import vocabulary
from pipeline.core.reasons import Reject
from tests.unit.brevo_world import (
    BREVO,
    DOCUMENTED,
    DUPLICATES,
    ENDPOINTS,
    EXPECTED,
    ONE,
    REFUSED,
    SAMPLES,
    body,
    endpoint,
    endpoint_of,
    event,
    items,
    refusal,
    sample,
    without,
)


def named(row: dict[str, str]) -> str:
    key = {"*": "any"}.get(row["key"], row["key"])
    if row["group"] in (*keys.EMAILS, *keys.SMSES, keys.WHATSAPP):
        key = re.sub("[ -]", "_", key).lower()
    return f"{row['group']}-{key}.json"


@pytest.mark.parametrize("row", DOCUMENTED, ids=lambda row: f"{row['group']}/{row['key']}")
def test_there_is_a_sample_of_every_documented_key_that_becomes_its_type(row: dict[str, str]) -> None:
    fields = event(sample(named(row)), endpoint_of(named(row)))
    told = "custom/Added to wishlist" if row["key"] == "*" else f"{row['group']}/{row['key']}"
    assert fields["vendor_type"] == told
    assert fields["type"] == vocabulary.load().type_of("brevo", row["group"], row["key"])


def test_every_sample_has_its_endpoint_and_every_item_its_expectation() -> None:
    files = {path.name for path in SAMPLES.glob("*.json")}
    assert files == set(ENDPOINTS)
    told = [(row["file"], int(row["item"])) for row in (*EXPECTED, *REFUSED, *DUPLICATES)]
    assert sorted(told) == sorted((file, number) for file in files for number in range(len(items(file))))


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: f"{row['file']}-{row['item']}")
def test_a_sample_becomes_the_event_that_is_expected(row: dict[str, str]) -> None:
    fields = event(sample(row["file"], int(row["item"])), endpoint_of(row["file"]))
    info = vocabulary.load().types[row["type"]]
    assert fields["type"] == row["type"]
    assert info.channel == row["channel"]
    assert rfc3339.text(fields["occurred_at"]) == row["occurred_at"]
    for name in ("profile_id", "message_id", "campaign_id", "link"):
        assert (fields.get(name) or "") == row[name], name
    assert info.activity == (row["activity"] == "1")


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: f"{row['file']}-{row['item']}")
def test_what_is_no_event_is_refused_with_its_reason_and_without_an_address(row: dict[str, str]) -> None:
    item = items(row["file"])[int(row["item"])]
    if not isinstance(item, dict):
        assert row["reason"] == "undecodable"  # by the caller: it is no payload at all
        return
    found = refusal(item, endpoint_of(row["file"]))
    assert found.reason == Reject(row["reason"])
    assert "@" not in found.detail
    assert not re.search(r"\d{5}", found.detail)


@pytest.mark.parametrize("row", DUPLICATES, ids=lambda row: f"{row['file']}-{row['item']}")
def test_two_payloads_that_tell_one_event_are_one_identity_with_one_body(row: dict[str, str]) -> None:
    at = endpoint_of(row["file"])
    one, other = sample(row["file"], int(row["item"])), sample(row["file"], int(row["of"]))
    assert one != other
    assert body(one, at) == body(other, at)


def test_no_two_expected_events_share_an_identity() -> None:
    ids = [event(sample(row["file"], int(row["item"])), endpoint_of(row["file"]))["event_id"] for row in EXPECTED]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (ONE, [ONE]),
        ([ONE, 7], [ONE, 7]),
        ([], []),
        ({"events": [ONE, ONE]}, [ONE, ONE]),
        ({"events": []}, []),
        ({"count": 2, "data": [ONE, 7]}, [ONE, 7]),
        ({"a": [ONE], "b": [ONE]}, [{"a": [ONE], "b": [ONE]}]),
        ({"id": 1, "products": [{"price": 2}]}, [{"id": 1, "products": [{"price": 2}]}]),
        ({**without(ONE, "tags"), "segment_ids": [1]}, [{**without(ONE, "tags"), "segment_ids": [1]}]),
        ({}, [{}]),
        ("text", None),
        (7, None),
        (None, None),
    ],
)
def test_a_body_is_a_payload_a_list_or_an_object_around_one_list(document: Any, found: list[Any] | None) -> None:
    assert BREVO.items(document) == found


def test_an_event_that_holds_a_list_is_one_event() -> None:
    updated = sample("contact_updated.json")
    assert BREVO.items(updated) == [updated]
    assert BREVO.items({**updated, "content": [{"event": "x"}]}) == [{**updated, "content": [{"event": "x"}]}]


def test_success_is_200_and_later_is_429() -> None:
    assert (BREVO.success, BREVO.try_again) == (200, 429)


def test_what_has_no_column_is_kept_and_the_address_is_not_repeated() -> None:
    assert event(sample("email_transactional-hard_bounce.json"))["properties"] == {
        "X-Mailin-custom": '{"order": 17}',
        "contact_id": "9015",
        "message-id": "2026111608.00015@smtp-relay.example",
        "reason": "RecipientError: 550 5.5.0",
        "sending_ip": "192.0.2.7",
        "subject": "Your order",
        "template_id": "55",
    }


def test_contact_0_is_none_and_not_kept() -> None:
    assert "contact_id" not in event({**ONE, "contact_id": 0})["properties"]


def test_a_template_and_a_campaign_of_one_number_are_two_messages() -> None:
    transactional = {**sample("email_transactional-opened.json"), "template_id": 7}
    marketing = {**sample("email_marketing-opened.json"), "camp_id": 7}
    assert (event(transactional)["campaign_id"], event(marketing)["campaign_id"]) == ("template:7", "7")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"tags": ["b", "a", "b"]}, 'tag:["a","b"]'),
        ({"tag": '["a"]'}, "tag:a"),
        ({"tag": "a", "tags": ["b"]}, "tag:b"),
        ({"tag": "[broken"}, "tag:[broken"),
        ({"tag": ""}, None),
        ({"tags": [1, None]}, None),
        ({"template_id": 0}, None),
    ],
)
def test_without_a_template_the_tags_are_the_message(said: dict[str, Any], message: str | None) -> None:
    item = without(sample("email_transactional-opened.json"), "template_id", "tag", "tags")
    assert event({**item, **said})["message_id"] == message


def test_tags_longer_than_an_id_may_be_are_told_by_their_hash() -> None:
    item = without(sample("email_transactional-opened.json"), "template_id")
    found = event({**item, "tags": ["x" * 600]})["message_id"]
    assert re.fullmatch("tag:[0-9a-f]{32}", found)


def test_an_endpoint_places_message_campaign_link_person_and_id() -> None:
    item = {**ONE, "who": "p1", "mail": "m1", "camp": "c1", "where": "https://l.example", "uid": "u1"}
    at = endpoint(profile_id="who", message_id="mail", campaign_id="camp", link="where", event_id="uid")
    fields = event(item, at)
    assert [fields[name] for name in ("profile_id", "message_id", "campaign_id", "link", "event_id")] == [
        "p1", "m1", "c1", "https://l.example", "u1",
    ]  # fmt: skip
    assert fields["properties"]["email"] == ONE["email"]
    assert not {"who", "mail", "camp", "where", "uid"} & set(fields["properties"])


def test_a_place_of_the_endpoints_own_for_the_message_leaves_the_template_as_campaign() -> None:
    fields = event({**ONE, "template_id": 7, "mail": "m1"}, endpoint(message_id="mail"))
    assert (fields["message_id"], fields["campaign_id"]) == ("m1", "template:7")
    fields = event({**without(ONE, "template_id", "tags", "tag"), "mail": "m1"}, endpoint(message_id="mail"))
    assert (fields["message_id"], fields["campaign_id"]) == ("m1", "m1")


def test_an_event_id_of_its_own_is_kept_as_the_id_alone() -> None:
    item = sample("loyalty-voucher_created.json")
    assert event(item)["event_id"] == item["event_id"]
    assert "event_id" not in event(item)["properties"]


def test_a_field_that_is_no_role_becomes_a_property_of_its_name() -> None:
    assert event(sample("ecommerce-order_completed.json"), endpoint(value="amount"))["properties"]["value"] == "49.9"


@pytest.mark.parametrize(("said", "expected"), [(True, True), ("yes", True), (1, True), (False, False), (None, False)])
def test_a_test_is_what_the_endpoints_mark_says(said: object, expected: bool) -> None:
    assert event({**ONE, "mark": said}, endpoint(is_test="mark"))["is_test"] is expected
    assert event({**ONE, "is_test": True})["is_test"] is False


@pytest.mark.parametrize(
    ("said", "profile"),
    [
        ({"email": "A@B.example", "contact_id": 5}, "a@b.example"),
        ({"contact_id": 5}, "5"),
        ({"contact_id": 0, "identifiers": {"ext_id": "x9"}}, "x9"),
        ({"identifiers": {"email_id": "A@B.example", "contact_id": 5}, "contact_id": 5}, "a@b.example"),
        ({"event_participants": [{"EMAIL": "A@B.example"}]}, "a@b.example"),
        ({"visitor": {"id": "v1"}}, "v1"),
        ({"visitor": "v1"}, "v1"),
        ({"to": "+33 6"}, "33 6"),
        ({"email": "null"}, None),
        ({}, None),
    ],
)
def test_a_person_is_found_where_its_family_names_it(said: dict[str, Any], profile: str | None) -> None:
    assert event({"event": "page_visited", "ts_event": 1794787200, **said})["profile_id"] == profile


def test_a_contacts_attributes_are_those_that_brevo_names_itself() -> None:
    fields = event(sample("contact_updated.json"), endpoint_of("contact_updated.json"))
    assert fields["attributes"] == {"email": fields["profile_id"], "first_name": "Rae", "last_name": "Der"}


def test_an_id_longer_than_any_is_refused() -> None:
    assert refusal({**ONE, "email": "x" * 513}).reason == Reject.IMPOSSIBLE_FIELD
    assert event({**ONE, "email": "x" * 512})["profile_id"] == "x" * 512
    assert refusal({**ONE, "template_id": "x" * 504}).reason == Reject.IMPOSSIBLE_FIELD
    assert event({**ONE, "template_id": "x" * 503})["campaign_id"] == "template:" + "x" * 503


def test_a_payload_may_be_nested_to_its_bound_and_no_deeper() -> None:
    nest: Any = "x"
    for _ in range(NESTING_MAX - 1):
        nest = [nest]
    assert event({**ONE, "extra": nest})["properties"]["extra"].startswith("[[[")
    assert refusal({**ONE, "extra": [nest]}).reason == Reject.UNDECODABLE
    assert event({**without(ONE, "template_id"), "tag": "[" * 100_000})["message_id"] is None
