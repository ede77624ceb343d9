"""The values of a journal topic for the sink's tests: rows and records as the journal holds them."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa

from pipeline.core import record as journal
from pipeline.core.event_schema import EVENTS
from pipeline.core.rows import packed


def packed_events(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows as a record carries them: its fields."""
    return packed(EVENTS, pa.Table.from_pylist(rows, schema=EVENTS).to_batches())._asdict()


def chained(records: list[journal.Record], chance: random.Random, last: int = 0) -> list[bytes]:
    """The records as the journal holds them, with rivals' and stray ones in between that readers must ignore.

    `last`: the id of the valid record before the first one.
    """
    values = []
    for record in records:
        link = journal.Link(chance.getrandbits(64) or 1, last, "worker")
        values.append(journal.encode(record, link))
        if chance.random() < 0.2:  # a rival decided the same batch and came second
            values.append(journal.encode(record, journal.Link(chance.getrandbits(64) or 1, last, "rival")))
        if chance.random() < 0.1:  # somebody who believes in another past
            values.append(journal.encode(record, journal.Link(chance.getrandbits(64), chance.getrandbits(64), "stray")))
        last = link.id
    return values
