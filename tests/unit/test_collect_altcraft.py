"""Altcraft's hooks to canonical events: samples, what is kept of them, persons, and what is no event."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Callable
from typing import Any

import pytest

import schemas
from connectors.collect.altcraft.rows import KEYS
from connectors.collect.endpoint import Endpoint
from connectors.collect.translation import Event
from pipeline import rfc3339
from pipeline.core import vocabulary
from pipeline.core.reasons import Reject
from tests.unit.altcraft_world import (
    ALTCRAFT,
    CLICK,
    ENDPOINT,
    EXPECTED,
    REFUSED,
    SAMPLES,
    body,
    endpoint,
    event,
    put,
    refusal,
    sample,
    without,
)


def test_there_is_a_sample_of_every_key_and_nothing_else() -> None:
    listed = {path.name for path in SAMPLES.glob("*.json")}
    keys = {
        row["key"]
        for row in csv.DictReader(schemas.text("vocabulary/vendors/altcraft.tsv").split("\n"), delimiter="\t")
    }
    assert len(keys) == 80
    assert keys == set(KEYS)
    others = {name for name in listed if name.startswith("batch_")} | {"single_object.json", "empty.json"}
    assert listed == {f"{key}.json" for key in keys} | others
    assert {row["file"] for row in EXPECTED} == listed - {"empty.json"}


def test_every_item_of_the_samples_is_expected_once() -> None:
    items = [
        (path.name, str(number))
        for path in sorted(SAMPLES.glob("*.json"))
        for number in range(len(ALTCRAFT.items(json.loads(path.read_text(encoding="utf-8"))) or []))
    ]
    assert sorted(items) == sorted((row["file"], row["item"]) for row in EXPECTED + REFUSED)


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: f"{row['file']}-{row['item']}")
def test_an_item_becomes_what_is_expected(row: dict[str, str]) -> None:
    item = sample(row["file"], int(row["item"]))
    found = event(item)
    assert found["type"] == row["type"]
    assert vocabulary.load().types[found["type"]].channel == row["channel"]
    for name in ("profile_id", "message_id", "campaign_id", "link"):
        assert (found.get(name) or "") == row[name], name
    assert found["occurred_at"] == rfc3339.parse(row["occurred_at"])
    assert found["vendor_type"] == (item.get("event_type") or item["event"])
    counted = vocabulary.load().types[found["type"]].activity and not found["is_test"]
    assert row["activity"] == str(int(counted))
    assert body(item)


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: f"{row['file']}-{row['item']}")
def test_an_item_that_is_no_event_is_refused_with_the_expected_reason(row: dict[str, str]) -> None:
    assert refusal(sample(row["file"], int(row["item"]))).reason == row["reason"]


def test_all_samples_have_ids_of_their_own() -> None:
    ids = [event(sample(row["file"], int(row["item"])))["event_id"] for row in EXPECTED]
    assert len(set(ids)) == len(ids)
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in ids)


def test_the_vendor_is_known_and_answered_with_200() -> None:
    assert (ALTCRAFT.name, ALTCRAFT.success, ALTCRAFT.try_again) == ("altcraft", 200, 503)


@pytest.mark.parametrize(("document", "count"), [([], 0), ([{}, 1], 2), ({}, 1), ("x", None), (1, None), (None, None)])
def test_a_body_is_a_list_or_one_object(document: Any, count: int | None) -> None:
    items = ALTCRAFT.items(document)
    assert (None if items is None else len(items)) == count


def test_what_has_no_column_is_a_property_and_one_recipients_sending_is_none_of_the_message() -> None:
    found = event(CLICK)
    data = CLICK["event_data"]
    assert found["properties"] == {
        "account_id": "23", "list_id": "111", "message_id": "17", "resource_id": "3", "ip": data["ip"],
        "user_agent": data["user_agent"], "os": data["os"], "browser": data["browser"], "device": data["device"],
        "launch_id": data["launch_id"], "send_message_id": data["send_message_id"],
    }  # fmt: skip
    assert data["send_message_id"] not in found["message_id"]


def test_two_recipients_of_one_launch_have_one_message_and_two_launches_have_two() -> None:
    other = put(put(CLICK, "profile_id", "5a8c045fc1dde44cbf0000ff"), "event_data.send_message_id", "another")
    assert event(other)["message_id"] == event(CLICK)["message_id"]
    assert event(put(CLICK, "event_data.launch_id", "other"))["message_id"] != event(CLICK)["message_id"]
    assert event(put(CLICK, "event_data.message_id", 18))["message_id"] != event(CLICK)["message_id"]


@pytest.mark.parametrize(
    ("data", "message", "campaign"),
    [
        ({"campaign_id": 5, "launch_id": "l", "message_id": 7}, "5/l/7", "5"),
        ({"campaign_id": 5, "message_id": 7}, "5/-/7", "5"),
        ({"campaign_id": 5, "launch_id": "l"}, "5/l/-", "5"),
        ({"message_id": 7}, "-/-/7", None),
        ({"campaign_id": 5, "message_id": 0}, None, "5"),
        ({"campaign_id": 0, "message_id": 0}, None, None),
        ({}, None, None),
        (None, None, None),
    ],
)
def test_the_message_is_campaign_launch_and_template(data: Any, message: str | None, campaign: str | None) -> None:
    found = event(put(CLICK, "event_data", data))
    assert (found["message_id"], found["campaign_id"]) == (message, campaign)


def test_an_undocumented_field_of_the_event_is_kept() -> None:
    item = put(put(sample("hbounce.json"), "event_data.error", {"code": 550, "text": "no"}), "event_data.list_id", 9)
    properties = event(item)["properties"]
    assert properties["error"] == '{"code":550,"text":"no"}'
    assert (properties["list_id"], properties["event_data.list_id"]) == ("111", "9")


@pytest.mark.parametrize("nothing", [None, ""])
def test_what_says_nothing_is_no_property_and_changes_no_byte(nothing: object) -> None:
    for path in ("event_data.device", "event_data.unknown"):
        left_out = copy.deepcopy(CLICK)
        left_out["event_data"].pop(path.removeprefix("event_data."), None)
        assert body(put(CLICK, path, nothing)) == body(left_out)


def test_promo_codes_imports_and_segments_keep_what_they_say() -> None:
    promo = event(put(sample("promocode_attach.json"), "event_data", {"code": "SPRING", "campaign_id": 7}))
    assert promo["properties"] == {"account_id": "23", "list_id": "111", "code": "SPRING", "campaign_id": "7"}
    assert event(put(sample("import_api.json"), "event_data.mode", "insert"))["properties"]["mode"] == "insert"
    assert event(sample("segs_add.json"))["properties"]["segment"] == "42"
    assert event(put(sample("segs_add.json"), "event_data", {"segment_id": [42]}))["properties"]["segment"] == "42"
    several = event(put(sample("segs_add.json"), "event_data", {"segment_id": [42, 43]}))["properties"]
    assert "segment" not in several
    assert several["segment_id"] == "[42,43]"
    elsewhere = event(
        put(sample("segs_add.json"), "event_data", {"segs": ["7"]}), endpoint(segment="/event_data/segs/0")
    )
    assert elsewhere["properties"]["segment"] == "7"


def test_one_profile_id_in_two_databases_is_two_profiles() -> None:
    assert event(CLICK)["profile_id"] == "111/5a8c045fc1dde44cbf000006"
    assert event(put(CLICK, "list_id", 112))["profile_id"] == "112/5a8c045fc1dde44cbf000006"


@pytest.mark.parametrize("key", [key for key, (group, _) in KEYS.items() if group in ("telegram_group", "campaign")])
def test_telegram_groups_and_campaigns_are_about_nobody_whatever_they_say(key: str) -> None:
    item = sample(f"{key}.json")
    assert event(put(item, "profile_id", None)).get("profile_id") is None
    named = event(put(item, "profile_id", "p1"))
    assert named.get("profile_id") is None
    assert named["properties"]["profile_id"] == "p1"


def test_a_campaigns_own_event_needs_neither_list_nor_event_data_and_keeps_its_first_level() -> None:
    found = event(
        {"event_type": "campaign_launch", "event_date": "2026-11-16T10:00:00Z", "account_id": 1, "campaign": 5}
    )
    assert found["type"] == "account_campaign_launched"
    assert found["properties"] == {"account_id": "1", "campaign": "5"}


def test_a_deleted_profile_is_refused_unless_the_endpoint_says_who_stands_for_it() -> None:
    item = put(CLICK, "profile_id", None)
    found = refusal(item)
    assert found.reason == Reject.MISSING_FIELD
    assert "deleted_profile_id=/event_data/send_message_id" in found.detail
    history = endpoint(deleted_profile_id="/event_data/send_message_id")
    assert event(item, history)["profile_id"] == f"111/deleted:{CLICK['event_data']['send_message_id']}"
    assert event(CLICK, history) == event(CLICK)
    assert refusal(put(item, "event_data.send_message_id", None), history).reason == Reject.MISSING_FIELD


@pytest.mark.parametrize("name", ["0", 0, -1, "null", " None ", "guest", "[object Object]"])
def test_an_id_that_names_nobody_is_refused_before_its_list_hides_it(name: object) -> None:
    assert refusal(put(CLICK, "profile_id", name)).reason == Reject.NOBODY


@pytest.mark.parametrize(
    ("change", "reason", "word"),
    [
        (lambda i: without(i, "event_type"), Reject.MISSING_FIELD, "event_type"),
        (lambda i: put(i, "event_type", "max_group_send"), Reject.UNKNOWN_TYPE, "'max_group_send'"),
        (lambda i: put(i, "event_type", "Click"), Reject.UNKNOWN_TYPE, "'Click'"),
        (lambda i: put(i, "event_type", 7), Reject.IMPOSSIBLE_FIELD, "event_type"),
        (lambda i: without(i, "event_date"), Reject.MISSING_FIELD, "occurred_at"),
        (lambda i: put(i, "event_date", "yesterday"), Reject.IMPOSSIBLE_FIELD, "event_date"),
        (lambda i: put(i, "event_date", "2026-11-16T10:00:00.1234567890Z"), Reject.IMPOSSIBLE_FIELD, "event_date"),
        (lambda i: put(i, "event_data", [1]), Reject.IMPOSSIBLE_FIELD, "event_data"),
        (lambda i: put(i, "is_test", "no"), Reject.IMPOSSIBLE_FIELD, "is_test"),
        (lambda i: put(i, "list_id", 1.5), Reject.IMPOSSIBLE_FIELD, "list_id"),
        (lambda i: put(i, "profile_id", {"id": 1}), Reject.IMPOSSIBLE_FIELD, "profile_id"),
        (lambda i: put(i, "profile_id", "x" * 513), Reject.IMPOSSIBLE_FIELD, "513 bytes"),
        (lambda i: put(i, "profile_id", "x" * 509), Reject.IMPOSSIBLE_FIELD, "513 bytes"),
        (lambda i: put(i, "profile_id", "\ud800"), Reject.IMPOSSIBLE_FIELD, "Unicode"),
        (lambda i: put(i, "event_data.campaign_id", True), Reject.IMPOSSIBLE_FIELD, "campaign_id"),
        (lambda i: put(i, "event_data.link_url", 5), Reject.IMPOSSIBLE_FIELD, "link_url"),
    ],
)
def test_a_field_that_is_wrong_is_named(
    change: Callable[[dict[str, Any]], dict[str, Any]], reason: Reject, word: str
) -> None:
    found = refusal(change(CLICK))
    assert found.reason == reason
    assert word in found.detail


@pytest.mark.parametrize(
    "path", ["event_type", "event_date", "list_id", "profile_id", "is_test", "event_data.campaign_id"]
)
@pytest.mark.parametrize("address", ["ann@example.org", "+79991234567", "79991234567"])
def test_a_refusals_words_never_repeat_an_address(path: str, address: str) -> None:
    for value in (address, [address], {"email": address}):
        found = ALTCRAFT.translate(put(CLICK, path, value), ENDPOINT)
        assert isinstance(found, Event) or address not in found.detail


def test_an_id_of_the_greatest_length_is_let_through() -> None:
    assert len(event(put(CLICK, "profile_id", "x" * 508))["profile_id"]) == 512


def test_the_endpoints_own_event_is_meant_where_a_message_names_none() -> None:
    for name in ("email/open", "open"):
        at = Endpoint("e1", "altcraft", "acme", "altcraft", event=name)
        assert event(without(CLICK, "event_type"), at)["type"] == "email_opened"
        assert event(CLICK, at)["type"] == "email_clicked"


def test_a_time_without_an_offset_is_of_the_endpoints_zone() -> None:
    at = Endpoint("e1", "altcraft", "acme", "altcraft", time_zone="Europe/Moscow")
    found = event(put(CLICK, "event_date", "2026-11-16 13:00:00.5"), at)
    assert found["occurred_at"] == rfc3339.parse("2026-11-16T10:00:00.5Z")


def test_vibers_own_unique_click_is_about_no_link_and_keeps_it_as_evidence() -> None:
    found = event(sample("viber_uclick.json"))
    assert found["link"] is None
    assert found["properties"]["link_url"] == sample("viber_uclick.json")["event_data"]["link_url"]
    assert event(sample("viber_click.json"))["link"] == sample("viber_click.json")["event_data"]["link_url"]
