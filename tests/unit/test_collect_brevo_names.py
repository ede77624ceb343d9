"""How Brevo's events are called, and when they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.collect.brevo import keys
from connectors.collect.endpoint import Endpoint
from pipeline import rfc3339
from pipeline.core.reasons import Reject
from tests.unit.brevo_world import endpoint, event, refusal

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
