"""Confluent's frame around Avro bytes: byte 0, the schema's id as big-endian 32 bits, the body."""

from __future__ import annotations

import struct

FRAME_BYTES = 5

_FRAME = struct.Struct(">bI")
_MAGIC = 0


def frame(schema_id: int, body: bytes) -> bytes:
    """The body in its frame."""
    return _FRAME.pack(_MAGIC, schema_id) + body


def schema_id_of(value: bytes) -> int | None:
    """The schema's id of a framed value, or of its first FRAME_BYTES; None: it is not framed."""
    if len(value) < FRAME_BYTES or value[0] != _MAGIC:
        return None
    schema_id: int = _FRAME.unpack_from(value)[1]
    return schema_id
