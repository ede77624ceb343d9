"""The bytes of an event: its Avro body. The frame around it is of `schema_ids`.

One event has one body: maps are written with sorted keys, arrays and maps as one block. The encoder is compiled from
the schema for the types that event schemas use (DESIGN 6); byte for byte it writes what fastavro writes, in about
half the time (6 µs against 11 for a channel event).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

_Add = Callable[[bytes], None]
_Writer = Callable[[Any, _Add], None]
Encoder = Callable[[Mapping[str, Any]], bytes]

_DOUBLE = struct.Struct("<d")
_LENGTHS_KEPT = 4096  # varints of the usual lengths, made once


def encoder(schema: Mapping[str, Any]) -> Encoder:
    """The encoder of a record schema. A field that an event leaves out takes the schema's default.

    Raises (the encoder):
        KeyError: a field without default is missing.
        AttributeError, TypeError: a value is not of the field's type.
        UnicodeEncodeError: text with a lone surrogate.
    """
    write = _record(schema)

    def encode(event: Mapping[str, Any]) -> bytes:
        parts: list[bytes] = []
        write(event, parts.append)
        return b"".join(parts)

    return encode


def varint(number: int) -> bytes:
    """Avro's zigzag varint of a signed 64-bit number."""
    coded = (number << 1) ^ (number >> 63)
    out = bytearray()
    while coded > 0x7F:
        out.append(coded & 0x7F | 0x80)
        coded >>= 7
    out.append(coded)
    return bytes(out)


_LENGTHS = [varint(length) for length in range(_LENGTHS_KEPT)]


def _string(value: str, add: _Add) -> None:
    raw = value.encode()
    length = len(raw)
    add(_LENGTHS[length] if length < _LENGTHS_KEPT else varint(length))
    add(raw)


def _optional_string(value: str | None, add: _Add) -> None:
    if value is None:
        add(b"\0")
        return
    raw = value.encode()
    length = len(raw)
    add(b"\2" + _LENGTHS[length] if length < _LENGTHS_KEPT else b"\2" + varint(length))
    add(raw)


def _long(value: int, add: _Add) -> None:
    add(varint(value))


def _double(value: float, add: _Add) -> None:
    add(_DOUBLE.pack(value))


def _boolean(value: bool, add: _Add) -> None:
    add(b"\1" if value else b"\0")


def _map(values: _Writer) -> _Writer:
    def write(value: Mapping[str, Any], add: _Add) -> None:
        if value:
            add(varint(len(value)))
            for key in sorted(value):
                _string(key, add)
                values(value[key], add)
        add(b"\0")

    return write


def _array(items: _Writer) -> _Writer:
    def write(value: list[Any] | tuple[Any, ...], add: _Add) -> None:
        if value:
            add(varint(len(value)))
            for item in value:
                items(item, add)
        add(b"\0")

    return write


def _optional(inner: _Writer) -> _Writer:
    def write(value: Any, add: _Add) -> None:
        if value is None:
            add(b"\0")
        else:
            add(b"\2")
            inner(value, add)

    return write


def _record(schema: Mapping[str, Any]) -> _Writer:
    required = object()
    fields = [(f["name"], _writer(f["type"]), f.get("default", required)) for f in schema["fields"]]

    def write(event: Mapping[str, Any], add: _Add) -> None:
        for name, write_field, default in fields:
            value = event.get(name, default)
            if value is required:
                raise KeyError(name)
            write_field(value, add)

    return write


_PLAIN: dict[str, _Writer] = {"string": _string, "long": _long, "double": _double, "boolean": _boolean}


def _writer(kind: Any) -> _Writer:
    if isinstance(kind, str):
        return _PLAIN[kind]
    if isinstance(kind, list):
        null, inner = kind
        assert null == "null", "event schemas have no unions but null or something"
        return _optional_string if inner == "string" else _optional(_writer(inner))
    if kind["type"] == "record":
        return _record(kind)
    if kind["type"] == "array":
        return _array(_writer(kind["items"]))
    if kind["type"] == "map":
        return _map(_writer(kind["values"]))
    return _writer(kind["type"])  # a logical type over a plain one
