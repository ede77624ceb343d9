"""Bodies that an account writes itself: whatever JSON comes, one event or one refusal, and a copy is the same event."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.collect.connectif.export import row as exported
from connectors.collect.endpoint import Endpoint
from connectors.collect.own.deliveries import OWN, items_of
from connectors.collect.rows import Delivery, Translator
from connectors.collect.translation import Event, Refusal
from connectors.collect.vendors import VENDORS
from pipeline.core import vocabulary
from pipeline.core.refused import REASONS
from pipeline.topics import SCHEMAS
from tests.property.budget import examples
from tests.written_samples import Samples, endpoint

TRANSLATOR = Translator(vocabulary.load(), dict.fromkeys(SCHEMAS, 1))
SAMPLES = {name: Samples(name) for name in ("connectif", "mindbox")}
ENDPOINTS = [
    endpoint("connectif"),
    endpoint("connectif", "email-opened", "Europe/Madrid", event="/a/0", profile_id="event", value="/customer/ids"),
    endpoint("connectif", "profile_created", "Asia/Kathmandu", email="", occurred_at="/occurred_at"),
    endpoint("mindbox"),
    endpoint("mindbox", "email_clicked", "Europe/Moscow", link="/customer", message_id="/context/a", x="/"),
    endpoint("mindbox", "account_system", "UTC", event="customer"),
    endpoint("own"),
]
KEYS = sorted(
    {"event", "occurred_at", "contact_id", "email", "sources", "target", "customer", "ids", "context", "customerAction"}
    | {
        "actionTemplate",
        "systemName",
        "dateTimeUtc",
        "mailing",
        "customerActions",
        "order",
        "specversion",
        "data",
        "id",
    }
    | {"type", "source", "time", "properties", "profile_id", "is_test", "link", "phone", "event_id", "a", "mindboxId"}
)
WORDS = [
    "entity-merged",
    "email-link-clicked",
    "2026-11-16T09:00:00Z",
    "1.0",
    "tally.email_opened",
    "null",
    "c1",
    "\ud800",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(WORDS)
NAMES = st.sampled_from(KEYS) | st.text(max_size=3)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=10
)
ITEMS = st.dictionaries(NAMES, JSON, max_size=9)
GOOD = [
    (SAMPLES[name].endpoint_of(row["file"]), SAMPLES[name].items(row["file"])[int(row["item"])])
    for name in SAMPLES
    for row in SAMPLES[name].expected
]


def turned(value: Any) -> Any:
    """The same JSON with the keys of all objects the other way round."""
    if isinstance(value, dict):
        return {name: turned(inner) for name, inner in reversed(value.items())}
    return [turned(inner) for inner in value] if isinstance(value, list) else value


def check(item: Any, at: Endpoint) -> None:
    """One event or one refusal; encoded, it is one message; another order of keys makes no difference."""
    vendor = VENDORS[at.vendor]
    found = vendor.translate(item, at)
    assert isinstance(found, Event | Refusal)
    assert vendor.translate(turned(item), at) == found
    if isinstance(found, Refusal):
        assert found.reason in REASONS
    (told,) = TRANSLATOR.translated(Delivery([item], lambda _: b"raw"), at, vendor, 0)
    assert (told.refusal is None) == (told.event is not None)


@examples()
@given(st.sampled_from(ENDPOINTS), ITEMS)
def test_any_object_is_one_event_or_one_refusal(at: Endpoint, item: dict[str, Any]) -> None:
    check(item, at)


@examples()
@given(st.sampled_from(GOOD), NAMES, JSON)
def test_any_value_anywhere_in_a_good_item_is_one_event_or_one_refusal(
    good: tuple[Endpoint, dict[str, Any]], name: str, value: Any
) -> None:
    at, item = good
    check({**item, name: value}, at)


@examples()
@given(st.sampled_from(ENDPOINTS), JSON)
def test_any_document_has_items_or_none(at: Endpoint, document: Any) -> None:
    text = json.dumps(document)
    try:
        body = text.encode()
    except UnicodeEncodeError:
        return
    told = TRANSLATOR.messages(body, at, VENDORS[at.vendor], 0)
    assert told or document in ([], {"customerActions": []}) or not VENDORS[at.vendor].items(document)


@examples()
@given(
    st.sampled_from(["application/json", "application/x-ndjson", "application/cloudevents+json", ""]),
    st.dictionaries(
        st.sampled_from(["ce-specversion", "CE-ID", "ce-source", "ce-type", "ce-time", "x"]), st.text(max_size=9)
    ),
    st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
)
def test_any_request_has_items_or_a_refusal(content_type: str, headers: dict[str, str], body: bytes) -> None:
    found = items_of(content_type, headers, body)
    if isinstance(found, Delivery):
        told = TRANSLATOR.translated(found, endpoint("own"), OWN, 0)
        assert len(told) == len(found.values)


COLUMNS = ["Type", "Date", "Contact ID", "Content ID", "Previous contact ID", "Email", "Order ID", "event", ""]


@examples()
@given(
    st.sampled_from(ENDPOINTS),
    st.dictionaries(
        st.sampled_from(COLUMNS) | st.text(max_size=3), st.text(max_size=9) | st.sampled_from(WORDS), max_size=9
    ),
)
def test_any_row_is_one_event_or_one_refusal(at: Endpoint, columns: dict[str, str]) -> None:
    item = VENDORS[at.vendor].row(columns, at)
    assert isinstance(VENDORS[at.vendor].translate(item, at), Event | Refusal)
    assert exported(columns, ENDPOINTS[0]) == exported(dict(reversed(columns.items())), ENDPOINTS[0])
