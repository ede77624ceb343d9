"""Connectif's calls to canonical events: samples, names, contacts, ids, the body to paste."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

import schemas
from connectors.collect.connectif import keys, template
from connectors.collect.rows import Translator
from pipeline import rfc3339
from pipeline.core import vocabulary
from pipeline.topics import SCHEMAS
from tests.unit.connectif_world import AT, OPENED, SAMPLES
from tests.written_samples import Row, body, check, endpoint, event, refusal

DOCUMENTED = list(csv.DictReader(schemas.text("vocabulary/vendors/connectif.tsv").splitlines(), delimiter="\t"))


def test_there_is_a_sample_of_every_key_and_of_every_other_name_of_one() -> None:
    files = {path.stem for path in SAMPLES.folder.glob("*.json")}
    assert len(DOCUMENTED) == 39
    assert {row["key"] for row in DOCUMENTED} | {*keys.DOCUMENTED} | {*keys.INFERRED} <= files
    listed = {row["file"] for row in SAMPLES.expected + SAMPLES.refused}
    assert listed == {f"{file}.json" for file in files} == {row["file"] for row in SAMPLES.table("endpoints.tsv")}


def test_every_item_of_the_samples_is_expected_once() -> None:
    items = [
        (path.name, str(n)) for path in SAMPLES.folder.glob("*.json") for n in range(len(SAMPLES.items(path.name)))
    ]
    assert sorted(items) == sorted((row["file"], row["item"]) for row in SAMPLES.expected + SAMPLES.refused)


@pytest.mark.parametrize("row", SAMPLES.expected, ids=lambda row: f"{row['file']}-{row['item']}")
def test_an_item_becomes_what_is_expected(row: Row) -> None:
    at = SAMPLES.endpoint_of(row["file"])
    item = SAMPLES.items(row["file"])[int(row["item"])]
    check(event(item, at), row)
    assert body(item, at)


@pytest.mark.parametrize("row", SAMPLES.refused[:-1], ids=lambda row: row["item"])
def test_an_item_that_is_no_event_is_refused_with_the_expected_reason(row: Row) -> None:
    item = SAMPLES.items(row["file"])[int(row["item"])]
    assert refusal(item, SAMPLES.endpoint_of(row["file"])).reason == row["reason"]


def test_all_samples_have_ids_of_their_own() -> None:
    found = [
        event(SAMPLES.items(row["file"])[int(row["item"])], SAMPLES.endpoint_of(row["file"]))["event_id"]
        for row in SAMPLES.expected
    ]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("hyphen", "‐‑‒–—―⁃−﹘﹣－_ ")  # noqa: RUF001 they are what is tested
def test_any_hyphen_is_a_hyphen(hyphen: str) -> None:
    named = f" Contact{hyphen}Entered{hyphen}Segment "
    assert keys.normal(named) == "entity-entered-segment"


def test_a_group_that_is_not_the_keys_is_no_name() -> None:
    assert keys.normal("email/email-opened") == keys.normal("email-opened") == "email-opened"
    assert keys.normal("web_content/web-content-opened") == "web-content-opened"
    assert keys.type_of(keys.normal("sms/email-opened")) is None


def test_a_call_that_names_an_event_is_that_event_and_no_call() -> None:
    named, plain = event(OPENED, AT), event({k: v for k, v in OPENED.items() if k != "event"}, AT)
    assert (named["type"], named["vendor_type"]) == ("email_opened", "email-opened")
    assert (plain["type"], plain["vendor_type"]) == ("crm_webhook_executed", "execute-webhook")
    assert plain["properties"] == {"content_id": "m1"}


def test_what_a_call_names_goes_before_what_its_endpoint_does() -> None:
    at = endpoint("connectif", "web_content/web-content-opened")
    assert event(OPENED, at)["type"] == "email_opened"
    assert event({**OPENED, "event": ""}, at)["type"] == "web_opened"
    assert event(OPENED, endpoint("connectif", "email_sent"))["type"] == "email_opened"


def test_an_endpoint_may_name_a_canonical_type_but_no_plan_no_merge_no_split() -> None:
    found = event({**OPENED, "event": None}, endpoint("connectif", "email_sent"))
    assert (found["type"], found["vendor_type"]) == ("email_sent", None)
    for name in ("account_plan_set", "profile_merged", "profile_split"):
        assert refusal({**OPENED, "event": None}, endpoint("connectif", name)).reason == "unknown_type"


def test_a_refusal_of_an_unknown_name_repeats_no_address() -> None:
    assert "'email-read'" in refusal({**OPENED, "event": "email-read"}, AT).detail
    assert "anna" not in refusal({**OPENED, "event": "anna@shop.example"}, AT).detail
    assert "600" not in refusal({**OPENED, "event": "34600123456"}, AT).detail


def test_a_contacts_own_data_are_kept_on_contact_events_alone() -> None:
    own = {"email": "a@shop.example", "phone": "+34600", "first_name": "Anna", "date_of_birth": "1990-01-01"}
    assert event({**OPENED, **own}, AT)["properties"] == {}
    created = event({**OPENED, **own, "event": "entity-created", "points": 12}, AT)
    assert created["attributes"] == {
        "email": "a@shop.example", "mobile_phone": "+34600", "first_name": "Anna", "date_of_birth": "1990-01-01",
        "points": "12",
    }  # fmt: skip
    assert created["properties"] == {"content_id": "m1"}


def test_what_the_contact_sheet_reads_is_where_it_reads_it() -> None:
    bought = event(SAMPLES.items("purchase.json")[0], AT)
    assert bought["properties"]["value"] == "59.90"
    assert event(SAMPLES.items("cart-product-added.json")[0], AT)["properties"] == {"product_id": "sku-17"}
    assert event(SAMPLES.items("entity-entered-segment.json")[0], AT)["properties"] == {"segment": "vip"}
    assert event(SAMPLES.items("custom-event.json")[0], AT)["properties"]["points"] == "120"
    moved = event(SAMPLES.items("push-notification-migrate-subscription.json")[0], AT)
    assert (moved["profile_id"], moved["properties"]) == ("tracker-029", {"from_profile_id": "tracker-929"})


def test_a_merge_names_whom_it_ends_and_who_is_kept() -> None:
    merged = event(SAMPLES.items("contact-merged.json")[0], AT)
    assert (merged["sources"], merged["target"], merged["properties"]) == (["tracker-942"], "tracker-042", {})
    several = event({**OPENED, "event": "entity-merged", "sources": ["a", 5], "target": "b"}, AT)
    assert (several["sources"], several["target"], several["profile_id"]) == (["a", "5"], "b", "b")


def test_an_address_is_the_same_contact_in_any_case() -> None:
    at = endpoint("connectif", "", "UTC", profile_id="email")
    assert event({**OPENED, "email": "Ann@Shop.example"}, at)["profile_id"] == "ann@shop.example"
    merged = event({**OPENED, "event": "entity-merged", "sources": ["B@x.example"], "target": "A@x.example"}, AT)
    assert (merged["sources"], merged["target"]) == (["b@x.example"], "a@x.example")
    assert event({**OPENED, "contact_id": "C1"}, AT)["profile_id"] == "C1"


def test_half_of_a_pair_in_an_id_is_refused() -> None:
    assert refusal({**OPENED, "event": "entity-merged", "sources": ["\ud800"]}, AT).reason == "impossible_field"


def test_an_identification_that_names_the_anonymous_profile_merges_it() -> None:
    found = event(SAMPLES.items("contact-identified-anonymous.json")[0], AT)
    assert (found["type"], found["vendor_type"]) == ("profile_merged", "entity-identified")
    assert (found["sources"], found["target"]) == (["tracker-944"], "tracker-044")
    assert found["attributes"] == {"email": "gala@shop.example"}
    same = {**OPENED, "event": "entity-identified", "previous_contact_id": "c1"}
    assert event(same, AT)["type"] == "profile_identified"


def test_the_same_call_has_one_id_and_one_body_however_its_keys_are_ordered() -> None:
    assert body(dict(reversed(OPENED.items())), AT) == body(OPENED, AT)


@pytest.mark.parametrize("name", [*OPENED, "link", "anything"])
def test_another_value_anywhere_is_another_event(name: str) -> None:
    other = {"event": "email-bounce", "occurred_at": "2026-11-16T09:00:00.000001Z"}.get(name, "other")
    assert event({**OPENED, name: other}, AT)["event_id"] != event(OPENED, AT)["event_id"]


def test_the_same_fields_at_endpoints_of_two_events_are_two_events() -> None:
    unnamed = {**OPENED, "event": None}
    ids = {
        event(unnamed, endpoint("connectif", name))["event_id"]
        for name in ("email-opened", "email_sent", "email-bounce")
    }
    assert len(ids) == 3


def test_what_the_parser_takes_and_the_id_cannot_is_refused() -> None:
    translator = Translator(vocabulary.load(), dict.fromkeys(SCHEMAS, 1))
    for depth in range(900, 1_010):
        text = json.dumps({**OPENED, "deep": 0}).replace("0}", "[" * depth + "]" * depth + "}")
        (told,) = translator.messages(text.encode(), AT, SAMPLES.vendor, 0)
        assert told.refusal is None or "nested too deeply" in told.refusal.detail


def test_ids_that_a_template_fills_with_nothing_are_none() -> None:
    ids = {event({**OPENED, "event_id": one, "link": "a"}, AT)["event_id"] for one in ("null", "0", "undefined")}
    assert not ids & {"null", "0", "undefined"}
    nothing = event({**OPENED, "content_id": "null", "workflow_id": "undefined"}, AT)
    assert not {"message_id", "campaign_id"} & set(nothing)


def test_an_id_of_the_accounts_own_is_kept() -> None:
    assert event({**OPENED, "event_id": 77}, AT)["event_id"] == "77"


def rendered(text: str, values: dict[str, str]) -> Any:
    """The body with values in place of its placeholders, told by their keys."""
    return {name: values.get(name, "") for name in json.loads(text)}


def test_the_body_to_paste_becomes_the_expected_event_once_it_has_values() -> None:
    values = {**OPENED, "email": "a@shop.example", "external_id": "x9", "workflow_id": "w1", "content_name": "News"}
    del values["contact_id"]
    found = event(rendered(template.body(AT), values), AT)
    assert found | {"event_id": ""} == {
        "type": "email_opened", "vendor_type": "email-opened", "occurred_at": rfc3339.parse("2026-11-16T09:00:00Z"),
        "is_test": False, "event_id": "", "profile_id": "x9", "message_id": "m1", "campaign_id": "w1",
        "properties": {"content_name": "News"},
    }  # fmt: skip


def test_the_body_names_what_its_endpoint_knows() -> None:
    assert json.loads(template.body(endpoint("connectif", "email/email-opened")))["event"] == "email-opened"
    assert "event" not in json.loads(template.body(endpoint("connectif", "email_sent")))
    at = endpoint("connectif", occurred_at="when", profile_id="/who/id", value="/order/total")
    found = json.loads(template.body(at))
    assert {"when", "who", "order"} < set(found)
    assert "occurred_at" not in found


def test_a_placeholder_that_stayed_is_refused() -> None:
    assert refusal(json.loads(template.body(AT)), AT).reason == "impossible_field"


@pytest.mark.parametrize("field", [part for part in json.loads(template.body(AT)) if part not in OPENED])
def test_each_placeholder_of_the_body_is_refused_by_its_field(field: str) -> None:
    found = refusal({**OPENED, field: json.loads(template.body(AT))[field]}, AT)
    assert found.reason == "impossible_field"
    assert found.detail.split(" ")[0] in (field, "campaign_id")


@pytest.mark.parametrize(
    ("stayed", "named"),
    [
        ({"foo": "${x}"}, "foo"),
        ({"foo": {"a": ["{{x}}"]}}, "foo.a.0"),
        ({"content_name": "<name of that content>"}, ""),
    ],
)
def test_a_placeholder_in_a_field_of_the_account_is_refused(stayed: dict[str, Any], named: str) -> None:
    found = refusal({**OPENED, **stayed}, AT)
    assert (found.reason, found.detail.split(" ")[0]) == ("impossible_field", named or "content_name")
    assert event({**OPENED, "foo": "<name>"}, AT)["properties"]["foo"] == "<name>"


@pytest.mark.parametrize("name", ["email/email-opened", "Email-Opened", "email\u2011opened", " email_opened"])
def test_a_call_has_one_id_however_its_event_is_spelled(name: str) -> None:
    found = event({**OPENED, "event": name}, AT)
    assert found == event(OPENED, AT)
    at = endpoint("connectif", "", "UTC", event="/meta/what")
    spelled = {**OPENED, "event": None, "meta": {"what": name, "x": 1}}
    plain = {**OPENED, "event": None, "meta": {"what": "email-opened", "x": 1}}
    assert event(spelled, at)["event_id"] == event(plain, at)["event_id"]


@pytest.mark.parametrize("name", ["0151 1234 5678", "49-151-1234", "anna%40mail.example", "anna\uff20mail.example"])
def test_the_words_of_an_unknown_event_repeat_no_address(name: str) -> None:
    assert refusal({**OPENED, "event": name}, AT).detail.startswith(f"event a text of {len(name)} characters is no")
    assert "'email-opend'" in refusal({**OPENED, "event": "Email-Opend"}, AT).detail
