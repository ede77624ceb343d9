"""Decode: a batch's values, framed Avro, to rows in columns; what cannot be read becomes a fault.

In:   slabs of one partition in stream order.  Out: rows grouped by kind of schema, and faults, both with their place
      in the batch (`seq`). Bulk through pyruhvro; where it refuses, bisected, then read one by one by fastavro.
Time: none.  Late: none.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, NamedTuple

import fastavro
import numpy as np
import pyarrow as pa
import pyruhvro

from pipeline.core.batch import Slab
from pipeline.core.context import TOPIC_NUMBER, WriterSchema
from pipeline.core.framing import FRAME_BYTES, schema_id_of
from pipeline.core.hashing import Hashes, Ints
from pipeline.core.origins import OFFSET_BITS
from pipeline.core.reasons import Reject
from pipeline.core.refused import Refused

BODY_BYTES_MAX = 1 << 20  # of one event: empty map entries expand fourfold when decoded; Kafka's own default is 1 MiB
# Rows of a run that the bulk decoder refuses, below which the reference reads each (6 us) instead of further bisection
# (20 us a call): the same for one bad row in many, a sixth for a storm of nothing but bad ones.
REFERENCE_ROWS_MAX = 64


class Fault(NamedTuple):
    """An event that is rejected: its place in the batch, why, and words for people.

    `said`: it tells of a delivery that a collector refused, whose bytes are kept instead of its own.
    """

    seq: int
    reason: Reject
    detail: str
    said: Refused | None = None


class Decoded(NamedTuple):
    """Rows of one schema: the bodies, their places in the batch and their columns as that schema names them."""

    schema: WriterSchema
    seq: Ints
    bodies: list[bytes]
    columns: pa.RecordBatch


@dataclass(slots=True)
class Batch:
    """All values of a batch in stream order, where each came from, and what could be decoded."""

    values: list[bytes | None]
    origin: Hashes  # topic number << 56 | offset
    arrived_at: Ints  # UTC microseconds
    groups: list[Decoded] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


class _Framed(NamedTuple):
    seq: list[Ints]  # in parts
    bodies: list[bytes]


def read(slabs: Sequence[Slab], schemas: Mapping[int, WriterSchema]) -> Batch:
    """Every value of the slabs is in exactly one group or fault of what returns."""
    sizes = [len(slab.values) for slab in slabs]
    first = np.array([TOPIC_NUMBER[slab.topic] << OFFSET_BITS | slab.offset for slab in slabs], np.uint64)
    starts = np.cumsum([0, *sizes])
    origin = np.arange(starts[-1], dtype=np.uint64) + np.repeat(first - starts[:-1].astype(np.uint64), sizes)
    arrived_at = np.repeat(np.array([slab.arrived_ms for slab in slabs], np.int64) * 1000, sizes)
    batch = Batch(list(chain.from_iterable(slab.values for slab in slabs)), origin, arrived_at)
    framed: dict[WriterSchema, _Framed] = {}
    for slab, start in zip(slabs, starts.tolist(), strict=False):
        _unframe(slab, start, schemas, framed, batch.faults)
    for schema, (seq, bodies) in framed.items():
        batch.groups += _decode(schema, np.concatenate(seq), bodies, batch.faults)
    return batch


def kind_of(topic: str) -> str:
    """The kind of schema that a topic carries."""
    name = topic.removeprefix("events.")
    return name if name in ("profile", "account", "crm") else "channel"


def _unframe(
    slab: Slab,
    start: int,
    schemas: Mapping[int, WriterSchema],
    framed: dict[WriterSchema, _Framed],
    faults: list[Fault],
) -> None:
    """A slab's bodies by schema. A slab of one schema, the usual case, is taken whole."""
    if whole := _whole(slab, schemas):
        schema, whole_bodies = whole
        seq, bodies = framed.setdefault(schema, _Framed([], []))
        seq.append(np.arange(start, start + len(whole_bodies)))
        bodies += whole_bodies
        return
    for seq_one, value in enumerate(slab.values, start):
        one = _schema_of(value, slab.topic, schemas)
        if isinstance(one, WriterSchema):
            assert value is not None
            seq, bodies = framed.setdefault(one, _Framed([], []))
            seq.append(np.array([seq_one]))
            bodies.append(value[FRAME_BYTES:])
        else:
            faults.append(Fault(seq_one, *one))


def _whole(slab: Slab, schemas: Mapping[int, WriterSchema]) -> tuple[WriterSchema, list[bytes]] | None:
    """The bodies of a slab all of whose values have one good frame and none of which is oversized."""
    values: list[bytes] = slab.values  # type: ignore[assignment]  # a missing one has no length: see below
    head = (values[0] or b"")[:FRAME_BYTES]
    schema = _schema(head, slab.topic, schemas)
    if not isinstance(schema, WriterSchema):
        return None
    try:
        size = sum(map(len, values))
    except TypeError:  # a record without a value
        return None
    if size > FRAME_BYTES + BODY_BYTES_MAX < max(map(len, values)):
        return None
    bodies = list(map(bytes.removeprefix, values, repeat(head)))
    is_framed = sum(map(len, bodies)) == size - FRAME_BYTES * len(bodies)
    return (schema, bodies) if is_framed else None


def _schema_of(
    value: bytes | None, topic: str, schemas: Mapping[int, WriterSchema]
) -> WriterSchema | tuple[Reject, str]:
    if value is None:
        return Reject.NOT_FRAMED, "the record has no value"
    if len(value) > FRAME_BYTES + BODY_BYTES_MAX:
        return Reject.OVERSIZED, f"{len(value)} bytes; an event's body has {BODY_BYTES_MAX} at most"
    return _schema(value[:FRAME_BYTES], topic, schemas)


def _schema(head: bytes, topic: str, schemas: Mapping[int, WriterSchema]) -> WriterSchema | tuple[Reject, str]:
    schema_id = schema_id_of(head)
    if schema_id is None:
        return Reject.NOT_FRAMED, f"begins with {head.hex(' ') or 'nothing'}; expected byte 0 and a schema id"
    schema = schemas.get(schema_id)
    if schema is None:
        known = ", ".join(map(str, sorted(schemas)))
        return Reject.UNKNOWN_SCHEMA, f"schema id {schema_id}; known are {known}"
    if schema.kind != kind_of(topic):
        return Reject.WRONG_TOPIC, f"schema id {schema_id} is of {schema.kind} events, which {topic} does not carry"
    return schema


def _decode(schema: WriterSchema, seq: Ints, bodies: list[bytes], faults: list[Fault]) -> list[Decoded]:
    """The rows that can be decoded; the others, found by bisection, become faults."""
    columns = _columns(schema, bodies)
    if columns is not None:
        return [Decoded(schema, seq, bodies, columns)]
    bad: dict[int, str] = {}
    _find_bad(schema, bodies, range(len(bodies)), bad)
    faults += [Fault(int(seq[i]), Reject.UNDECODABLE, why) for i, why in bad.items()]
    left = np.delete(np.arange(len(bodies)), list(bad))
    if not len(left):
        return []
    good = [bodies[i] for i in left.tolist()]
    columns = _columns(schema, good)
    assert columns is not None, "rows that decode alone must decode together"
    return [Decoded(schema, seq[left], good, columns)]


def _columns(schema: WriterSchema, bodies: list[bytes]) -> pa.RecordBatch | None:
    """None where any body cannot be decoded; pyruhvro does not check UTF-8, Arrow's validation does."""
    try:
        columns = pyruhvro.deserialize_array(bodies, schema.text)
        columns.validate(full=True)
    except (ValueError, pa.ArrowInvalid):
        return None
    return columns


def _find_bad(schema: WriterSchema, bodies: list[bytes], rows: Sequence[int], bad: dict[int, str]) -> None:
    """The rows that cannot be decoded, each with words. What the reference refuses the bulk decoder refuses too."""
    if not rows or _columns(schema, [bodies[i] for i in rows]) is not None:
        return
    if len(rows) > REFERENCE_ROWS_MAX:
        half = len(rows) // 2
        _find_bad(schema, bodies, rows[:half], bad)
        _find_bad(schema, bodies, rows[half:], bad)
        return
    said = {i: why_undecodable(schema, bodies[i]) for i in rows}
    bad.update({i: why for i, why in said.items() if why is not None})
    _find_refused(schema, bodies, [i for i, why in said.items() if why is None], bad)


def _find_refused(schema: WriterSchema, bodies: list[bytes], rows: list[int], bad: dict[int, str]) -> None:
    """The rows that the bulk decoder alone refuses."""
    if not rows or _columns(schema, [bodies[i] for i in rows]) is not None:
        return
    if len(rows) == 1:
        size = len(bodies[rows[0]])
        bad[rows[0]] = f"not a {schema.plain['name']}: the bulk decoder refuses a body of {size} bytes"
        return
    half = len(rows) // 2
    _find_refused(schema, bodies, rows[:half], bad)
    _find_refused(schema, bodies, rows[half:], bad)


def why_undecodable(schema: WriterSchema, body: bytes) -> str | None:
    """What fastavro, the reference, has against a body, if anything; its bytes are never repeated."""
    try:
        payload(schema, body)
    except (EOFError, ValueError, IndexError, OverflowError, KeyError, TypeError, MemoryError) as error:
        return f"not a {schema.plain['name']}: {type(error).__name__} in a body of {len(body)} bytes"
    return None


def payload(schema: WriterSchema, body: bytes) -> dict[str, Any]:
    """One event as plain values, times as UTC microseconds."""
    event: Any = fastavro.schemaless_reader(io.BytesIO(body), schema.plain, None)
    return dict(event)
