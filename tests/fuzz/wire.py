"""Avro bodies in pieces: what each piece is for is known, so that one of them can be made hostile alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1


class Piece(NamedTuple):
    """Some bytes of a body: `what` is long, length, text, union, count, size, boolean or double; `name` the field."""

    what: str
    name: str
    raw: bytes


def long(value: int) -> bytes:
    """Avro's zigzag varint of a number of 64 bits; of a larger one what an overflowing writer would write."""
    rest = (value << 1) ^ (value >> 63) if INT64_MIN <= value <= INT64_MAX else abs(value) << 1
    found = bytearray()
    while rest > 0x7F:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    found.append(rest)
    return bytes(found)


def pieces(schema: Any, value: Any, name: str, blocks: str) -> Iterator[Piece]:
    """The pieces of a value; `blocks`: arrays and maps in one (`whole`), in one with its bytes (`sized`), or many."""
    if isinstance(schema, list):
        branch = next(n for n, one in enumerate(schema) if (one == "null") == (value is None))
        yield Piece("union", name, long(branch))
        yield from pieces(schema[branch], value, name, blocks)
        return
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        for field in schema["fields"]:
            yield from pieces(field["type"], value[field["name"]], field["name"], blocks)
    elif kind in ("array", "map"):
        yield from _blocks(schema, value, name, blocks)
    elif kind == "string":
        yield Piece("length", name, long(len(value.encode())))
        yield Piece("text", name, value.encode())
    elif kind == "long":
        yield Piece("long", name, long(value))
    elif kind == "boolean":
        yield Piece("boolean", name, bytes([value]))
    elif kind == "double":
        yield Piece("double", name, struct.pack("<d", value))
    else:
        assert kind == "null", f"no piece of an event is of type {kind}"


def _blocks(schema: dict[str, Any], value: Any, name: str, blocks: str) -> Iterator[Piece]:
    items = [_item(schema, one, name, blocks) for one in (value.items() if schema["type"] == "map" else value)]
    grouped = [[one] for one in items] if blocks == "single" else [items] if items else []
    for group in grouped:
        inside = [piece for item in group for piece in item]
        yield Piece("count", name, long(-len(group) if blocks == "sized" else len(group)))
        if blocks == "sized":
            yield Piece("size", name, long(sum(len(piece.raw) for piece in inside)))
        yield from inside
    yield Piece("count", name, long(0))


def _item(schema: dict[str, Any], one: Any, name: str, blocks: str) -> list[Piece]:
    if schema["type"] == "array":
        return list(pieces(schema["items"], one, name, blocks))
    return [*pieces("string", one[0], name, blocks), *pieces(schema["values"], one[1], name, blocks)]
