"""Brevo's translation: whatever JSON comes, nothing is raised, and one event has one identity and one body."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import schemas
from connectors.collect.endpoint import Endpoint
from connectors.collect.rows import Delivery, Translator
from connectors.collect.translation import Event, Refusal
from connectors.collect.vendors import VENDORS
from pipeline.core import refused, vocabulary
from pipeline.event_bytes import encoder
from pipeline.topics import SCHEMAS, schema_of
from tests.property.budget import examples

SAMPLES = Path(__file__).parents[1] / "data" / "vendors" / "brevo"
BREVO = VENDORS["brevo"]
TRANSLATOR = Translator(vocabulary.load(), dict.fromkeys(SCHEMAS, 7))
ENCODE = {name: encoder(schemas.avro(f"events/{name}.v1.avsc")) for name in SCHEMAS}

ADDRESS = "someone.rather.unlikely@mail.example"
PHONE = "390612345678"
FIELDS = sorted(
    {"event", "email", "id", "camp_id", "campaign name", "message-id", "msg_status", "messageId", "reference", "to"}
    | {"type", "eventName", "event_name", "event_id", "conversationId", "message", "visitor", "identifiers", "subtype"}
    | {
        "event_participants",
        "contact_id",
        "content",
        "reporting",
        "template_id",
        "tag",
        "tags",
        "link",
        "URL",
        "reason",
    }
    | {"ts_epoch", "s_epoch", "ts_event", "event_date", "date_event", "date", "completion_date", "X-Mailin-custom"}
)
PLACES = [*FIELDS, "/message/createdAt", "/identifiers/contact_id", "/tags/0", "/", "//", "/~0~1"]
EVENTS = sorted({place for vendor, place in vocabulary.load().vendors if vendor == "brevo"})

texts = (
    st.text(max_size=12) | st.text(st.characters(categories=["Cs"]), max_size=2) | st.sampled_from(["null", "0", ""])
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from([ADDRESS, PHONE, 1794787200123])
) | st.sampled_from(
    ["opened", "unique_opened", "sent", "click", "2026-11-16 01:00:00", "0001-01-01 00:00:00", "[" * 40]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | texts, inner, max_size=4),
    max_leaves=8,
)
payloads = st.dictionaries(st.sampled_from(FIELDS), values, max_size=10) | st.dictionaries(texts, values, max_size=4)
endpoints = st.builds(
    lambda event, zone, fields: Endpoint("e1", "brevo", "acme", "brevo", event, zone, MappingProxyType(fields)),
    st.none() | st.sampled_from(EVENTS) | st.sampled_from(["push", "custom", "whatsapp", "Sent"]) | texts,
    st.sampled_from(["UTC", "Europe/Paris", "America/Los_Angeles", "Pacific/Kiritimati", "no zone"]),
    st.just({})
    | st.dictionaries(st.sampled_from(["event", "occurred_at", "email", "link", "value"]), st.sampled_from(PLACES)),
)


def samples() -> list[tuple[dict[str, Any], Endpoint]]:
    rows = [line.split("\t") for line in (SAMPLES / "endpoints.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    found = []
    for file, event, zone, fields in rows:
        at = Endpoint("e1", "brevo", "acme", "brevo", event or None, zone, MappingProxyType(json.loads(fields)))
        items = BREVO.items(json.loads((SAMPLES / file).read_text(encoding="utf-8"))) or []
        payloads = [item for item in items if isinstance(item, dict)]
        found += [(item, at) for item in payloads if isinstance(BREVO.translate(item, at), Event)]
    return found


EVENT_SAMPLES = samples()
CLASSIC = [
    (item, at) for item, at in EVENT_SAMPLES if {"message-id", "camp_id", "msg_status"} & set(item) and not at.event
]


def body(item: dict[str, Any], at: Endpoint) -> bytes:
    found = BREVO.translate(item, at)
    assert isinstance(found, Event), found
    fields = found.fields | {"account_id": "acme", "source": "brevo"}
    return ENCODE[schema_of(vocabulary.load().types[fields["type"]].topic)](fields)


def holds(item: dict[str, Any], at: Endpoint) -> None:
    """What must be true of any item."""
    found = BREVO.translate(item, at)
    if isinstance(found, Refusal):
        assert found.reason in refused.REASONS
        assert ADDRESS not in found.detail
        assert PHONE not in found.detail
        return
    assert found.fields["type"] in vocabulary.load().types
    assert all(isinstance(value, str) for value in found.fields["properties"].values())
    message, refusal = TRANSLATOR.translated(Delivery([item], lambda _: b"{}"), at, BREVO, 1)[0][:2]
    assert message.key == b"acme"
    assert refusal is None or "Unicode" in refusal.detail


@examples()
@given(payloads, endpoints)
def test_any_object_is_an_event_or_a_refusal_without_an_address(item: dict[str, Any], at: Endpoint) -> None:
    holds(item, at)


@examples()
@given(st.sampled_from(EVENT_SAMPLES), st.sampled_from(FIELDS), values)
def test_any_value_in_any_field_of_a_sample_is_an_event_or_a_refusal(
    sample: tuple[dict[str, Any], Endpoint], field: str, value: Any
) -> None:
    item, at = sample
    holds({**item, field: value}, at)


@examples()
@given(values | payloads | st.dictionaries(texts, st.lists(payloads, max_size=3), max_size=2), endpoints)
def test_any_body_becomes_one_message_for_every_item(document: Any, at: Endpoint) -> None:
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    made = TRANSLATOR.messages(body, at, BREVO, 1)
    items = BREVO.items(document)
    if "NaN" not in body.decode() and "Infinity" not in body.decode():
        assert len(made) == (1 if items is None else len(items))


@examples()
@given(st.integers(1, 100) | st.integers(1, 900))
def test_a_nest_of_any_depth_is_an_event_or_a_refusal(depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    holds({**EVENT_SAMPLES[0][0], "extra": value, "tags": value}, EVENT_SAMPLES[0][1])


@examples()
@given(
    st.sampled_from(CLASSIC),
    st.dictionaries(
        st.sampled_from(["id", "ts", "tags", "tag", "mirror_link", "user_agent", "device_used", "remaining_credit"]),
        scalars,
        min_size=1,
    ),
)
def test_what_varies_by_delivery_changes_no_byte(
    sample: tuple[dict[str, Any], Endpoint], changes: dict[str, Any]
) -> None:
    item, at = sample
    if "template_id" not in item and "camp_id" not in item:
        changes = {
            name: value for name, value in changes.items() if name not in ("tag", "tags")
        }  # they are its message
    assert body({**item, **changes}, at) == body(item, at)


RECIPES = {
    "message-id": ("message-id", "email", "event", "ts_epoch"),
    "camp_id": ("camp_id", "email", "event", "ts_event"),
    "msg_status": ("messageId", "to", "msg_status"),
}
FRESH: dict[str, Any] = {
    "message-id": "<new@relay.example>",
    "email": "new@mail.example",
    "ts_epoch": 1794787200001,
    "ts_event": 1794787201,
    "camp_id": 99999,
    "to": "33999999999",
    "messageId": 5,
}


@examples()
@given(st.sampled_from(CLASSIC), st.data())
def test_every_field_of_a_recipe_tells_events_apart(
    sample: tuple[dict[str, Any], Endpoint], data: st.DataObject
) -> None:
    item, at = sample
    family = next(name for name in ("camp_id", "message-id", "msg_status") if name in item)
    changed = data.draw(st.sampled_from(RECIPES[family]))
    was = BREVO.translate(item, at)
    assert isinstance(was, Event)
    other = "delivered" if was.fields["vendor_type"].partition("/")[2] != "Delivered" else "hard_bounce"
    item = {name: value for name, value in item.items() if changed != "ts_epoch" or name != "s_epoch"}
    now = BREVO.translate({**item, changed: FRESH.get(changed, other)}, at)
    assert isinstance(now, Event)
    assert now.fields["event_id"] != was.fields["event_id"]


@examples()
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=8, unique=True), st.booleans(), st.booleans(), st.randoms())
def test_opens_are_counted_alike_whether_the_first_fires_once_or_twice(
    times: list[int], twice: bool, marketing: bool, order: Any
) -> None:
    first, *later = sorted(times)
    names = [("unique_opened", first)] + [("opened", first)] * twice + [("opened", time) for time in later]
    order.shuffle(names)
    family = {"camp_id": 7} if marketing else {"message-id": "<m@relay.example>", "template_id": 7}
    clock = (
        (lambda time: {"ts_event": 1794787200 + time})
        if marketing
        else (lambda time: {"ts_epoch": 1794787200000 + time})
    )
    at = Endpoint("e1", "brevo", "acme", "brevo")
    bodies = {body({"event": name, "email": "a@b.example", **family, **clock(time)}, at) for name, time in names}
    assert len(bodies) == len(times)  # so a copy is a duplicate, and never a conflicting one
