"""The core's stages, timed while batches run: CPU seconds of each, whatever calls it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
import pyruhvro

from pipeline.core import decide, decode, events, fold, sift
from pipeline.core import record as record_module
from pipeline.core.batch import Slab
from pipeline.core.context import Context
from pipeline.core.framing import FRAME_BYTES
from pipeline.core.record import Link, Record
from pipeline.core.state import State

_LINK = Link(1, 0, "bench")

# Stage, module, name: whoever calls a stage takes it from that module. A stage inside another is taken off it.
_STAGES: tuple[tuple[str, Any, str], ...] = (
    ("slice", decode, "_unframe"),
    ("decode and check UTF-8", decode, "_columns"),
    ("decode, rest", decide, "read"),
    ("payload hash", events, "hash_bytes"),
    ("one set of columns", decide, "unify"),
    ("validate", sift, "validate"),
    ("identify", sift, "identify"),
    ("deduplicate", sift, "deduplicate"),
    ("merges and splits", decide, "operate"),
    ("take accepted", decide, "accept"),
    ("resolve person", decide, "resolve"),
    ("uniques", decide, "_decide_uniques"),
    ("allowance", decide, "_count_allowance"),
    ("rows to Arrow, zstd", decide, "encode_rows"),
    ("decide, rest", decide, "decide"),
    ("encode the record", record_module, "encode"),
    ("apply identities", fold, "remember"),
    ("apply facts", fold, "apply_uniques"),
    ("apply, rest", fold, "apply"),
)


class Spent(NamedTuple):
    """CPU seconds of a batch, and its record."""

    seconds: float
    record: Record


def step(state: State, batch: list[Slab], context: Context) -> Spent:
    """Decide, encode and apply one batch, as a worker does."""
    began = time.thread_time()
    record = decide.decide(state, batch, context)
    record_module.encode(record, _LINK)
    fold.apply(state, record, context.seed)
    return Spent(time.thread_time() - began, record)


def floor_of(batch: list[Slab], context: Context) -> float:
    """CPU seconds to slice the bodies off, decode and compress a batch: what nobody can do without."""
    began = time.thread_time()
    by_schema: dict[bytes, list[bytes]] = {}
    for slab in batch:
        bodies = by_schema.setdefault((slab.values[0] or b"")[:FRAME_BYTES], [])
        bodies += [value[FRAME_BYTES:] for value in slab.values if value is not None]
    for head, bodies in by_schema.items():
        columns = pyruhvro.deserialize_array(bodies, context.schemas[int.from_bytes(head[1:])].text)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, columns.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_batch(columns)
        sink.getvalue()
    return time.thread_time() - began


@contextmanager
def timed(spent: Counter[str]) -> Iterator[None]:
    """Inside the block each stage adds its own CPU seconds, without those of stages inside it."""
    inside: list[float] = [0.0]
    with ExitStack() as undo:
        for stage, module, name in _STAGES:
            original = getattr(module, name)
            setattr(module, name, _watched(stage, original, spent, inside))
            undo.callback(setattr, module, name, original)
        yield


def _watched(stage: str, original: Callable[..., Any], spent: Counter[str], inside: list[float]) -> Callable[..., Any]:
    def watched(*given: Any, **named: Any) -> Any:
        inside.append(0.0)
        began = time.thread_time()
        result = original(*given, **named)
        used = time.thread_time() - began
        spent[stage] += used - inside.pop()
        inside[-1] += used
        return result

    return watched
