"""Mindbox's webhooks and customer actions become the events that the hand-written expectations name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from connectors.collect.endpoint import Endpoint
from connectors.collect.mindbox import rows, template
from pipeline import rfc3339
from tests.written_samples import Row, Samples, body, check, endpoint, event, refusal

SAMPLES = Samples("mindbox")
AT = endpoint("mindbox")
CALL: dict[str, Any] = {
    "event": "A call",
    "occurred_at": "2026-11-16T09:00:00Z",
    "customer": {"mindbox_id": 5, "email": "a@mail.example"},
    "context": {"agent": "7", "seconds": 95},
}


def action(**changes: Any) -> dict[str, Any]:
    item: dict[str, Any] = SAMPLES.items("customer_action.json")[0]
    return {"customerAction": {**item["customerAction"], **changes}}


def test_every_item_of_the_samples_is_expected_once() -> None:
    files = [path.name for path in SAMPLES.folder.glob("*.json")]
    items = [(name, str(number)) for name in files for number in range(len(SAMPLES.items(name)))]
    assert sorted(items) == sorted((row["file"], row["item"]) for row in SAMPLES.expected + SAMPLES.refused)
    assert sorted(files) == sorted(row["file"] for row in SAMPLES.table("endpoints.tsv"))
    assert {"crm_custom", "account_system"} <= {row["type"] for row in SAMPLES.expected}


@pytest.mark.parametrize("row", SAMPLES.expected, ids=lambda row: f"{row['file']}-{row['item']}")
def test_an_item_becomes_what_is_expected(row: Row) -> None:
    at = SAMPLES.endpoint_of(row["file"])
    item = SAMPLES.items(row["file"])[int(row["item"])]
    check(event(item, at), row)
    assert body(item, at)


@pytest.mark.parametrize("row", SAMPLES.refused, ids=lambda row: f"{row['file']}-{row['item']}")
def test_an_item_that_is_no_event_is_refused_with_the_expected_reason(row: Row) -> None:
    item = SAMPLES.items(row["file"])[int(row["item"])]
    if isinstance(item, dict):
        assert refusal(item, SAMPLES.endpoint_of(row["file"])).reason == row["reason"]


def test_all_samples_have_ids_of_their_own() -> None:
    found = [
        event(SAMPLES.items(row["file"])[int(row["item"])], SAMPLES.endpoint_of(row["file"]))["event_id"]
        for row in SAMPLES.expected
    ]
    assert len(set(found)) == len(found)


def test_a_name_is_kept_but_for_the_space_around_it() -> None:
    found = event({**CALL, "event": "\n A Call  to Ann "}, AT)
    assert found["vendor_type"] == found["properties"]["event"] == "A Call  to Ann"


def test_the_name_does_not_tell_the_family_but_the_customer_does() -> None:
    without = {name: value for name, value in CALL.items() if name != "customer"}
    assert event(CALL, AT)["type"] == "crm_custom"
    assert event(without, AT)["type"] == "account_system"
    assert "profile_id" not in event(without, AT)
    at = endpoint("mindbox", "system/*")
    assert event(CALL, at)["type"] == "crm_custom"


def test_an_event_without_a_name_has_its_endpoints() -> None:
    unnamed = {**CALL, "event": None}
    assert event(unnamed, endpoint("mindbox", "customer/Session ended"))["vendor_type"] == "Session ended"
    assert refusal(unnamed, endpoint("mindbox", "customer/*")).reason == "missing_field"


def test_the_context_is_kept_by_its_codes() -> None:
    assert event(CALL, AT)["properties"] == {"event": "A call", "context.agent": "7", "context.seconds": "95"}
    assert event({**CALL, "context": "all of it"}, AT)["properties"]["context"] == "all of it"


def test_ids_of_two_systems_are_two_customers() -> None:
    ids = [{"mindbox_id": 5}, {"ids": {"mindboxId": 5}}, {"ids": {"site": 5}}, {"ids": {"crm": 5}}, {"email": "5"}]
    found = [event({**CALL, "customer": one}, AT)["profile_id"] for one in ids]
    assert found == ["5", "5", "site:5", "crm:5", "5"]
    assert event({**CALL, "customer": 5}, AT)["profile_id"] == "5"


def test_an_id_that_names_nobody_is_passed_over_for_one_that_does() -> None:
    found = event({**CALL, "customer": {"mindbox_id": 0, "ids": {"site": None, "crm": "9"}}}, AT)
    assert found["profile_id"] == "crm:9"


@pytest.mark.parametrize(
    "customer", [{"ids": {"crm": "null"}}, {"ids": {"crm": 0, "mindboxId": "none"}}, {"email": "guest"}]
)
def test_a_customer_of_no_name_is_refused_and_no_system_event(customer: dict[str, Any]) -> None:
    said = refusal({**CALL, "customer": customer}, AT)
    assert said.reason == "nobody"
    assert refusal({**CALL, "customer": {}, "deviceUUID": "undefined"}, AT).reason == "nobody"


def test_a_refusal_repeats_no_name_of_a_system() -> None:
    said = refusal({**CALL, "customer": {"ids": {"ann@mail.example": {"a": 1}}}}, AT)
    assert "ann" not in said.detail


def test_ids_that_a_template_fills_with_nothing_are_none() -> None:
    plain = event(CALL, AT)
    for nothing in ("null", "0", 0, "undefined", {"mindboxId": "null"}):
        assert event({**CALL, "event_id": nothing}, AT) == plain
    opened = event({**CALL, "mailing": "null", "campaign": "0"}, endpoint("mindbox", "email_opened"))
    assert not {"message_id", "campaign_id"} & set(opened)


def test_a_time_without_a_zone_is_the_endpoints_but_one_that_says_utc_is_utc() -> None:
    at = endpoint("mindbox", "", "Europe/Moscow")
    assert event({**CALL, "occurred_at": "2026-11-16 12:00:00"}, at)["occurred_at"] == rfc3339.parse(
        "2026-11-16T09:00:00Z"
    )
    said = {"ids": 1, "actionTemplate": {"name": "x"}, "dateTimeUtc": "2026-11-16T09:00:00", "customer": {"email": "m"}}
    assert event(said, at)["occurred_at"] == rfc3339.parse("2026-11-16T09:00:00Z")


def test_an_endpoint_that_names_a_type_takes_all_it_gets_as_that() -> None:
    at = endpoint("mindbox", "email_clicked")
    found = event({**CALL, "mailing": {"id": 3, "name": "News"}, "link": "https://x.example"}, at)
    assert (found["type"], found["vendor_type"], found["profile_id"]) == ("email_clicked", "A call", "5")
    assert (found["message_id"], found["campaign_id"], found["link"]) == ("3", "3", "https://x.example")
    assert event({**CALL, "event": ""}, at)["vendor_type"] is None
    assert refusal({**CALL, "customer": {}}, at).reason == "missing_field"
    assert event({**CALL, "event": "email_clicked"}, AT)["type"] == "crm_custom"


# ------------------------------------------------------------------------------------------------------- ids


def test_the_same_event_has_one_id_and_one_body_however_its_keys_are_ordered() -> None:
    turned = {**dict(reversed(CALL.items())), "context": dict(reversed(CALL["context"].items()))}
    assert body(turned, AT) == body(CALL, AT)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("event", "Another"),
        ("occurred_at", "2026-11-16T09:00:00.000001Z"),
        ("customer", {"mindbox_id": 6}),
        ("context", {"agent": "8", "seconds": 95}),
    ],
)
def test_another_name_time_customer_or_context_is_another_event(name: str, other: Any) -> None:
    assert event({**CALL, name: other}, AT)["event_id"] != event(CALL, AT)["event_id"]


def test_steps_of_one_moment_are_several_events() -> None:
    at = [endpoint("mindbox", name) for name in ("email_sent", "email_delivered", "")]
    items = [{**CALL, "mailing": "a"}, {**CALL, "mailing": "b"}]
    assert len({event(item, one)["event_id"] for item in items for one in at}) == 6


def test_two_messages_at_a_place_of_the_endpoints_own_are_two_events() -> None:
    at = endpoint("mindbox", "email_sent", "UTC", message_id="/letter/id")
    assert event({**CALL, "letter": {"id": 1}}, at)["event_id"] != event({**CALL, "letter": {"id": 2}}, at)["event_id"]


def test_what_of_a_customer_may_change_changes_neither_id_nor_body() -> None:
    same = {**CALL, "customer": {"mindbox_id": "5", "email": "other@mail.example", "firstName": "Ann"}}
    assert body(same, AT) == body(CALL, AT)


def test_what_an_action_concerns_may_change_after_it() -> None:
    later = action(order={"ids": {"mindboxId": 42}, "totalPrice": 90}, customerBalanceChanges=[{"balance": 1}])
    assert body(later, AT) == body(action(), AT)
    found = event(action(), AT)
    assert found["event_id"] == "900010"
    assert found["properties"] == {
        "event": "CallToCallCenter",
        "order_ids": '{"mindboxId":42}',
        "pointOfContact": '{"ids":{"systemName":"call-center"}}',
    }


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (7, "7"),
        ([7, 8], "7"),
        ({"b": 2, "a": 1}, "a:1"),
        ({"a": 9, "mindboxId": 3}, "3"),
        ({"a": "", "b": 4}, "b:4"),
        ([{"a": 1}], "a:1"),
    ],
)
def test_an_actions_id_is_mindboxs_own_else_the_first_systems(ids: Any, expected: str) -> None:
    assert event(action(ids=ids), AT)["event_id"] == expected


def test_actions_of_an_operation_are_of_its_customer_and_of_their_own_bytes() -> None:
    found = rows.items({"customer": {"ids": {"a": 1}}, "customerActions": [{"x": 1}, {"customer": 2}, 3]})
    assert found == [{"customer": {"ids": {"a": 1}}, "x": 1}, {"customer": 2}, 3]
    # The bytes of an item are those of the body's first list: where another one is before it, the body is one item.
    other = {"messages": [], "customerActions": [{"x": 1}]}
    assert rows.items(other) == [other]


# -------------------------------------------------------------------------------------------------- template


def filled(document: Any, values: dict[str, str]) -> Any:
    """The body with values in place of its placeholders, told by their keys."""
    return {
        name: filled(value, values) if isinstance(value, dict) else values.get(name, "")
        for name, value in document.items()
    }


VALUES = {"event": "A call", "occurred_at": "2026-11-16T09:00:00Z", "mindbox_id": "5", "email": "a@b", "code": "7"}


def test_the_body_to_paste_becomes_the_expected_event_once_it_has_values() -> None:
    found = event(filled(json.loads(template.body(AT)), VALUES), AT)
    assert found | {"event_id": ""} == {
        "type": "crm_custom", "vendor_type": "A call", "occurred_at": rfc3339.parse("2026-11-16T09:00:00Z"),
        "is_test": False, "event_id": "", "profile_id": "5",
        "properties": {"event": "A call", "context.code": "7"},
    }  # fmt: skip
    at = endpoint("mindbox", "email_clicked", "UTC", profile_id="/who/crm")
    clicked = filled(json.loads(template.body(at)), {**VALUES, "crm": "9", "mailing": "m", "link": "https://x.example"})
    found = event(clicked, at)
    assert (found["profile_id"], found["message_id"], found["link"]) == ("9", "m", "https://x.example")


def test_a_placeholder_that_stayed_is_refused() -> None:
    assert refusal(json.loads(template.body(AT)), AT).reason == "impossible_field"


CODE = json.loads(template.body(AT))["context"]["code"]


@pytest.mark.parametrize("at", [AT, endpoint("mindbox", "email_sent"), endpoint("mindbox", "Session ended")])
@pytest.mark.parametrize(
    ("stayed", "named"),
    [
        ({"context": {"code": CODE}}, "context.code"),
        ({"context": {"code": "<parameter: a variable of the event; ...>"}}, "context.code"),
        ({"context": {"a": " ${Order.Sum}"}}, "context.a"),
        ({"context": {"a": [{"b": "{{ sum }}"}]}}, "context.a.0.b"),
        ({"context": "${Event}"}, "context"),
        ({"context": {"${Code}": 1}}, "context"),
        ({"note": "${Note}"}, "note"),
        ({"/note": "${Note}"}, "/note"),
        ({"a/b": ["${Note}"]}, "a/b.0"),
        ({"mailing": "${M}"}, "mailing"),
        ({"mailing": {"id": "<id>"}}, "mailing.id"),
        ({"campaign": "<the campaign>"}, "campaign"),
        ({"link": "<address>"}, "link"),
        ({"channel": "<constant>"}, "channel"),
        ({"order": {"ids": {"shop": "${Order.Id}"}}}, "order.ids.shop"),
    ],
)
def test_a_placeholder_is_refused_wherever_it_is_kept_or_hashed(
    at: Endpoint, stayed: dict[str, Any], named: str
) -> None:
    found = refusal({**CALL, **stayed}, at)
    assert found.reason == "impossible_field"
    assert re.match(rf"({re.escape(named)}|message_id|campaign_id|link) ", found.detail), found.detail


def test_of_a_placeholder_far_inside_the_end_of_its_way_is_told() -> None:
    deep: Any = "${x}"
    for n in range(900):
        deep = {"ab"[n % 2]: deep}
    assert refusal({**CALL, "note": deep}, AT).detail.startswith("....b.a.b.a.b.a.b.a is still")


def test_the_place_that_an_endpoint_names_is_looked_at_too() -> None:
    at = endpoint("mindbox", "", "UTC", value="/order/sum")
    assert json.loads(template.body(at))["order"]["sum"] == "<value>"
    for stayed in ("<value>", "${Order.Sum}"):
        assert refusal({**CALL, "order": {"sum": stayed}}, at).detail.startswith("value ")
    assert event({**CALL, "order": {"sum": "<value>"}}, AT)  # not kept there


@pytest.mark.parametrize("value", ["<b>", "<none>", "a ${b}", "{{a}} b", "5 < 6", "<3", "$5", "{}", "x>", "<p>Hi</p>"])
def test_an_honest_value_with_such_signs_is_kept(value: str) -> None:
    found = event({**CALL, "note": value, "context": {"a": value}}, AT)
    assert (found["properties"]["note"], found["properties"]["context.a"]) == (value, value)


def test_a_row_of_a_file_is_read_as_a_body_is() -> None:
    at = endpoint("mindbox", "", "Europe/Moscow", profile_id="Customer", occurred_at="Date", event="Action")
    found = event(rows.row({"Customer": "5", "Date": "16.11.2026 12:00:00", "Action": "A call", "Other": ""}, at), at)
    assert (found["profile_id"], found["occurred_at"]) == ("5", rfc3339.parse("2026-11-16T09:00:00Z"))
