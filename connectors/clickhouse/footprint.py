"""What a journal record takes in a sink's memory while it waits. Pure.

In:   a record's bytes and what was decoded of them.  Out: bytes.
Ten small rejects are ten times their journal bytes: a bound on journal bytes alone would not bound them. What its
events become as rows, which may be a thousand times their bytes, the record says itself (`events_size`).
"""

from __future__ import annotations

from typing import Any

from pipeline.core.record import Record

ENTRY_BYTES = 512  # of one entry of a record's lists as Python objects, its texts included; 250 to 500 measured


def waiting(record: Record, size: int) -> int:
    """Bytes of a decoded record whose journal bytes are `size` and whose events are still compressed."""
    lists: tuple[list[Any], ...] = (record.persons, record.registers, record.allowance, record.plans, record.forecasts)
    lists += (record.labels, record.rejects)
    return size + ENTRY_BYTES * sum(map(len, lists))
