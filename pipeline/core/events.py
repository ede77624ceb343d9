"""The decoded rows of a batch as one set of columns, whatever their schemas.

Rows stand grouped by schema, not in stream order: moving strings costs more than the rules do. `seq` is a row's place
in the stream; what depends on order asks it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.decode import Batch, Decoded, payload
from pipeline.core.event_schema import EVENTS
from pipeline.core.hashing import Hashes, Ints, Mask, hash_bytes

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
_EMPTY_IS_NULL = frozenset({"event_id", "message_id", "campaign_id", "link", "vendor_type"})


class Events(NamedTuple):
    """One row an event; `origin`, `arrived_at`, `body_hash` and `seq` are numpy columns beside the Arrow ones."""

    seq: Ints
    origin: Hashes
    arrived_at: Ints
    body_hash: Hashes
    columns: dict[str, pa.Array]
    groups: list[Decoded]

    def __len__(self) -> int:
        return len(self.seq)

    def ints(self, name: str) -> Ints:
        """A column of whole numbers."""
        values: Ints = self.columns[name].to_numpy(zero_copy_only=False)
        return values

    def valid(self, name: str) -> Mask:
        """Where a column is not null."""
        mask: Mask = self.columns[name].is_valid().to_numpy(zero_copy_only=False)
        return mask

    def is_test(self) -> Mask:
        """The tests."""
        mask: Mask = self.columns["is_test"].to_numpy(zero_copy_only=False)
        return mask

    def one(self, row: int) -> dict[str, Any]:
        """A row's event as its producer wrote it, fields of its own schema included."""
        for group in self.groups:
            if row < len(group.bodies):
                return payload(group.schema, group.bodies[row])
            row -= len(group.bodies)
        raise IndexError(row)

    def take(self, rows: Ints) -> dict[str, pa.Array]:
        """The Arrow columns of some rows."""
        indices = pa.array(rows)
        return {name: column.take(indices) for name, column in self.columns.items()}


def unify(batch: Batch, seed: int) -> Events:
    """All decoded rows of a batch; optional strings that are empty become null."""
    seq = np.concatenate([np.zeros(0, np.int64), *(g.seq for g in batch.groups)])
    columns = {name: _column(batch.groups, name, kind) for name, kind in FIELDS.items()}
    bodies = [body for group in batch.groups for body in group.bodies]
    return Events(seq, batch.origin[seq], batch.arrived_at[seq], hash_bytes(bodies, seed), columns, batch.groups)


def _column(groups: list[Decoded], name: str, kind: pa.DataType) -> pa.Array:
    parts = [
        _typed(group.columns[name], name) if name in group.columns.schema.names else pa.nulls(len(group.bodies), kind)
        for group in groups
    ]
    if not parts:
        return pa.nulls(0, kind)
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)


def _typed(column: pa.Array, name: str) -> pa.Array:
    if name in _EMPTY_IS_NULL:
        empty = pc.equal(column, "")
        return pc.if_else(empty, None, column) if pc.any(empty).as_py() else column
    return column.view(pa.int64()) if name == "occurred_at" else column
