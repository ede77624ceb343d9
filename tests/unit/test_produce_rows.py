"""Lines of JSON: what becomes an event, and for every kind of bad line its number, field and reason."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from connectors.producer import fields, rows
from connectors.producer.rows import Fault, Message, Translator
from pipeline.core import decode, validate, vocabulary
from pipeline.topics import schema_of

IDS = {"channel": 11, "profile": 12, "account": 13, "crm": 14}
EVENT = {"account_id": "acme-shop", "source": "brevo", "type": "email_clicked", "occurred_at": "2026-11-21T10:00:00Z"}
PLAN = {"allowance": 100, "anchor_day": 31, "time_zone": "Europe/Berlin"}
PLAN_SET = {**EVENT, "type": "account_plan_set", "plan": PLAN}
MERGED = {**EVENT, "type": "profile_merged", "sources": ["a"], "target": "b"}
SPLIT = {**EVENT, "type": "profile_split", "split_source": "a", "parts": [{"target": "b", "members": ["c"]}]}
TRANSLATOR = Translator(vocabulary.load(), IDS)


def translate(event: object) -> Message | Fault:
    line = event if isinstance(event, bytes) else json.dumps(event).encode()
    return TRANSLATOR.translate(line, 7)


def message(event: object) -> Message:
    found = translate(event)
    assert isinstance(found, Message), found
    return found


def decoded(found: Message) -> dict[str, Any]:
    body = io.BytesIO(found.value[5:])
    event: Any = fastavro.schemaless_reader(body, schemas.avro(f"events/{schema_of(found.topic)}.v1.avsc"), None)
    assert not body.read()
    return dict(event)


def test_an_event_becomes_a_framed_body_keyed_by_its_account() -> None:
    found = message({**EVENT, "profile_id": "p", "link": "https://x", "properties": {"b": "2", "a": "1"}})
    assert found.topic == "events.email"
    assert found.key == b"acme-shop"
    assert found.value[:5] == b"\x00\x00\x00\x00\x0b"
    assert found.received_at is None
    event = decoded(found)
    assert event["profile_id"] == "p"
    assert event["event_id"] is None
    assert event["is_test"] is False
    assert list(event["properties"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("event", "schema_id"), [(EVENT, 11), (MERGED, 12), (PLAN_SET, 13), ({**EVENT, "type": "crm_purchase"}, 14)]
)
def test_each_topic_has_its_schemas_id(event: dict[str, Any], schema_id: int) -> None:
    assert message(event).value[:5] == b"\0" + schema_id.to_bytes(4, "big")


def test_received_at_becomes_a_header_and_no_field() -> None:
    found = message({**EVENT, "received_at": "1970-01-01T00:00:01Z"})
    assert found.received_at == 1_000_000
    assert found.value == message(EVENT).value


def test_null_and_empty_say_as_little_as_nothing() -> None:
    assert message({**EVENT, "profile_id": None, "link": "", "event_id": "", "properties": None}) == message(EVENT)


def test_a_plan_takes_the_default_thresholds() -> None:
    plan = decoded(message(PLAN_SET))["plan"]
    assert plan == {**PLAN, "thresholds": [0.8, 0.9, 1.0], "activities": None}


BAD: list[tuple[object, str, str]] = [
    (b"{", "line", "is not JSON"),
    (b"[1]", "line", "must be an object"),
    (b"null", "line", "must be an object"),
    (b'{"a":1,"a":2}', "a", "twice"),
    (b'{"a":NaN}', "line", "NaN"),
    (b'{"a":"\xff"}', "line", "byte 0xff"),
    (b"[" * 100_000, "line", "nested too deeply"),
    (b"1" * 5_000, "line", "is not an event: it has a number of more than 4300 digits"),
    ({**EVENT, "type": None}, "type", "missing"),
    ({**EVENT, "type": 5}, "type", "must be text"),
    ({**EVENT, "type": "email_click"}, "type", "email_clicked"),
    ({**EVENT, "type": "zzz"}, "type", "is unknown"),
    ({**EVENT, "topic": "events.sms"}, "topic", "contradicts"),
    ({**EVENT, "topic": "events.emial"}, "topic", "events.email"),
    ({**EVENT, "account_id": ""}, "account_id", "missing"),
    ({**EVENT, "account_id": 5}, "account_id", "must be text; is the number 5"),
    ({**EVENT, "account_id": "a" * 513}, "account_id", "512"),
    ({**EVENT, "source": None}, "source", "missing"),
    ({k: v for k, v in EVENT.items() if k != "occurred_at"}, "occurred_at", "missing"),
    ({**EVENT, "occurred_at": 1790000000}, "occurred_at", "must be a time"),
    ({**EVENT, "occurred_at": "2026-11-21T10:00:00"}, "occurred_at", "offset is missing"),
    ({**EVENT, "received_at": "yesterday"}, "received_at", "not an RFC 3339"),
    ({**EVENT, "is_test": "true"}, "is_test", "true or false"),
    ({**EVENT, "is_test": 0}, "is_test", "true or false"),
    ({**EVENT, "properties": ["a"]}, "properties", "object of texts"),
    ({**EVENT, "properties": {"n": 1}}, "properties.n", "must be text"),
    ({**EVENT, "profil_id": "p"}, "profil_id", "profile_id"),
    ({**EVENT, "sources": ["a"]}, "sources", "of profile events"),
    ({**EVENT, "plan": PLAN}, "plan", "of account events"),
    ({**EVENT, "link": "\ud800"}, "link", "lone"),
    ({**EVENT, "properties": {"x": "\udfff"}}, "properties", "lone"),
    ({**EVENT, "properties": {"x": "y" * (1 << 20)}}, "line", "is the most"),
    ({**MERGED, "sources": []}, "sources", "profile_merged needs it"),
    ({**MERGED, "target": None}, "target", "profile_merged needs it"),
    ({**MERGED, "sources": "a"}, "sources", "list of texts"),
    ({**MERGED, "sources": ["a", 5]}, "sources[1]", "must be text"),
    ({**EVENT, "profile_id": " NULL "}, "profile_id", "names nobody"),
    ({**MERGED, "target": "0"}, "target", "names nobody"),
    ({**MERGED, "sources": ["a", "guest"]}, "sources", "names nobody"),
    ({**MERGED, "sources": ["a", "b"]}, "target", "one of the sources"),
    ({**MERGED, "sources": ["\ud800"]}, "sources", "lone"),
    ({**SPLIT, "split_source": "none"}, "split_source", "names nobody"),
    ({**SPLIT, "parts": [{"target": "-1"}]}, "parts.target", "names nobody"),
    ({**SPLIT, "parts": [{"target": "b", "members": [""]}]}, "parts.members", "names nobody"),
    ({**SPLIT, "parts": [{"target": "b", "members": ["b"]}]}, "parts", "twice"),
    ({**SPLIT, "parts": [{"target": "b"}, {"target": "b"}]}, "parts", "twice"),
    ({**SPLIT, "parts": []}, "parts", "profile_split needs it"),
    ({**SPLIT, "parts": [{"members": []}]}, "parts[0].target", "missing"),
    ({**SPLIT, "parts": [{"target": "a", "member": []}]}, "parts[0].member", "no field"),
    ({**SPLIT, "parts": {"target": "a"}}, "parts", "must be a list"),
    ({**SPLIT, "split_source": None}, "split_source", "profile_split needs it"),
    ({**PLAN_SET, "plan": None}, "plan", "account_plan_set needs it"),
    ({**PLAN_SET, "plan": 5}, "plan", "must be an object"),
    ({**PLAN_SET, "plan": {**PLAN, "anchor_day": 32}}, "plan.anchor_day", "from 1 to 31"),
    ({**PLAN_SET, "plan": {**PLAN, "anchor_day": True}}, "plan.anchor_day", "from 1 to 31"),
    ({**PLAN_SET, "plan": {**PLAN, "allowance": 0}}, "plan.allowance", "from 1 to"),
    ({**PLAN_SET, "plan": {**PLAN, "time_zone": "Mars/Base"}}, "plan.time_zone", "IANA"),
    ({**PLAN_SET, "plan": {**PLAN, "time_zone": "../../etc/passwd"}}, "plan.time_zone", "IANA"),
    ({**PLAN_SET, "plan": {**PLAN, "time_zone": None}}, "plan.time_zone", "missing"),
    ({**PLAN_SET, "plan": {**PLAN, "thresholds": [0.9, 0.8]}}, "plan.thresholds", "must rise"),
    ({**PLAN_SET, "plan": {**PLAN, "thresholds": [0.5, 0]}}, "plan.thresholds[1]", "above 0"),
    (json.dumps({**PLAN_SET, "plan": {**PLAN, "thresholds": [5]}}).replace("[5]", "[1e999]").encode(),
     "plan.thresholds[0]", "above 0"),
    ({**PLAN_SET, "plan": {**PLAN, "activities": ["email_open"]}}, "plan.activities[0]", "no type"),
    ({**PLAN_SET, "plan": {**PLAN, "zone": "UTC"}}, "plan.zone", "no field"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "field", "reason"), BAD)
def test_a_bad_line_is_told_with_number_field_and_reason(event: object, field: str, reason: str) -> None:
    found = translate(event)
    assert isinstance(found, Fault), found
    assert (found.line, found.field) == (7, field)
    assert reason in found.reason
    assert len(found.reason) < 300


@pytest.mark.parametrize("name", ["account_id", "profile_id"])
def test_an_id_at_its_bound_passes(name: str) -> None:
    message({**EVENT, name: "é" * 256})


@given(st.binary(max_size=60))
def test_no_bytes_make_it_fail(line: bytes) -> None:
    assert isinstance(translate(line), Fault)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([EVENT, MERGED, SPLIT, PLAN_SET]), st.sampled_from([*EVENT, *MERGED, *SPLIT, "plan"]), _json)
def test_no_value_of_a_field_makes_it_fail(event: dict[str, Any], name: str, value: object) -> None:
    found = translate(json.dumps({**event, name: value}).encode())
    assert isinstance(found, Message | Fault)


def test_its_bounds_are_those_of_the_core() -> None:
    assert rows.BODY_BYTES_MAX == decode.BODY_BYTES_MAX
    bounds = ("ID_BYTES_MAX", "ALLOWANCE_MAX", "THRESHOLDS_MAX", "ACTIVITIES_MAX")
    assert all(getattr(fields, name) == getattr(validate, name) for name in bounds)
