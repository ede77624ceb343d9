"""A delivery's body to messages: every item becomes one, whatever it is; a refused one keeps its own bytes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.collect import rows
from connectors.collect.endpoint import Endpoint
from connectors.collect.rows import ITEMS_MAX, Delivery, Translated, Translator, delivery
from connectors.collect.translation import Event, Refusal, Vendor
from pipeline.core import refused, vocabulary
from pipeline.core.decode import BODY_BYTES_MAX, payload
from pipeline.core.framing import FRAME_BYTES, schema_id_of
from pipeline.core.reasons import Reject
from tests.events import NOON_US, SCHEMA_IDS, SCHEMAS
from tests.property.budget import examples

ENDPOINT = Endpoint(id="e1", vendor="toy", account="acme", source="toy")
TRANSLATOR = Translator(vocabulary.load(), SCHEMA_IDS)


def listed(document: Any) -> list[Any] | None:
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        inside = [value for value in document.values() if isinstance(value, list)]
        return inside[0] if len(inside) == 1 else [document]
    return None


def translate(item: Mapping[str, Any], endpoint: Endpoint) -> Event | Refusal:
    if item.get("bad"):
        return Refusal(Reject.UNKNOWN_TYPE, "key 'bad'")
    fields = {"type": "email_opened", "occurred_at": NOON_US, "event_id": "1", "properties": item.get("p", {})}
    return Event(fields | {"account_id": "thief", "source": "thief"})


TOY = Vendor("toy", listed, translate, lambda columns, endpoint: columns)


def messages(body: bytes) -> list[Translated]:
    return TRANSLATOR.messages(body, ENDPOINT, TOY, NOON_US)


def said(one: Translated) -> refused.Refused:
    """What the worker will make of a refusal."""
    message = one.message
    assert (message.topic, message.key, schema_id_of(message.value)) == (
        "events.account",
        b"acme",
        SCHEMA_IDS["account"],
    )
    event = payload(SCHEMAS[SCHEMA_IDS["account"]], message.value[FRAME_BYTES:])
    assert (event["type"], event["account_id"], event["source"]) == (refused.TYPE, "acme", "toy")
    found = refused.read(event["properties"])
    assert found is not None
    return found


def test_account_and_source_are_the_endpoint_s_whatever_the_item_says() -> None:
    (one,) = messages(b'{"account_id": "thief"}')
    event = payload(SCHEMAS[SCHEMA_IDS["channel"]], one.message.value[FRAME_BYTES:])
    assert (event["account_id"], event["source"], event["type"]) == ("acme", "toy", "email_opened")
    assert (one.message.topic, one.message.key, one.message.received_at) == ("events.email", b"acme", NOON_US)


@pytest.mark.parametrize(
    ("before", "after"),
    [("[", "]"), ('{"a[b": 1, "c" : "[", "events" : [', '], "z": {"y": 2}}'), (" [ ", " ] "), ("\ufeff[", "]")],
)
def test_a_refused_item_keeps_its_own_bytes_and_its_neighbours_are_taken(before: str, after: str) -> None:
    bad = '{"bad" :  true, "n": 1.50, "t": "é\\u00e9 ]}"}'
    found = messages(f"{before}{{}}, {bad} ,{{}}{after}".encode())
    assert [one.refusal is None for one in found] == [True, False, True]
    assert said(found[1])[:3] == (Reject.UNKNOWN_TYPE, "toy endpoint e1: key 'bad'", bad.encode())


def test_of_lists_with_one_name_the_last_one_s_items_keep_their_bytes() -> None:
    found = messages(b'{"a": [{"bad": 1}], "a": [{}, {"bad": 2}]}')
    assert [None if one.refusal is None else said(one).raw for one in found] == [None, b'{"bad": 2}']


def test_items_that_were_made_of_the_first_list_keep_the_bytes_that_they_were_made_of() -> None:
    anew = Vendor("toy", lambda document: [dict(one) for one in document["a"]], translate, lambda columns, _: columns)
    found = TRANSLATOR.messages(b'{"x": {}, "a": [{}, {"bad": 2}], "b": []}', ENDPOINT, anew, NOON_US)
    assert [None if one.refusal is None else said(one).raw for one in found] == [None, b'{"bad": 2}']


def test_items_nested_as_deeply_as_can_be_read_are_taken_or_refused_with_bytes() -> None:
    for depth in range(900, 1010):
        deep = b"[" * depth + b"]" * depth
        for body in (b'[{"bad": ' + deep + b"}]", b'{"x": {}, "y": [{"bad": ' + deep + b"}]}"):
            (one,) = messages(body)
            assert said(one).raw in body


def test_a_refused_object_alone_keeps_the_whole_body() -> None:
    body = b' {"bad": 1}\n'
    (one,) = messages(body)
    assert said(one).raw == body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Expecting value at character 1"),
        (b"[1,", "is not JSON"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": "\xff"}', "not UTF-8: byte 8 of 10"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the delivery has a number of more than 4300 digits"),
        (b'"text"', "no object and no list"),
    ],
)
def test_broken_json_is_one_refusal_with_all_bytes(body: bytes, words: str) -> None:
    (one,) = messages(body)
    found = said(one)
    assert (found.reason, found.raw, found.size) == (Reject.UNDECODABLE, body[: 64 * 1024], len(body))
    assert words in found.detail
    assert "sys." not in found.detail


def test_what_is_no_object_is_refused_alone() -> None:
    found = messages(b'[{}, 5, "x", null, [1]]')
    assert [said(one).raw for one in found[1:]] == [b"5", b'"x"', b"null", b"[1]"]


@pytest.mark.parametrize(("more", "refusals"), [(0, 0), (1, 1)])
def test_a_body_has_a_bound_of_items(more: int, refusals: int) -> None:
    body = json.dumps([{}] * (ITEMS_MAX + more)).encode()
    found = delivery(body, TOY)
    assert isinstance(found, Refusal if refusals else Delivery)


def test_an_event_past_a_mebibyte_is_refused_as_oversized() -> None:
    body = json.dumps({"p": {"x": "y" * BODY_BYTES_MAX}}).encode()
    (one,) = messages(body)
    found = said(one)
    assert (found.reason, found.size, len(found.raw)) == (Reject.OVERSIZED, len(body), 64 * 1024)


def test_half_of_a_surrogate_pair_is_refused_with_the_delivery_s_bytes() -> None:
    body = b'{"p": {"x": "\\ud800"}}'
    (one,) = messages(body)
    assert (said(one).reason, said(one).raw) == (Reject.IMPOSSIBLE_FIELD, body)


def test_a_delivery_that_is_refused_item_by_item_is_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    elements = rows._elements
    monkeypatch.setattr(rows, "_elements", lambda text, at: [passes.append(at), *elements(text, at)][1:])
    assert [said(one).raw for one in messages(b"[1, 2, 3]")] == [b"1", b"2", b"3"]
    assert passes == [0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@examples()
@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_the_bytes_of_every_item_parse_to_that_item(document: Any, indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = delivery(body, TOY)
    if isinstance(found, Delivery):
        assert [json.loads(found.raw(n)) for n in range(len(found.values))] == found.values


@examples()
@given(st.binary(max_size=60))
def test_whatever_the_bytes_are_nothing_raises_and_nothing_is_dropped(body: bytes) -> None:
    found = delivery(body, TOY)
    assert len(messages(body)) == (len(found.values) if isinstance(found, Delivery) else 1)


def test_what_the_account_s_schema_carries_is_read_by_the_reference() -> None:
    (one,) = messages(b"\x00")
    body = one.message.value[FRAME_BYTES:]
    assert base64.b64decode(payload(SCHEMAS[SCHEMA_IDS["account"]], body)["properties"]["raw"]) == b"\x00"
