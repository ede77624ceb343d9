"""What tells one event of Brevo's from another, and what changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.brevo_world import body, endpoint_of, event, sample, without


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
