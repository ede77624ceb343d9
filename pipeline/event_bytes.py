"""The bytes of an event: its Avro body. The frame around it is of `schema_ids`.

One event has one body: maps are written with sorted keys, so that a copy's bytes are the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import fastavro

Encoder = Callable[[Mapping[str, Any]], bytes]


def encoder(schema: Mapping[str, Any]) -> Encoder:
    """The encoder of an event schema. A field that an event leaves out takes the schema's default.

    Raises (the encoder):
        KeyError: a field without default is missing.
        AttributeError, TypeError: a value is not of the field's type.
        UnicodeEncodeError: text with a lone surrogate.
    """
    parsed = fastavro.parse_schema(dict(schema))
    fields = [(f["name"], "default" in f, f.get("default"), _is_map(f["type"])) for f in schema["fields"]]

    def encode(event: Mapping[str, Any]) -> bytes:
        row = {}
        for name, has_default, default, is_map in fields:
            value = event.get(name, default) if has_default else event[name]
            row[name] = dict(sorted(value.items())) if is_map else value
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, row)
        return out.getvalue()

    return encode


def _is_map(kind: Any) -> bool:
    return isinstance(kind, Mapping) and kind["type"] == "map"
