"""Identify: an event's identity is (account_id, source, event_id); who gives no event id gets one from its payload.

In:   decoded rows.  Out: a 64-bit identity hash for each row.
Time: none.  Late: none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from pipeline.core.events import Events, valid
from pipeline.core.hashing import Hashes, Mask, hash_column, mix

_NOT_PAYLOAD = frozenset({"event_id", "received_at"})  # what changes from delivery to delivery, and what is minted


def mint(event: Mapping[str, Any]) -> str:
    """A deterministic event id: 128 bits of the payload in canonical JSON, as 32 hex digits.

    `event` holds plain values, times as UTC microseconds. Fields that say nothing (null, false, empty) are left out, so
    that a newer schema's defaults do not change the id.
    """
    said = {name: value for name, value in event.items() if value and name not in _NOT_PAYLOAD}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return xxhash.xxh3_128_hexdigest(text.encode())


def identify(events: Events, account: Hashes, rows: Mask, seed: int) -> Hashes:
    """The identity hash of every row; `rows` are those that it is needed for: only they are minted."""
    column = events.columns["event_id"]
    missing = np.flatnonzero(rows & ~valid(column))
    if len(missing):
        minted = {row: mint(events.one(row)) for row in missing.tolist()}
        column = pa.array([minted.get(row, event_id) for row, event_id in enumerate(column.to_pylist())], pa.string())
    source = events.codes("source").hashes(seed)
    return mix(hash_column(column, seed), mix(source, account))
