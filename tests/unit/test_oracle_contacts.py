"""The contact sheets of the oracle: attributes, addresses, subscriptions, persons."""

from __future__ import annotations

from typing import Any

import pytest

from tests.events import NOON_US, Event, event, merge, split
from tests.oracle.contacts import Contact, activity
from tests.oracle.persons import persons
from tests.unit.oracle_contacts_world import HOUR, each, of, says, sheet, sheets, told


@pytest.mark.parametrize("key", ["email", "first_name", "last_name", "date_of_birth", "mobile_phone"])
def test_an_attribute_is_the_last_one_said_as_it_stands(key: str) -> None:
    assert getattr(sheet(of("email_sent")), key) == ""
    assert getattr(sheet(says(**{key: "old"}), says(**{key: " New "}), says(other="x")), key) == " New "
    assert getattr(sheet(says(**{key: "old"}), says(**{key: ""})), key) == ""
    assert getattr(sheet(says(**{key: "old"}), of("crm_custom", **{key: "no"})), key) == "old"
    assert getattr(sheet(says(**{key: "old"}), says(**{key: "older"}) | {"occurred_at": NOON_US - 1}), key) == "old"


def test_a_merge_that_carries_attributes_says_them_of_its_own_profile() -> None:
    merged = merge(["p"], "q", profile_id="p", attributes={"email": "p@example.org"})
    assert sheets(merged)["acme", "q"].email == "p@example.org"


def test_at_one_time_the_larger_identity_is_the_later() -> None:
    assert sheet(says(email="a") | {"occurred_at": 7}, says(email="b") | {"occurred_at": 7}).email == "b"


@pytest.mark.parametrize(
    ("verbs", "expected"),
    [
        ([], "active"),
        (["paused"], "paused"),
        (["paused", "resumed"], "active"),
        (["resumed", "paused"], "paused"),
        (["hard_bounced"], "bounced"),
        (["hard_bounced", "delivered"], "active"),
        (["delivered", "hard_bounced"], "bounced"),
        (["soft_bounced"] * 2, "active"),
        (["soft_bounced"] * 3, "bounced"),
        (["soft_bounced", "delivered", "soft_bounced", "soft_bounced"], "active"),
        (["soft_bounced", "delivered", *["soft_bounced"] * 3], "bounced"),
        ([*["soft_bounced"] * 5, "delivered", *["soft_bounced"] * 2], "active"),
        (["hard_bounced", "paused"], "paused"),
        (["paused", "hard_bounced"], "paused"),
        (["hard_bounced", "paused", "resumed"], "bounced"),
        (["hard_bounced", "delivered", "paused", "resumed"], "active"),
        (["undelivered", "suppressed", "failed"], "active"),
    ],
)
@pytest.mark.parametrize("channel", ["email", "sms"])
def test_an_address_is_paused_bounced_or_active(channel: str, verbs: list[str], expected: str) -> None:
    found = sheet(of("crm_custom"), *each(channel, *verbs))
    assert (found.email_status if channel == "email" else found.mobile_status) == expected
    assert (found.mobile_status if channel == "email" else found.email_status) == "active"


@pytest.mark.parametrize(
    ("verbs", "expected"),
    [
        (["blocked"], "blocked"),
        (["blocked", "unblocked"], "active"),
        (["blocked", "paused"], "paused"),
        (["paused", "blocked"], "blocked"),
        (["blocked", "resumed"], "active"),
        (["blocked", "delivered"], "blocked"),
        (["hard_bounced", "blocked", "unblocked"], "bounced"),
    ],
)
def test_an_email_is_blocked_by_the_last_word_of_four(verbs: list[str], expected: str) -> None:
    assert sheet(*each("email", *verbs)).email_status == expected


def test_a_bounce_and_a_delivery_at_one_time_go_by_identity() -> None:
    bounce, delivery = (one | {"occurred_at": 7} for one in each("email", "hard_bounced", "delivered"))
    assert sheet(bounce, delivery).email_status == "active"
    assert sheet(delivery, bounce).email_status == "bounced"


@pytest.mark.parametrize(("channel", "column"), [("email", "newsletter_status"), ("sms", "sms_status")])
def test_a_subscription_is_the_last_word(channel: str, column: str) -> None:
    assert getattr(sheet(of("crm_custom")), column) == "not_subscribed"
    assert getattr(sheet(*each(channel, "unsubscribed", "subscribed")), column) == "subscribed"
    assert getattr(sheet(*each(channel, "subscribed", "unsubscribed")), column) == "unsubscribed"


@pytest.mark.parametrize("on", ["push_subscribed", "push_subscription_refreshed", "push_subscription_migrated"])
def test_web_push_is_on_or_off_by_the_last_word(on: str) -> None:
    assert not sheet(of("push_delivered")).web_push
    assert sheet(of(on)).web_push
    assert not sheet(of(on), of("push_unsubscribed")).web_push
    assert sheet(of("push_unsubscribed"), of(on)).web_push


def test_a_push_subscription_that_migrates_is_lost_by_one_and_gained_by_the_other() -> None:
    migrated = of("push_subscription_migrated", "q", from_profile_id="p")
    found = sheets(of("push_subscribed"), migrated)
    assert (found["acme", "p"].web_push, found["acme", "q"].web_push) == (False, True)
    assert sheet(of("push_subscribed"), migrated, of("push_subscribed")).web_push
    assert sheet(of("push_subscribed"), of("push_subscription_migrated", "q", from_profile_id="")).web_push
    assert not sheet(of("push_subscribed"), of("push_subscription_migrated", None, from_profile_id="p")).web_push
    elsewhere = migrated | {"account_id": "other"}
    assert sheet(of("push_subscribed"), elsewhere).web_push


def test_a_profile_that_only_a_migration_s_source_names_has_no_sheet() -> None:
    assert sheets(of("push_subscription_migrated", "q", from_profile_id="p")).keys() == {("acme", "q")}


def test_a_push_subscription_that_migrates_within_a_person_stays() -> None:
    migrated = of("push_subscription_migrated", "q", from_profile_id="p")
    assert sheet(merge(["q"], "p"), of("push_subscribed"), migrated).web_push


def test_segments_are_those_that_were_entered_last() -> None:
    def moved(verb: str, **properties: str) -> Event:
        return event(f"profile_{verb}_segment", profile_id="p", properties=properties)

    moves = moved("entered", segment="z"), moved("entered", segment="a"), moved("exited", segment="b")
    assert sheet(*moves, moved("entered", segment=""), moved("entered")).segments == ["a", "z"]
    assert sheet(*moves, moved("exited", segment="a"), moved("exited", segment="")).segments == ["z"]


def test_seen_is_any_event_and_active_what_the_person_did() -> None:
    found = sheet(of("email_sent"), of("email_opened"), of("email_proxy_opened"), says(email="a"))
    assert found[17:20] == (NOON_US, NOON_US + 3 * HOUR, NOON_US + HOUR)
    assert sheet(of("email_sent"), of("email_failed"), of("email_proxy_opened")).last_active is None
    assert sheet(of("email_replied"), of("crm_webhook_executed")).last_active == NOON_US


def test_a_person_whom_only_operations_name_was_never_seen() -> None:
    found = sheets(merge(["a"], "b"), split("c", {"d": ["e"]}))
    assert {who: sheet.profiles for (_, who), sheet in found.items()} == {"b": ["a", "b"], "c": ["c"], "d": ["d", "e"]}
    assert {sheet[17:21] for sheet in map(_hashable, found.values())} == {(None, None, None, ())}


def _hashable(found: Contact) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list | dict) else value for value in found)


def test_the_last_of_every_channel_is_kept_and_no_other() -> None:
    said = of("email_sent"), of("email_opened"), of("popup_closed"), of("crm_purchase"), says(email="a")
    assert sheet(*said).last_by_channel == {"email": NOON_US + HOUR, "popup": NOON_US + 2 * HOUR}


def test_events_and_operations_name_persons_alike() -> None:
    assert sheets(of("email_sent"), merge(["a"], "b")).keys() == {("acme", "p"), ("acme", "b")}


def test_a_person_s_sheet_holds_what_its_profiles_said_and_a_split_takes_it_away() -> None:
    said = says("p", email="p@x"), says("q", email="q@x"), of("crm_purchase", "q", value="2"), of("crm_purchase", "p")
    together = sheets(*said, merge(["q"], "p"))
    assert together.keys() == {("acme", "p")}
    assert (together["acme", "p"].email, together["acme", "p"].purchases) == ("q@x", 2)
    assert together["acme", "p"].profiles == ["p", "q"]
    apart = sheets(*said, merge(["q"], "p"), split("p", {"p": [], "q": []}))
    assert [apart["acme", who].email for who in "pq"] == ["p@x", "q@x"]
    assert [apart["acme", who].profiles for who in "pq"] == [["p"], ["q"]]


def test_tests_say_nothing_and_name_nobody() -> None:
    tests = [one | {"is_test": True} for one in (says(email="a"), merge(["q"], "p"), of("crm_purchase", "r"))]
    found = sheets(of("email_sent"), *tests)
    assert found.keys() == {("acme", "p")}
    assert found["acme", "p"] == sheet(of("email_sent"))


def test_nothing_crosses_accounts() -> None:
    found = sheets(says(email="a"), says(email="b") | {"account_id": "other"})
    assert (found["acme", "p"].email, found["other", "p"].email) == ("a", "b")


def test_activity_is_everything_accepted_newest_first_with_tests() -> None:
    history = told(
        of("email_sent"), of("email_opened", "q"), of("crm_purchase") | {"is_test": True}, of("email_sent", "z")
    )
    operation = told(merge(["q"], "p", profile_id=None))[0]
    found = activity(history, [0, 1, 2, 3], persons([operation]), ("acme", "p"))
    assert [(one["type"], one["is_test"]) for one in found] == [
        ("crm_purchase", True),
        ("email_opened", False),
        ("email_sent", False),
    ]
    assert activity(history, [1], persons([operation]), ("acme", "p")) == [history[1]]
