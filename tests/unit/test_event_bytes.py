"""The encoder writes what fastavro writes, byte for byte, for every event schema."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from pipeline.event_bytes import encoder
from pipeline.topics import SCHEMAS

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.just("é" * 3000)
_long = st.integers(-(1 << 63), (1 << 63) - 1)
_PLAIN = {"string": _text, "long": _long, "boolean": st.booleans(), "double": st.floats(allow_nan=False)}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of an Avro type."""
    if isinstance(kind, str):
        return _PLAIN[kind]
    if isinstance(kind, list):
        return st.none() | values(kind[1])
    if kind["type"] == "record":
        return st.fixed_dictionaries({f["name"]: values(f["type"]) for f in kind["fields"]})
    if kind["type"] == "array":
        return st.lists(values(kind["items"]), max_size=3)
    if kind["type"] == "map":
        return st.dictionaries(_text, values(kind["values"]), max_size=3)
    return values(kind["type"])


def sorted_maps(value: Any) -> Any:
    """fastavro writes maps in their own order."""
    if isinstance(value, dict):
        return {name: sorted_maps(value[name]) for name in sorted(value)}
    return [sorted_maps(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("schema", SCHEMAS)
def test_bytes_are_those_of_fastavro(schema: str) -> None:
    avro = schemas.avro(f"events/{schema}.v1.avsc")
    encode = encoder(avro)

    @given(values(avro))
    def compare(event: dict[str, Any]) -> None:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, avro, sorted_maps(event))
        assert encode(event) == out.getvalue()

    compare()


def test_what_an_event_leaves_out_takes_the_schemas_default() -> None:
    avro = schemas.avro("events/profile.v1.avsc")
    event = {"account_id": "a", "source": "s", "type": "profile_created", "occurred_at": 1}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, avro, event)
    assert encoder(avro)(event) == out.getvalue()


def test_a_field_without_default_must_be_there() -> None:
    with pytest.raises(KeyError, match="account_id"):
        encoder(schemas.avro("events/crm.v1.avsc"))({"source": "s"})


def test_one_event_has_one_body_whatever_the_order_of_its_map() -> None:
    encode = encoder(schemas.avro("events/crm.v1.avsc"))
    event = {"account_id": "a", "source": "s", "type": "crm_custom", "occurred_at": 1}
    assert encode({**event, "properties": {"b": "1", "a": "2"}}) == encode(
        {**event, "properties": {"a": "2", "b": "1"}}
    )
