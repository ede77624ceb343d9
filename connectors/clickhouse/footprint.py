"""What a journal record takes in a sink's memory: while it waits, and once its events are rows. Pure.

In:   a record's bytes and what was decoded of them.  Out: bytes, without decompressing anything.
A megabyte of compressed events may be gigabytes of rows, and ten small rejects are ten times their journal bytes: a
bound on journal bytes alone would bound neither.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from pipeline.core.record import Record

ENTRY_BYTES = 512  # of one entry of a record's lists as Python objects, its texts included; 250 to 500 measured
_PREFIX = struct.Struct("<q")  # before a buffer of a compressed record batch: its length, or
_PLAIN = -1  # that it is as it was
_PAIR = struct.Struct("<qq")  # a buffer: where it begins in the body, and its length there
_HEADER, _BUFFERS, _COMPRESSION = 2, 2, 3  # numbers of fields: a message's header; two of a record batch


def waiting(record: Record, size: int) -> int:
    """Bytes of a decoded record whose journal bytes are `size` and whose events are still compressed."""
    lists: tuple[list[Any], ...] = (record.persons, record.registers, record.allowance, record.plans, record.forecasts)
    lists += (record.labels, record.rejects)
    return size + ENTRY_BYTES * sum(map(len, lists))


def decompressed(events: bytes) -> int:
    """Bytes of a record's events as Arrow has them once they are read.

    Raises:
        pyarrow.ArrowInvalid, struct.error: they are no Arrow stream.
    """
    if not events:
        return 0
    messages = _each(pa.ipc.MessageReader.open_stream(pa.py_buffer(events)))
    return sum(sum(_buffers(message)) for message in messages if message.type == "record batch")


def _each(messages: pa.ipc.MessageReader) -> Iterator[pa.Message]:
    while True:
        try:
            yield messages.read_next_message()
        except StopIteration:
            return


def _buffers(message: pa.Message) -> Iterator[int]:
    """The lengths of a record batch's buffers, out of its flatbuffer."""
    metadata, body = memoryview(message.metadata), memoryview(message.body)
    header = _field(metadata, _u32(metadata, 0), _HEADER)
    batch = header + _u32(metadata, header)
    vector = _field(metadata, batch, _BUFFERS)
    vector += _u32(metadata, vector)
    is_compressed = _field(metadata, batch, _COMPRESSION) > 0
    for number in range(_u32(metadata, vector)):
        at, size = _PAIR.unpack_from(metadata, vector + 4 + number * _PAIR.size)
        length = _PREFIX.unpack_from(body, at)[0] if is_compressed and size else _PLAIN
        yield size if length == _PLAIN else length


def _field(metadata: memoryview, table: int, number: int) -> int:
    """Where a field of a table lies; 0 where the table has none."""
    directory = table - int(struct.unpack_from("<i", metadata, table)[0])
    entry = 4 + 2 * number
    if entry >= _u16(metadata, directory):
        return 0
    offset = _u16(metadata, directory + entry)
    return table + offset if offset else 0


def _u16(metadata: memoryview, at: int) -> int:
    return int(struct.unpack_from("<H", metadata, at)[0])


def _u32(metadata: memoryview, at: int) -> int:
    return int(struct.unpack_from("<I", metadata, at)[0])
