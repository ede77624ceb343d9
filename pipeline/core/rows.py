"""The rows that the sink inserts: accepted events with their decisions, then correction rows.

In:   accepted rows and what was decided about them.  Out: an Arrow IPC stream in a zstd frame. A fold never opens it.
One frame, since Arrow's own compression makes one of each of 47 buffers, which takes 0.9 ms more a batch. A second one,
which every zstd reader skips, seals it: Arrow follows damaged offsets out of its memory, and nothing else would notice.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from pipeline.core.accepted import Accepted
from pipeline.core.event_schema import EVENTS, UTC_MS, UTC_S, UTC_US
from pipeline.core.facts import CLICK, LINK_CLICK, OPEN, VENDOR
from pipeline.core.hashing import Ints
from pipeline.core.origins import offsets_of, topics_of
from pipeline.core.record import Damaged, Label, Record
from pipeline.core.uniques import Facts
from pipeline.core.vocabulary import CONTACT_STATE, TOPICS

_TOPICS = pa.array(TOPICS)
_VERBS = {OPEN: "opened", CLICK: "clicked", LINK_CLICK: "clicked"}
_ZSTD = "zstd"
_U64 = (1 << 64) - 1
_SEAL = struct.Struct("<IIQ")
_SKIPPED, _HASH_BYTES = 0x184D2A50, 8  # a frame that is skipped, and its content: xxh3-64 of the frame before it


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about accepted rows; all columns have one row an accepted event.

    `person` holds None where the profile stands for itself. `cycle_start`: UTC microseconds, -1 for no activity.
    """

    person: pa.Array
    marks: npt.NDArray[np.uint8]  # OPEN, CLICK and LINK_CLICK that the row is the first of
    cycle_start: Ints


class Rows(NamedTuple):
    """A record's `events`, and the bytes that they become."""

    events: bytes
    events_size: int


def encode_rows(accepted: Accepted, decided: Decided, corrections: pa.RecordBatch | None) -> Rows:
    """Accepted events, then correction rows."""
    return packed(EVENTS, [_events(accepted, decided), *([] if corrections is None else [corrections])])


def packed(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Rows:
    """Rows as a journal record has them."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    stream = sink.getvalue()
    frame: bytes = pa.compress(stream, _ZSTD, asbytes=True)
    return Rows(frame + _seal(frame, stream.size), stream.size)


def read_rows(record: Record) -> pa.Table:
    """The rows of a record that has some, in the layout of who wrote them.

    Raises:
        Damaged: they are not what was written.
    """
    frame, seal = record.events[: -_SEAL.size], record.events[-_SEAL.size :]
    if seal != _seal(frame, record.events_size):
        raise Damaged("the events of a journal record are damaged: their hash is another one")
    with pa.ipc.open_stream(pa.decompress(frame, record.events_size, _ZSTD)) as reader:
        return reader.read_all()


def _seal(frame: bytes, size: int) -> bytes:
    """`size`: bytes of the stream; the hash covers it too."""
    return _SEAL.pack(_SKIPPED, _HASH_BYTES, xxhash.xxh3_64_intdigest(frame, size & _U64))


def _events(accepted: Accepted, decided: Decided) -> pa.RecordBatch:
    n = len(accepted)
    is_activity = decided.cycle_start >= 0
    marks = decided.marks
    columns = {
        **accepted.columns,
        "channel": pa.array(accepted.channel.values, pa.string()).take(pa.array(accepted.channel.code)),
        "person_id": decided.person,
        "identity": np.where(accepted.marks & CONTACT_STATE, accepted.identity, np.uint64(0)),
        "occurred_at": pa.array(accepted.occurred_at).view(UTC_US),
        "arrived_at": pa.array(accepted.arrived_at // 1000).view(UTC_MS),
        "hits": np.ones(n, np.uint8),
        "unique_open": (marks & OPEN != 0).view(np.int8),
        "unique_click": (marks & CLICK != 0).view(np.int8),
        "unique_link_click": (marks & LINK_CLICK != 0).view(np.int8),
        "activity": is_activity.view(np.uint8),
        "cycle_start": pa.array(decided.cycle_start // 1_000_000, mask=~is_activity).view(UTC_S),
        "corrects": np.zeros(n, np.uint64),
        "origin_topic": _TOPICS.take(pa.array(topics_of(accepted.origin))),
        "origin_offset": offsets_of(accepted.origin),
    }
    return pa.RecordBatch.from_arrays([_typed(columns[f.name], f.type) for f in EVENTS], schema=EVENTS)


def _typed(column: Any, kind: pa.DataType) -> pa.Array:
    return column if isinstance(column, pa.Array) else pa.array(column, kind)


def correction_rows(corrections: Facts, labels: Sequence[Label]) -> pa.RecordBatch:
    """Rows dated and labelled like the events that they correct; `labels`: one for each correction."""
    kind, delta = corrections["kind"], corrections["delta"]
    types = [f"{who.channel}_{_VERBS[k & ~VENDOR]}" for who, k in zip(labels, kind.tolist(), strict=True)]
    columns = {
        "account_id": [who.account_id for who in labels],
        "channel": [who.channel for who in labels],
        "type": types,
        "campaign_id": [who.campaign_id for who in labels],
        "occurred_at": pa.array(corrections["occurred_at"]).view(UTC_US),
        "is_test": np.zeros(len(corrections), bool),
        "hits": np.zeros(len(corrections), np.uint8),
        "unique_open": np.where(kind & OPEN, delta, np.int8(0)),
        "unique_click": np.where(kind & CLICK, delta, np.int8(0)),
        "unique_link_click": np.where(kind & LINK_CLICK, delta, np.int8(0)),
        "activity": np.zeros(len(corrections), np.uint8),
        "identity": np.zeros(len(corrections), np.uint64),
        "corrects": corrections["identity"],
    }
    n = len(corrections)
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(n, f.type) for f in EVENTS]
    return pa.record_batch(arrays, schema=EVENTS)
