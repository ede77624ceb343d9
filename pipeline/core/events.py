"""The decoded rows of a batch as one set of columns, whatever their schemas.

Rows stand grouped by schema, not in stream order: moving strings costs more than the rules do. `seq` is a row's place
in the stream; what depends on order asks it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.decode import Batch, Decoded, payload
from pipeline.core.event_schema import EVENTS
from pipeline.core.hashing import Codes, Hashes, Ints, Mask, hash_bytes

# Columns as producers write them, with the type that they have here; a schema that lacks one gives nulls.
FIELDS = {
    name: EVENTS.field(name).type
    for name in (
        "account_id", "source", "type", "is_test", "profile_id", "message_id", "campaign_id", "link",
        "vendor_type", "properties", "attributes",
    )
}  # fmt: skip
FIELDS["event_id"] = pa.string()
FIELDS["occurred_at"] = pa.int64()  # UTC microseconds
Places = npt.NDArray[np.int32]
_EMPTY_IS_NULL = frozenset({"event_id", "message_id", "campaign_id", "link", "vendor_type"})
_OPERATION = ["account_id", "type", "target", "sources", "split_source", "parts"]  # what is asked of one
_OPERATIONS_IN_BULK = 12  # a batch: fewer cost less one by one
_OF_ALL = frozenset({"event_id", "occurred_at"})  # asked of all rows alone


@dataclass(frozen=True, slots=True)
class Events:
    """One row an event; numpy columns beside the Arrow ones."""

    seq: Ints
    origin: Hashes
    arrived_at: Ints
    occurred_at: Ints
    is_test: Mask
    body_hash: Hashes
    columns: dict[str, pa.Array]
    groups: list[Decoded]
    _codes: dict[str, Codes] = field(default_factory=dict)
    _ones: dict[int, dict[str, Any]] = field(default_factory=dict)
    _operations: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.seq)

    def codes(self, name: str) -> Codes:
        """A column of few distinct strings; made once."""
        if name not in self._codes:
            self._codes[name] = Codes(self.columns[name])
        return self._codes[name]

    def one(self, row: int) -> dict[str, Any]:
        """A row's event as its producer wrote it, fields of its own schema included; not to be changed."""
        if row not in self._ones:
            self._ones[row] = self._one(row)
        return self._ones[row]

    def read_operations(self, rows: Ints) -> None:
        """Read merges and splits, ascending, in bulk: a quarter of the time of one by one, once there are many."""
        if len(rows) < _OPERATIONS_IN_BULK:
            return
        start = 0
        for group in self.groups:
            end = start + len(group.bodies)
            mine = rows[(rows >= start) & (rows < end)]
            if len(mine):
                few = group.columns.select(_OPERATION)
                few = few if len(mine) == len(few) else few.take(pa.array(mine - start))
                self._operations.update(zip(mine.tolist(), few.to_pylist(), strict=True))
            start = end

    def operation(self, row: int) -> dict[str, Any]:
        """A merge or split as its producer wrote it: the fields of _OPERATION at least; not to be changed."""
        said = self._operations.get(row)
        return self.one(row) if said is None else said

    def _one(self, row: int) -> dict[str, Any]:
        for group in self.groups:
            if row < len(group.bodies):
                return payload(group.schema, group.bodies[row])
            row -= len(group.bodies)
        raise IndexError(row)

    def take(self, rows: Ints) -> dict[str, pa.Array]:
        """The Arrow columns of some rows, ascending: those that the rows of a record need."""
        columns = {name: column for name, column in self.columns.items() if name not in _OF_ALL}
        if len(rows) == len(self):
            return columns
        nulls = {name: column[: len(rows)] for name, column in columns.items() if column.null_count == len(column)}
        given = {name: column for name, column in columns.items() if name not in nulls}
        chosen = np.zeros(len(self), bool)
        chosen[rows] = True
        few = pa.RecordBatch.from_arrays(list(given.values()), list(given)).filter(pa.array(chosen))
        return nulls | dict(zip(given, few.columns, strict=True))


def unify(batch: Batch, seed: int) -> Events:
    """All decoded rows of a batch; optional strings that are empty become null."""
    groups = batch.groups
    seq = groups[0].seq if len(groups) == 1 else np.concatenate([np.zeros(0, np.int64), *(g.seq for g in groups)])
    decoded = [(group.columns, group.columns.schema) for group in groups]
    columns = {name: _column(decoded, name, kind) for name, kind in FIELDS.items()}
    return Events(
        seq=seq,
        origin=batch.origin[seq],
        arrived_at=batch.arrived_at[seq],
        occurred_at=columns["occurred_at"].to_numpy(),
        is_test=columns["is_test"].to_numpy(zero_copy_only=False),
        body_hash=hash_bytes(list(chain.from_iterable(group.bodies for group in groups)), seed),
        columns=columns,
        groups=groups,
    )


def valid(column: pa.Array) -> Mask:
    """Where a column is not null."""
    if not column.null_count:
        return np.ones(len(column), bool)
    mask: Mask = column.is_valid().to_numpy(zero_copy_only=False)
    return mask


def ends(column: pa.Array) -> tuple[Places, Places]:
    """Where each string's bytes begin and end; of a null nothing is said."""
    if not len(column):
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    return offsets[:-1], offsets[1:]


def _column(decoded: list[tuple[pa.RecordBatch, pa.Schema]], name: str, kind: pa.DataType) -> pa.Array:
    at = [schema.get_field_index(name) for _, schema in decoded]
    if max(at, default=-1) < 0:
        return pa.nulls(sum(rows.num_rows for rows, _ in decoded), kind)
    given = [
        rows.column(i) if i >= 0 else pa.nulls(rows.num_rows, kind) for i, (rows, _) in zip(at, decoded, strict=True)
    ]
    column = given[0] if len(given) == 1 else pa.concat_arrays(given)
    if name == "occurred_at":
        return column.view(kind)
    if name in _EMPTY_IS_NULL and _has_empty(column):
        return pc.if_else(pc.equal(column, ""), None, column)
    return column


def _has_empty(column: pa.Array) -> bool:
    if column.null_count == len(column):
        return False
    starts, stops = ends(column)
    empty = starts == stops
    return bool((empty & valid(column) if column.null_count else empty).any())
