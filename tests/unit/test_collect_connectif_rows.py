"""Rows of Connectif's exported activities are events."""

from __future__ import annotations

import pytest

from connectors.collect.connectif.export import row as exported
from pipeline import rfc3339
from tests.written_samples import body, endpoint, event, refusal


def test_a_row_without_a_type_is_told_as_such() -> None:
    found = refusal(exported({**ROW, "Type": ""}, FILE), FILE)
    assert (found.reason, found.detail.split(":")[0]) == ("unknown_type", "the row has no type")


ROW = {
    "Type": "purchase", "Date": "2026-11-16 10:00:00", "Contact ID": "c1", "Content ID": "m1", "Content name": "News",
    "Workflow ID": "w1", "Attribution scenario": "last click", "Order": "o1", "Total": "9.5", "Link": "",
}  # fmt: skip
FILE = endpoint("connectif", "", "Europe/Madrid", order_id="Order", value="Total")


def test_a_row_becomes_an_event_by_its_documented_columns_and_the_endpoints_fields() -> None:
    found = event(exported(ROW, FILE), FILE)
    assert found | {"event_id": ""} == {
        "type": "crm_purchase", "vendor_type": "purchase", "occurred_at": rfc3339.parse("2026-11-16T09:00:00Z"),
        "is_test": False, "event_id": "", "profile_id": "c1",
        "properties": {"content_id": "m1", "workflow_id": "w1", "order_id": "o1", "value": "9.5"},
    }  # fmt: skip
    opened = {**ROW, "Type": "email-opened"}
    assert event(exported(opened, FILE), FILE)["message_id"] == "m1"


def test_a_contact_that_was_merged_is_found_by_its_previous_id() -> None:
    row = {
        "Type": "contact\u2011merged",
        "Date": "2026-11-16T09:00:00.000Z",
        "Contact ID": "c1",
        "Previous contact ID": "c0",
    }
    found = event(exported(row, FILE), FILE)
    assert (found["type"], found["sources"], found["target"]) == ("profile_merged", ["c0"], "c1")


def test_another_export_of_the_same_activity_is_the_same_event() -> None:
    later = {**ROW, "Content name": "Renamed", "Workflow tags": "a", "Date": "2026-11-16T09:00:00Z"}
    assert body(exported(later, FILE), FILE) == body(exported(ROW, FILE), FILE)


@pytest.mark.parametrize("column", ["Type", "Date", "Contact ID", "Content ID", "Workflow ID", "Order", "Product ID"])
def test_another_value_in_the_recipe_is_another_activity(column: str) -> None:
    other = {"Type": "cart-abandoned", "Date": "2026-11-16 10:00:01"}.get(column, "other")
    changed = event(exported({**ROW, column: other}, FILE), FILE)
    assert changed["event_id"] != event(exported(ROW, FILE), FILE)["event_id"]


def test_a_row_without_a_type_is_no_call_but_what_its_endpoint_says() -> None:
    untyped = {name: value for name, value in ROW.items() if name != "Type"}
    assert refusal(exported(untyped, FILE), FILE).reason == "unknown_type"
    at = endpoint("connectif", "cart/purchase", "Europe/Madrid")
    assert event(exported(untyped, at), at)["type"] == "crm_purchase"


def test_a_date_of_a_locale_is_refused_and_a_column_named_otherwise_is_found() -> None:
    assert refusal(exported({**ROW, "Date": "November 16, 2026 10:00 AM"}, FILE), FILE).reason == "impossible_field"
    at = endpoint("connectif", "", "UTC", occurred_at="Fecha", event="Actividad", profile_id="Email")
    row = {"Actividad": "login", "Fecha": "2026-11-16 09:00", "Contact ID": "c1", "Email": "a@shop.example"}
    found = event(exported(row, at), at)
    assert (found["type"], found["profile_id"]) == ("web_logged_in", "a@shop.example")
