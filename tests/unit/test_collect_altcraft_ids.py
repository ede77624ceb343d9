"""What tells one event of Altcraft's from another, and what changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.altcraft_world import CLICK, body, event, put, sample, without

RECIPE = [
    "account_id",
    "list_id",
    "event_type",
    "event_date",
    "profile_id",
    "event_data.send_message_id",
    "event_data.link_url",
]
GEOGRAPHY = ("country", "city", "postal_code", "region", "tz", "lat", "lon")
LEFT_OUT: dict[str, list[Any]] = {
    "custom_data": [None, {}, {"email": "other@example.org", "name": "Ann"}, 7],
    "subscription": [None, [], [{"channel": "email", "email": "other@example.org", "status": "unsubscribed"}], "x"],
    "subscription_hash_id": [None, "ffff", 1],
    "sends_trying_num": [None, 1, 12],
    "is_static": [None, True, False],
    "_xxh": [None, "0000000000000000"],
    "_md5": [None, "0" * 32],
    "hook_id": [5],
    **{f"event_data.{name}": [None, "other", 1.5] for name in GEOGRAPHY},
}  # fmt: skip


@pytest.mark.parametrize("path", RECIPE)
def test_another_value_in_the_recipe_is_another_event(path: str) -> None:
    other = {"event_type": "uclick", "event_date": "2026-11-16T10:06:06.999999998Z"}.get(path, "other")
    assert event(put(CLICK, path, other))["event_id"] != event(CLICK)["event_id"]


def test_the_text_of_the_time_decides_although_the_microsecond_is_the_same() -> None:
    one, other = (
        put(CLICK, "event_date", "2026-11-16T10:06:06.1234561Z"),
        put(CLICK, "event_date", "2026-11-16T10:06:06.1234562Z"),
    )
    assert event(one)["occurred_at"] == event(other)["occurred_at"]
    assert event(one)["event_id"] != event(other)["event_id"]


@pytest.mark.parametrize("path", ["event_data.campaign_id", "event_data.message_id"])
def test_campaign_and_template_decide_where_there_is_no_sending(path: str) -> None:
    deliv = sample("deliv.json")
    assert event(put(deliv, path, 7))["event_id"] != event(deliv)["event_id"]
    assert event(put(CLICK, path, 7))["event_id"] == event(CLICK)["event_id"]


@pytest.mark.parametrize("name", ["_xxh", "_md5"])
def test_a_hash_of_the_address_decides_where_there_is_no_profile(name: str) -> None:
    nameless = without(CLICK, "profile_id", *({"_xxh", "_md5"} - {name}))
    assert event(put(nameless, name, "0" * 16))["event_id"] != event(nameless)["event_id"]


@pytest.mark.parametrize("path", LEFT_OUT)
def test_what_is_left_out_changes_neither_id_nor_body(path: str) -> None:
    for value in LEFT_OUT[path]:
        assert body(put(CLICK, path, value)) == body(CLICK)


def test_the_account_is_the_endpoints_and_the_vendors_own_is_evidence() -> None:
    found = event(CLICK)
    assert not {"account_id", "source"} & set(found)
    assert found["properties"]["account_id"] == "23"
    assert found["properties"]["list_id"] == "111"
