"""Canonical events over HTTP: JSON, JSON lines, CloudEvents; checked as `tally produce` checks lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from connectors.collect.own.deliveries import OWN, items_of
from connectors.collect.own.rows import row as of_columns
from connectors.collect.rows import ITEMS_MAX, Delivery, Translator
from connectors.collect.translation import Refusal
from connectors.collect.vendors import VENDORS
from pipeline import rfc3339
from pipeline.core import vocabulary
from tests.written_samples import Row, Samples, body, check, endpoint, event, refusal

SAMPLES = Samples("own")
REQUESTS = {row["file"]: row for row in SAMPLES.table("requests.tsv")}
AT = endpoint("own")
OPENED = {"type": "email_opened", "occurred_at": "2026-11-16T09:00:00Z", "profile_id": "p", "message_id": "m"}
CLOUD = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/mailer",
    "type": "tally.email_opened",
    "time": "2026-11-16T09:00:00Z",
    "data": {"profile_id": "p", "message_id": "m"},
}
HEADERS = {
    "Ce-Specversion": "1.0", "CE-ID": "e1", "ce-source": "/ma%69ler", "ce-type": "tally.email_opened",
    "ce-time": "2026-11-16T09:00:00Z", "Content-Type": "application/json",
}  # fmt: skip
JSON, LINES = "application/json", "application/x-ndjson"


def coded(document: Any) -> bytes:
    return json.dumps(document).encode()


def delivered(content_type: str, content: bytes, **headers: str) -> Delivery:
    found = items_of(content_type, headers, content)
    assert isinstance(found, Delivery), found
    return found


def sample(row: Row) -> Any:
    request = REQUESTS[row["file"]]
    headers = json.loads(request["headers"])
    content = (SAMPLES.folder / row["file"]).read_bytes()
    return delivered(request["content_type"], content, **headers).values[int(row["item"])]


@pytest.mark.parametrize("row", SAMPLES.expected, ids=lambda row: f"{row['file']}-{row['item']}")
def test_an_item_becomes_what_is_expected(row: Row) -> None:
    check(event(sample(row), AT), row)
    assert body(sample(row), AT)


@pytest.mark.parametrize("row", SAMPLES.refused[:-1], ids=lambda row: row["item"])
def test_an_item_that_is_no_event_is_refused_with_the_expected_reason(row: Row) -> None:
    assert refusal(sample(row), AT).reason == row["reason"]


def test_every_sample_is_expected() -> None:
    files = {path.name for path in SAMPLES.folder.glob("*.*json")}
    assert files == set(REQUESTS) == {row["file"] for row in SAMPLES.expected + SAMPLES.refused}


def test_the_vendor_is_known_and_answered_with_200() -> None:
    assert VENDORS["own"] is OWN
    assert {VENDORS[name].success for name in ("connectif", "mindbox", "own")} == {200}
    assert {VENDORS[name].try_again for name in ("connectif", "mindbox", "own")} == {503}


# ------------------------------------------------------------------------------------- account, source, plans


@pytest.mark.parametrize("name", ["account_id", "source"])
def test_account_and_source_are_the_endpoints_or_left_out(name: str) -> None:
    ours = {"account_id": "acme", "source": "shop"}[name]
    assert body({**OPENED, name: ours}, AT) == body({**OPENED, name: None}, AT) == body(OPENED, AT)
    said = refusal({**OPENED, name: "jane@mail.example"}, AT)
    assert said.detail.startswith(f"{name} is another one than the endpoint's")
    assert refusal({**OPENED, name: 5}, AT).reason == "impossible_field"


def test_a_plan_is_the_operators() -> None:
    plan = {"allowance": 1, "anchor_day": 1, "time_zone": "UTC"}
    said = refusal({"type": "account_plan_set", "occurred_at": "2026-11-16T09:00:00Z", "plan": plan}, AT)
    assert "tally plan set" in said.detail
    cloud = {**CLOUD, "type": "tally.account_plan_set", "data": {"plan": plan}}
    assert "tally plan set" in refusal(cloud, AT).detail


@pytest.mark.parametrize(
    "wrong",
    [
        {"occurred_at": "jane@mail.example"},
        {"jane@mail.example": 1},
        {"occurred_at": "+34 600 123 456"},
        {"is_test": "34600123456"},
    ],
)
def test_a_refusal_repeats_no_contacts_address(wrong: dict[str, Any]) -> None:
    said = refusal({**OPENED, **wrong}, AT).detail
    assert "jane" not in said
    assert "600" not in said


def test_half_of_a_pair_in_an_id_is_refused() -> None:
    merge = {"type": "profile_merged", "occurred_at": "2026-11-16T09:00:00Z", "sources": ["\ud800"], "target": "b"}
    assert refusal(merge, AT).reason == "impossible_field"


# ------------------------------------------------------------------------------------------------------ bodies


def test_a_line_that_is_broken_is_refused_alone_and_keeps_its_bytes() -> None:
    found = delivered(LINES, coded(OPENED) + b"\r\n\n{oh}\n" + coded([OPENED, 7]) + b"\n")
    translator = Translator(vocabulary.load(), dict.fromkeys(("channel", "profile", "account", "crm"), 1))
    told = translator.translated(found, AT, OWN, 0)
    reasons = [one.refusal and one.refusal.reason for one in told]
    assert reasons == [None, "undecodable", None, "undecodable"]
    assert [found.raw(n).strip() for n in range(4)] == [coded(OPENED), b"{oh}", coded(OPENED), b"7"]


def test_lines_under_another_name_are_lines_and_broken_json_is_one_refusal() -> None:
    both = coded(OPENED) + b"\n" + coded(OPENED)
    assert [len(delivered(name, both).values) for name in (JSON, "text/plain", "")] == [2, 2, 2]
    assert isinstance(items_of(JSON, {}, b'{\n"a": 1\n'), Refusal)
    assert isinstance(items_of(JSON, {}, b""), Refusal)
    assert delivered(LINES, b"\n\n").values == []
    assert delivered(JSON, b"[]").values == []


@pytest.mark.parametrize(("count", "is_taken"), [(ITEMS_MAX, True), (ITEMS_MAX + 1, False)])
def test_lines_have_a_bound(count: int, is_taken: bool) -> None:
    assert isinstance(items_of(LINES, {}, b"{}\n" * count), Delivery) == is_taken


# ------------------------------------------------------------------------------------------------ CloudEvents


def test_structured_batched_and_binary_are_one_event() -> None:
    structured = delivered("application/cloudevents+json; charset=utf-8", coded(CLOUD)).values
    batched = delivered("Application/CloudEvents-batch+JSON", coded([CLOUD, CLOUD])).values
    binary = delivered(JSON, coded(CLOUD["data"]), **HEADERS).values
    plain = delivered(JSON, coded(CLOUD)).values
    assert [len(found) for found in (structured, batched, binary, plain)] == [1, 2, 1, 1]
    assert {body(item, AT) for found in (structured, batched, binary, plain) for item in found} == {body(CLOUD, AT)}
    found = event(CLOUD, AT)
    assert (found["event_id"], found["type"]) == ("e1", "email_opened")
    assert found["occurred_at"] == rfc3339.parse("2026-11-16T09:00:00Z")
    assert found["properties"] == {"cloudevents.source": "/mailer"}


def test_what_its_data_says_goes_before_its_envelope() -> None:
    data = {**CLOUD["data"], "type": "sms_clicked", "event_id": "mine", "occurred_at": "2026-11-16T08:00:00Z"}  # type: ignore[dict-item]
    found = event({**CLOUD, "type": "com.shop.click", "subject": "s", "data": {**data, "properties": {"a": "b"}}}, AT)
    assert (found["type"], found["event_id"]) == ("sms_clicked", "mine")
    assert found["occurred_at"] == rfc3339.parse("2026-11-16T08:00:00Z")
    assert found["properties"] == {"a": "b", "cloudevents.source": "/mailer", "cloudevents.subject": "s"}


def test_extensions_change_nothing() -> None:
    assert body({**CLOUD, "traceparent": "00-1", "sequence": 7, "dataschema": "x"}, AT) == body(CLOUD, AT)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"specversion": "0.3"}, "impossible_field"),
        ({"specversion": 1.0}, "impossible_field"),
        ({"specversion": None}, "missing_field"),
        ({"id": None}, "missing_field"),
        ({"source": ""}, "impossible_field"),
        ({"type": 5}, "impossible_field"),
        ({"time": 5}, "impossible_field"),
        ({"time": "yesterday"}, "impossible_field"),
        ({"time": None}, "missing_field"),
        ({"type": "tally.email_open"}, "unknown_type"),
        ({"data": [1]}, "impossible_field"),
        ({"data": None, "data_base64": "e30="}, "impossible_field"),
        ({"data": {"properties": 5}}, "impossible_field"),
    ],
)
def test_a_cloudevent_that_is_none_is_refused(change: dict[str, Any], reason: str) -> None:
    assert refusal({**CLOUD, **change}, AT).reason == reason


def test_what_calls_itself_cloudevents_must_be_one() -> None:
    found = delivered("application/cloudevents-batch+json", coded([OPENED, CLOUD])).values
    assert isinstance(found[0], Refusal)
    assert found[1] == CLOUD


def test_a_binary_event_that_is_refused_keeps_its_envelope() -> None:
    found = delivered(JSON, coded(CLOUD["data"]), **{**HEADERS, "ce-type": "nothing"})
    assert refusal(found.values[0], AT).reason == "unknown_type"
    assert json.loads(found.raw(0)) == {**CLOUD, "type": "nothing"}
    system = delivered(JSON, b"", **{**HEADERS, "ce-type": "account_system"})
    assert event(system.values[0], AT)["type"] == "account_system"


# ------------------------------------------------------------------------------------------------------- files


def test_a_row_has_the_fields_as_columns() -> None:
    columns = {
        **OPENED, "link": "", "is_test": "TRUE", "properties.browser": "x", "properties.os": "",
    }  # fmt: skip
    found = event(of_columns(columns, AT), AT)
    assert (found["is_test"], found["properties"]) == (True, {"browser": "x"})
    merge = {"type": "profile_merged", "occurred_at": OPENED["occurred_at"], "sources": '["a"]', "target": "b"}
    assert event(of_columns(merge, AT), AT)["sources"] == ["a"]
    assert refusal(of_columns({**merge, "sources": "a"}, AT), AT).reason == "impossible_field"


# ----------------------------------------------------------------------------------------------- words of a refusal


CONTACTS = ("0151 1234 5678", "0151/12345678", "49-151-1234", "anna%40mail.example", "anna\uff20mail.example", "+49151")


@pytest.mark.parametrize("contact", CONTACTS)
@pytest.mark.parametrize(
    "wrong",
    [
        lambda contact: {"type": contact},
        lambda contact: {"occurred_at": contact},
        lambda contact: {"topic": contact},
        lambda contact: {"topic": {contact: 1}},
        lambda contact: {contact: "x"},
        lambda contact: {contact: 15112345678},
        lambda contact: {"properties": contact},
        lambda contact: {"properties": {contact: 1}},
        lambda contact: {"is_test": contact},
        lambda contact: {"message_id": [contact]},
        lambda contact: {"message_id": 15112345678},
    ],
)
def test_the_words_of_a_refusal_repeat_no_contact(wrong: Callable[[str], dict[str, Any]], contact: str) -> None:
    words = refusal({**OPENED, **wrong(contact)}, AT).detail
    assert contact not in words
    assert not re.search(r"\d{3}", re.sub(r"RFC 3339|2026-11-21T10:00:00(\.123)?Z", "", words).replace(" ", "")), words


def test_the_words_of_a_refusal_repeat_what_looks_like_a_key() -> None:
    assert "'email_opend' is unknown; near it: email_opened" in refusal({**OPENED, "type": "email_opend"}, AT).detail
    assert refusal({**OPENED, "mesage_id": "m"}, AT).detail.startswith("mesage_id is no field of an event; near it: m")
    assert refusal({**OPENED, "properties": {"order_id": 5}}, AT).detail.startswith("properties.order_id must be text")
    assert refusal({**OPENED, "properties": {"a@b": 5}}, AT).detail.startswith(
        "properties: a text of 3 characters must"
    )
