"""Whatever JSON a hook sends, each item is one event or one refusal; one event has one id and one body."""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.collect.altcraft.hook import ROLES
from connectors.collect.altcraft.rows import KEYS
from connectors.collect.endpoint import Endpoint
from connectors.collect.rows import Translator
from connectors.collect.translation import Event
from connectors.collect.vendors import VENDORS
from pipeline import rfc3339
from pipeline.core import vocabulary
from pipeline.core.batch import Slab
from pipeline.core.reasons import Reject
from tests.events import SCHEMA_IDS
from tests.partition import Partition, reasons
from tests.property.budget import examples

ALTCRAFT = VENDORS["altcraft"]
TRANSLATOR = Translator(vocabulary.load(), SCHEMA_IDS)
ENDPOINT = Endpoint("e1", "altcraft", "acme", "altcraft")
ARRIVED_MS = rfc3339.parse("2026-11-16T14:00:00Z") // 1000
DATA = Path(__file__).parents[1] / "data" / "vendors" / "altcraft"
SAMPLES = [json.loads((DATA / f"{key}.json").read_text(encoding="utf-8"))[0] for key in sorted(KEYS)]

PLACES = [
    *("event_type", "event", "event_date", "account_id", "is_test", "event_data", "profile_id", "_xxh", "_md5"),
    *("list_id", "sends_trying_num", "custom_data", "subscription", "unknown"),
    *(role.removeprefix("/").replace("/", ".") for role in ROLES.values() if "event_data" in role),
    *("event_data.segment_id", "event_data.list_id", "event_data.unknown", "event_data.lat"),
]
GEOGRAPHY = ("country", "city", "postal_code", "region", "tz", "lat", "lon")
# What only the stream can judge.
BY_OTHERS = {Reject.TOO_LATE, Reject.IN_THE_FUTURE, Reject.CONFLICTING_DUPLICATE, Reject.TOO_MANY_PROFILES}
LEFT_OUT = [
    *("custom_data", "subscription", "subscription_hash_id", "sends_trying_num", "is_static", "unknown"),
    *(f"event_data.{name}" for name in GEOGRAPHY),
]
# Texts as vendors and attackers write them, half of a pair included: JSON's \ud800 is one.
TEXTS = st.one_of(
    st.text(max_size=8),
    st.text(st.characters(categories=["Cs", "Lu", "Nd"]), max_size=4),
    st.sampled_from(["", "0", "null", "-1", "/", "x" * 600, "2026-11-16T10:00:00.123456789+03:00", "\ud800"]),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
POINTERS = st.one_of(TEXTS, st.sampled_from(["/event_data", "/event_data/sources/0", "profile_id", "//", "/~1"]))
ENDPOINTS = st.builds(
    lambda fields, event: Endpoint("e1", "altcraft", "acme", "altcraft", event, fields=MappingProxyType(fields)),
    st.dictionaries(st.sampled_from([*ROLES, "event_id", "deleted_profile_id"]), POINTERS, max_size=3),
    st.sampled_from([None, "open", "email/open", "nothing"]),
)


def put(item: dict[str, Any], path: str, value: Any) -> None:
    """Another value at a path of dots, where there is something to put it into."""
    *outer, last = path.split(".")
    for name in outer:
        item = item.get(name)  # type: ignore[assignment]
    if isinstance(item, dict):
        item[last] = value


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    item = copy.deepcopy(draw(st.sampled_from(SAMPLES)))
    for path in draw(st.lists(st.sampled_from(PLACES), max_size=4)):
        put(item, path, draw(VALUES))
    return item


@examples()
@given(st.lists(messages(), min_size=1, max_size=3), ENDPOINTS)
def test_every_item_is_one_event_or_one_refusal_that_the_core_takes_as_such(
    items: list[dict[str, Any]], endpoint: Endpoint
) -> None:
    found = TRANSLATOR.messages(json.dumps(items).encode(), endpoint, ALTCRAFT, ARRIVED_MS * 1000)
    assert len(found) == len(items)
    topics: Counter[str] = Counter()
    slabs = []
    for one in found:
        slabs.append(Slab(one.message.topic, topics[one.message.topic], ARRIVED_MS, [one.message.value]))
        topics[one.message.topic] += 1
    said = reasons(Partition(window_days=7).send_slabs(slabs))
    # Nothing that is invalid in itself passes the translation: its dead letter would lack the vendor's bytes.
    assert sorted(reason for reason in said if reason not in BY_OTHERS) == sorted(
        one.refusal.reason for one in found if one.refusal is not None
    )
    assert not [one for one in found if one.refusal is not None and "example.org" in one.refusal.detail]


@examples()
@given(VALUES, ENDPOINTS)
def test_any_json_at_all_is_a_delivery_or_one_refusal(document: Any, endpoint: Endpoint) -> None:
    count = len(document) if isinstance(document, list) else 1
    body = json.dumps(document).encode()
    assert len(TRANSLATOR.messages(body, endpoint, ALTCRAFT, 0)) == count


@examples()
@given(st.dictionaries(st.sampled_from([*PLACES, "event_data.a.b", "event_data.a", ""]) | TEXTS, TEXTS | st.just("{}")))
def test_any_row_of_a_file_is_an_item(cells: dict[str, str]) -> None:
    ALTCRAFT.translate(ALTCRAFT.row(cells, ENDPOINT), ENDPOINT)


def value_of(item: dict[str, Any]) -> bytes:
    (found,) = TRANSLATOR.messages(json.dumps([item]).encode(), ENDPOINT, ALTCRAFT, 0)
    assert isinstance(found.event, Event), found.refusal
    return found.message.value


@examples()
@given(st.sampled_from(SAMPLES), st.dictionaries(st.sampled_from(LEFT_OUT), VALUES, min_size=1))
def test_what_varies_by_delivery_changes_no_byte_of_the_event(item: dict[str, Any], other: dict[str, Any]) -> None:
    if item["event_type"] in ("campaign_launch", "camp_error"):
        other.pop("unknown", None)  # kept: their structure is not described
    changed = copy.deepcopy(item)
    for path, value in other.items():
        put(changed, path, value)
    assert value_of(changed) == value_of(item)


# Small sets, so that two draws often agree.
IDS = st.sampled_from([None, 1, 2, "1", "a"])
RECIPES = st.fixed_dictionaries(
    {
        "account_id": IDS, "list_id": IDS, "profile_id": st.sampled_from(["p", "q"]) | st.just(...), "_xxh": IDS,
        "_md5": IDS, "event_type": st.sampled_from(["open", "click"]),
        "event_date": st.sampled_from(["2026-11-16T10:00:00Z", "2026-11-16T10:00:00.0Z"]),
        "event_data": st.fixed_dictionaries(
            {"send_message_id": IDS, "campaign_id": IDS, "message_id": IDS, "link_url": st.sampled_from([None, "l"])}
        ),
    }
)  # fmt: skip


def recipe(item: dict[str, Any]) -> tuple[Any, ...]:
    """What the id is made of, said once more."""
    text = {name: None if value is None else str(value) for name, value in (item | item["event_data"]).items()}
    who = text.get("profile_id") or text["_xxh"] or text["_md5"]
    sending = text["send_message_id"] or (text["campaign_id"], text["message_id"])
    return (*(text[n] for n in ("account_id", "list_id", "event_type", "event_date")), who, sending, text["link_url"])


@examples()
@given(RECIPES, RECIPES, st.data())
def test_two_events_have_one_id_exactly_where_the_recipe_agrees(
    one: dict[str, Any], other: dict[str, Any], data: st.DataObject
) -> None:
    kept = data.draw(st.sets(st.sampled_from(sorted(one))))
    other = other | {name: one[name] for name in kept}
    items = [{name: value for name, value in item.items() if value is not ...} for item in (one, other)]
    found = [ALTCRAFT.translate(item, ENDPOINT) for item in items]
    assert all(isinstance(event, Event) for event in found)
    ids = [event.fields["event_id"] for event in found if isinstance(event, Event)]
    assert (ids[0] == ids[1]) == (recipe(items[0]) == recipe(items[1]))
