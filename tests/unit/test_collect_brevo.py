"""Brevo's payloads become the events that the expectations name, each with one id and one body."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import schemas
from connectors.collect.brevo import keys
from connectors.collect.brevo.rows import NESTING_MAX
from connectors.collect.endpoint import Endpoint
from connectors.collect.translation import Event, Refusal
from connectors.collect.vendors import VENDORS
from pipeline import rfc3339
from pipeline.core import vocabulary
from pipeline.core.reasons import Reject
from pipeline.event_bytes import encoder
from pipeline.topics import schema_of

SAMPLES = Path(__file__).parents[1] / "data" / "vendors" / "brevo"
BREVO = VENDORS["brevo"]


def table(name: str) -> list[dict[str, str]]:
    with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


EXPECTED, REFUSED, DUPLICATES = table("expected.tsv"), table("refused.tsv"), table("duplicates.tsv")
ENDPOINTS = {row["file"]: row for row in table("endpoints.tsv")}
DOCUMENTED = list(csv.DictReader(schemas.text("vocabulary/vendors/brevo.tsv").splitlines(), delimiter="\t"))


def endpoint(default: str | None = None, time_zone: str = "UTC", /, **fields: str) -> Endpoint:
    return Endpoint("e1", "brevo", "acme", "brevo", default or None, time_zone, MappingProxyType(fields))


def endpoint_of(file: str) -> Endpoint:
    row = ENDPOINTS[file]
    return endpoint(row["event"], row["time_zone"], **json.loads(row["fields"]))


def items(file: str) -> list[Any]:
    found = BREVO.items(json.loads((SAMPLES / file).read_text(encoding="utf-8")))
    assert found is not None
    return found


def sample(file: str, number: int = 0) -> dict[str, Any]:
    return dict(items(file)[number])


def event(item: dict[str, Any], at: Endpoint | None = None) -> dict[str, Any]:
    found = BREVO.translate(item, at or endpoint())
    assert isinstance(found, Event), found
    return found.fields


def refusal(item: dict[str, Any], at: Endpoint | None = None) -> Refusal:
    found = BREVO.translate(item, at or endpoint())
    assert isinstance(found, Refusal), found
    return found


def body(item: dict[str, Any], at: Endpoint | None = None) -> bytes:
    fields = event(item, at) | {"account_id": "acme", "source": "brevo"}
    schema = schema_of(vocabulary.load().types[fields["type"]].topic)
    return encoder(schemas.avro(f"events/{schema}.v1.avsc"))(fields)


def without(item: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}


# ---------------------------------------------------------------------------------------------------- samples


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


# ---------------------------------------------------------------------------------------------------- deliveries

ONE = sample("email_transactional-clicked.json")


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


# ---------------------------------------------------------------------------------------------------- names

SPELLINGS = [
    ("request", "email_sent"), ("requests", "email_sent"), ("sent", "email_sent"), ("Sent", "email_sent"),
    ("delivered", "email_delivered"), ("opened", "email_opened"), ("unique_opened", "email_opened"),
    ("uniqueOpened", "email_opened"), ("Opened", "email_opened"), ("click", "email_clicked"),
    ("clicks", "email_clicked"), ("clicked", "email_clicked"), ("unsubscribe", "email_unsubscribed"),
    ("unsubscribed", "email_unsubscribed"), ("soft_bounce", "email_soft_bounced"),
    ("softBounce", "email_soft_bounced"), ("softBounces", "email_soft_bounced"), ("Soft-Bounce", "email_soft_bounced"),
    ("hard_bounce", "email_hard_bounced"), ("hardBounces", "email_hard_bounced"), ("proxy_open", "email_proxy_opened"),
    ("uniqueProxyOpen", "email_proxy_opened"), ("loadedByProxy", "email_proxy_opened"), ("spam", "email_complained"),
    ("complaint", "email_complained"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "type_"), SPELLINGS)
@pytest.mark.parametrize("group", keys.EMAILS)
def test_an_emails_event_is_known_in_every_spelling(group: str, name: str, type_: str) -> None:
    found = keys.find(group, name)
    assert found is not None
    assert found.type == type_


def test_the_guide_names_every_spelling() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "vendors" / "brevo.md").read_text(encoding="utf-8")
    spellings = guide.partition("\nSpellings: ")[2]
    missing = {name for variants in keys.VARIANTS.values() for name in variants if f"`{name}`" not in spellings}
    assert not missing


@pytest.mark.parametrize(
    ("item", "at", "told"),
    [
        ({"camp_id": 1, "event": "opened"}, endpoint(), "email_marketing/Opened"),
        ({"camp_id": 1, "message-id": "m", "event": "opened"}, endpoint(), "email_marketing/Opened"),
        ({"message-id": "m", "msg_status": "sent", "event": "opened"}, endpoint(), "email_transactional/Opened"),
        ({"msg_status": "sent", "to": "39", "type": "Marketing"}, endpoint(), "sms_marketing/Sent"),
        ({"msg_status": "sent", "to": "39", "type": "transactional"}, endpoint(), "sms_transactional/Sent"),
        ({"msg_status": "sent", "to": "39"}, endpoint("sms_marketing"), "sms_marketing/Sent"),
        ({"msg_status": "clicked", "to": "39"}, endpoint(), "sms_marketing/Clicked"),
        ({"camp_id": 1, "msg_status": "sent", "to": "39"}, endpoint(), "sms_transactional/Sent"),
        ({"eventName": "conversationStarted"}, endpoint(), "conversations/conversation_started"),
        ({"event_name": "voucher_created"}, endpoint("custom"), "loyalty/voucher_created"),
        ({"event_name": "page_visited"}, endpoint(), "website/page_visited"),
        ({"event_name": "Rated us"}, endpoint("custom"), "custom/Rated us"),
        ({}, endpoint("custom/Rated us"), "custom/Rated us"),
        ({}, endpoint("custom"), "custom/*"),
        ({"event": "sent", "camp_id": 5}, endpoint("whatsapp"), "whatsapp/Sent"),
        ({"event": "opened"}, endpoint("email_marketing"), "email_marketing/Opened"),
        ({"event": "opened"}, endpoint(), "email_transactional/Opened"),
        ({}, endpoint("push/push_session_started"), "push/push_session_started"),
        ({}, endpoint("push_session_started"), "push/push_session_started"),
        ({"subtype": "unsubscribed"}, endpoint("push/push_subscribed"), "push/push_unsubscribed"),
        ({"event": "form_submitted"}, endpoint("push/push_subscribed"), "forms/form_submitted"),
        ({"camp_id": 1}, endpoint("email_marketing/Opened"), "email_marketing/Opened"),
        ({"kind": "pass_installed"}, endpoint(event="kind"), "wallet/pass_installed"),
    ],
)
def test_the_family_is_told_by_the_payload_and_else_by_the_endpoint(
    item: dict[str, Any], at: Endpoint, told: str
) -> None:
    assert event({"email": "a@b.example", "ts_event": 1794787200, **item}, at)["vendor_type"] == told


@pytest.mark.parametrize(
    ("item", "at", "reason"),
    [
        ({"camp_id": 1}, endpoint(), Reject.MISSING_FIELD),
        ({"camp_id": 1}, endpoint("push/push_subscribed"), Reject.MISSING_FIELD),
        ({}, endpoint("push"), Reject.MISSING_FIELD),
        ({}, endpoint("Sent"), Reject.UNKNOWN_TYPE),
        ({}, endpoint("wallet/Sent"), Reject.UNKNOWN_TYPE),
        ({"event": "delivered", "email": None}, endpoint(), Reject.UNKNOWN_TYPE),
        ({"message-id": "m", "event": "form_submitted"}, endpoint(), Reject.UNKNOWN_TYPE),
        ({"message-id": "m", "event": "Rated us"}, endpoint("custom"), Reject.UNKNOWN_TYPE),
        ({"event_name": "x@y.example 0033612345678"}, endpoint(), Reject.UNKNOWN_TYPE),
    ],
)
def test_what_nobody_names_is_refused(item: dict[str, Any], at: Endpoint, reason: Reject) -> None:
    found = refusal({"email": "a@b.example", "ts_event": 1794787200, **item}, at)
    assert found.reason == reason
    assert "@" not in found.detail
    assert "0033" not in found.detail


# ---------------------------------------------------------------------------------------------------- clocks


@pytest.mark.parametrize(
    ("clocks", "zone", "expected"),
    [
        (
            {"ts_epoch": 1794787200123, "ts_event": 1, "date": "2000-01-01 00:00:00"},
            "UTC",
            "2026-11-16T00:00:00.123000Z",
        ),
        ({"ts_epoch": 1794787200}, "UTC", "2026-11-16T00:00:00Z"),
        ({"ts_epoch": "1794787200123"}, "UTC", "2026-11-16T00:00:00.123000Z"),
        ({"s_epoch": 1794787200123, "ts_event": 1794787201}, "UTC", "2026-11-16T00:00:00.123000Z"),
        ({"ts_epoch": 17947872, "ts_event": 1794787201}, "UTC", "2026-11-16T00:00:01Z"),
        ({"ts_event": 1794787201, "date_event": "2026-11-16 09:00:00"}, "Asia/Tokyo", "2026-11-16T00:00:01Z"),
        ({"date_event": "2026-11-16 09:00:00"}, "Asia/Tokyo", "2026-11-16T00:00:00Z"),
        ({"date": "2026-11-16 01:00:00", "ts": 1}, "Europe/Paris", "2026-11-16T00:00:00Z"),
        ({"date": "2026-11-16T01:00:00+01:00"}, "Asia/Tokyo", "2026-11-16T00:00:00Z"),
        ({"event_date": "2026-11-16T00:00:00.5Z"}, "Asia/Tokyo", "2026-11-16T00:00:00.500000Z"),
        # 02:30 came twice: the first is meant; and was left out: as if the clock had not changed
        ({"date": "2026-10-25 02:30:00"}, "Europe/Paris", "2026-10-25T00:30:00Z"),
        ({"date": "2026-03-29 02:30:00"}, "Europe/Paris", "2026-03-29T01:30:00Z"),
    ],
)
def test_clocks_are_asked_in_their_order_of_trust(clocks: dict[str, Any], zone: str, expected: str) -> None:
    item = {"message-id": "m", "event": "opened", "email": "a@b.example", **clocks}
    assert rfc3339.text(event(item, endpoint(None, zone))["occurred_at"]) == expected


@pytest.mark.parametrize(
    ("clocks", "zone", "reason"),
    [
        ({"ts": 1794787200}, "UTC", Reject.MISSING_FIELD),
        ({"ts_epoch": True}, "UTC", Reject.IMPOSSIBLE_FIELD),
        ({"ts_epoch": 179478720012}, "UTC", Reject.IMPOSSIBLE_FIELD),
        ({"date": "16/11/2026"}, "UTC", Reject.IMPOSSIBLE_FIELD),
        ({"date": "2026-11-16 01:00:00"}, "Mars/Olympus", Reject.IMPOSSIBLE_FIELD),
        ({"date": {"a": 1}}, "UTC", Reject.IMPOSSIBLE_FIELD),
    ],
)
def test_an_event_without_a_readable_clock_is_refused(clocks: dict[str, Any], zone: str, reason: Reject) -> None:
    item = {"message-id": "m", "event": "opened", "email": "a@b.example", **clocks}
    assert refusal(item, endpoint(None, zone)).reason == reason


def test_a_clock_of_the_endpoints_own_is_asked_first() -> None:
    item = {"reporting": {"campaignId": 1}, "sent": {"at": 1794787200}, "ts_event": 1}
    at = endpoint("push/push_notification_clicked", occurred_at="/sent/at", profile_id="/reporting/campaignId")
    assert rfc3339.text(event(item, at)["occurred_at"]) == "2026-11-16T00:00:00Z"


# ---------------------------------------------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        (
            "email_transactional-clicked.json",
            {"id": 1, "ts": 2, "mirror_link": "x", "user_agent": "y", "device_used": "z", "tag": "t", "tags": ["t"]}
            | {"date": "2000-01-01 00:00:00", "ts_event": 1794787200, "event": "clicks"},
        ),
        ("email_marketing-clicked.json", {"id": 1, "ts": 2, "tag": "t", "date_event": "x", "user_agent": "y"}),
        ("email_marketing-opened.json", {"segment_ids": [9], "contact_id": 7, "link": "x", "event": "uniqueOpened"}),
        (
            "email_transactional-opened.json",
            {"sending_ip": "192.0.2.8", "contact_id": 7, "link": "", "user_agent": "z"},
        ),
        ("sms_transactional-sent.json", {"id": 1, "remaining_credit": 1}),
        ("loyalty-voucher_created.json", {"contact_properties": {"TIER": "bronze"}, "identifiers": {"contact_id": 0}}),
        ("conversations-conversation_started.json", {"agent": {"id": "a2"}, "ts": 7}),
        ("wallet-pass_installed.json", {"ts": 7, "user_agent": "z"}),
    ],
)
def test_what_varies_by_delivery_changes_neither_id_nor_body(file: str, changes: dict[str, Any]) -> None:
    item, at = sample(file), endpoint_of(file)
    for name, value in changes.items():
        assert body({**item, name: value}, at) == body(item, at), name
    assert body({**item, **changes}, at) == body(item, at)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        (
            "email_transactional-clicked.json",
            {"message-id": "m", "email": "z@z.example", "event": "opened", "ts_epoch": 1794787200000, "link": "l"},
        ),
        (
            "email_marketing-clicked.json",
            {"camp_id": 1, "email": "z@z.example", "event": "sent", "ts_event": 1794787200, "URL": "l"},
        ),
        ("sms_marketing-sent.json", {"messageId": 1, "to": "33", "msg_status": "delivered"}),
        ("sms_marketing-clicked.json", {"messageId": 1, "to": "33", "date": "2026-11-16 01:00:00", "link": "l"}),
        ("loyalty-voucher_created.json", {"event_id": "other"}),
        (
            "conversations-message_received.json",
            {"conversationId": "c", "message": {"id": "m", "createdAt": 1794787200}},
        ),
        ("wallet-pass_installed.json", {"contact_id": 1, "ts_event": 1794787200, "passId": "p", "event": "pass_moved"}),
        ("ecommerce-order_completed.json", {"id": "another", "amount": 1}),
    ],
)
def test_what_the_recipe_names_changes_the_id(file: str, changes: dict[str, Any]) -> None:
    item, at = sample(file), endpoint_of(file)
    ids = [event({**item, name: value}, at)["event_id"] for name, value in changes.items()]
    assert len({event(item, at)["event_id"], *ids}) == len(ids) + 1


def test_an_sms_without_a_message_id_goes_by_its_reference() -> None:
    item = without(sample("sms_marketing-sent.json"), "messageId")
    assert event(item)["event_id"] != event({**item, "reference": "other"})["event_id"]
    assert event(item)["event_id"] == event({**item, "sms_count": 7})["event_id"]


def test_a_message_id_is_one_with_and_without_brackets_and_an_address_in_any_case() -> None:
    item = sample("email_transactional-delivered.json")
    bare = {**item, "message-id": item["message-id"].strip("<>"), "email": f" {item['email'].upper()}"}
    assert body(bare) == body(item)


# ---------------------------------------------------------------------------------------------------- what it says


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


# ---------------------------------------------------------------------------------------------------- exported rows


def test_a_row_of_an_export_is_the_event_of_its_webhook() -> None:
    item = sample("email_transactional-clicked.json")
    cells = {
        "Event": "clicks", "Email": item["email"], "Message ID": item["message-id"], "ts_epoch": str(item["ts_epoch"]),
        "Link": item["link"], "Subject": item["subject"], "Template Id": str(item["template_id"]),
        "Contact ID": str(item["contact_id"]), "Sending IP": item["sending_ip"], "Reason": " ",
        "x-mailin-custom": item["X-Mailin-custom"],
    }  # fmt: skip
    assert body(dict(BREVO.row(cells, endpoint()))) == body(item)


def test_a_column_that_the_endpoint_names_is_found_by_that_name() -> None:
    at = endpoint(None, "Europe/Paris", event="Status", occurred_at="When", email="E-mail", campaign_id="Campaign ID")
    cells = {"Status": "hardBounces", "When": "2026-11-16 01:00:00", "E-mail": "A@b.example", "Campaign ID": "c9"}
    fields = event(dict(BREVO.row(cells, at)), at)
    assert (fields["type"], fields["profile_id"], fields["campaign_id"]) == ("email_hard_bounced", "a@b.example", "c9")
    assert rfc3339.text(fields["occurred_at"]) == "2026-11-16T00:00:00Z"


def test_a_campaigns_column_may_be_spelled_out() -> None:
    cells = {"event": "clicks", "email": "a@b.example", "Campaign ID": "c9", "ts_event": "1794787200"}
    assert event(dict(BREVO.row(cells, endpoint())))["campaign_id"] == "c9"


def test_a_row_of_sms_has_its_own_message_id() -> None:
    cells = {"msg_status": "sent", "to": "33", "Message Id": "12", "date": "2026-11-16 01:00:00", "type": "marketing"}
    assert BREVO.row(cells, endpoint())["messageId"] == "12"
