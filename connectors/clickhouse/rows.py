"""Journal records as rows: an Arrow table for each of ClickHouse's tables. Pure: the journal's bytes alone decide.

Inserts are deduplicated by the range's name alone, so the same records must always become the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from connectors.clickhouse import nulls
from pipeline.core.event_schema import EVENTS
from pipeline.core.record import Damaged, Record
from pipeline.core.rows import read_rows

PERSONS_PER_RECORD = 65_536  # versions that one journal record may give; see `_version`

_US, _MS, _S = pa.timestamp("us", "UTC"), pa.timestamp("ms", "UTC"), pa.timestamp("s", "UTC")
# Sent as dictionaries: ClickHouse's LowCardinality columns take them as they are, 1.2 µs a row less than strings.
_REPETITIVE = frozenset({"account_id", "channel", "type", "source", "vendor_type", "origin_topic"})
_JOURNAL = [("journal_partition", pa.uint16()), ("journal_offset", pa.uint64())]

RANGES = "ranges"  # marks that a range is there, be it in part
INTAKE = "intake"  # marks that a range is complete

# In the order of insertion; ranges first, intake last.
TABLES: dict[str, pa.Schema] = {
    RANGES: pa.schema([("partition", pa.uint16()), ("end", pa.uint64())]),
    "events": pa.schema([*EVENTS, ("origin_partition", pa.uint16()), *_JOURNAL]),
    "person_map": pa.schema(
        [
            ("account_id", pa.string()),
            ("profile_id", pa.string()),
            ("person_id", pa.string()),
            ("version", pa.uint64()),
            *_JOURNAL,
        ]
    ),
    "allowance": pa.schema(
        [
            ("account_id", pa.string()),
            ("cycle_start", _S),
            ("cycle_end", _S),
            ("allowance", pa.uint64()),
            ("used", pa.uint64()),
            ("used_as_closed", pa.uint64()),
            ("version", pa.uint64()),
            *_JOURNAL,
        ]
    ),
    "forecasts": pa.schema(
        [
            ("account_id", pa.string()),
            ("cycle_start", _S),
            ("made_at", _S),
            ("used", pa.uint64()),
            ("low", pa.uint64()),
            ("expected", pa.uint64()),
            ("high", pa.uint64()),
            ("confident", pa.bool_()),
            ("version", pa.uint64()),
            *_JOURNAL,
        ]
    ),
    "plans": pa.schema(
        [
            ("account_id", pa.string()),
            ("occurred_at", _US),
            ("plan", pa.uint64()),
            ("allowance", pa.uint64()),
            ("anchor_day", pa.uint8()),
            ("time_zone", pa.string()),
            ("thresholds", pa.list_(pa.float64())),
            ("own_activities", pa.bool_()),
            ("activities", pa.list_(pa.string())),
            *_JOURNAL,
        ]
    ),
    "alerts": pa.schema(
        [
            ("account_id", pa.string()),
            ("cycle_start", _S),
            ("kind", pa.string()),
            ("threshold", pa.float64()),
            ("used", pa.uint64()),
            ("allowance", pa.uint64()),
            ("occurred_at", _US),
            ("plan", pa.uint64()),
            *_JOURNAL,
        ]
    ),
    "rejects": pa.schema(
        [
            ("account_id", pa.string()),
            ("reason", pa.string()),
            ("detail", pa.string()),
            ("arrived_at", _MS),
            ("topic", pa.string()),
            ("partition", pa.uint16()),
            ("offset", pa.uint64()),
            ("raw", pa.binary()),
            ("size", pa.uint64()),
            *_JOURNAL,
        ]
    ),
    "duplicates": pa.schema(
        [
            ("topic", pa.string()),
            ("partition", pa.uint16()),
            ("source", pa.string()),
            ("reason", pa.string()),
            ("events", pa.uint64()),
        ]
    ),
    INTAKE: pa.schema(
        [
            ("topic", pa.string()),
            ("partition", pa.uint16()),
            ("read", pa.uint64()),
            ("accepted", pa.uint64()),
            ("duplicates", pa.uint64()),
            ("rejected", pa.uint64()),
        ]
    ),
}


class Decided(NamedTuple):
    """A valid journal record and its offset."""

    offset: int
    record: Record


class Content(NamedTuple):
    """What is inserted into one table: `rows` rows as one Arrow IPC stream."""

    columns: list[str]
    rows: int
    stream: bytes


class UnreadableRows(ValueError):
    """The events of a journal record are not the rows that this program knows."""


def translate(partition: int, decided: Sequence[Decided]) -> dict[str, Content]:
    """What a range of valid records inserts, in the order of insertion; tables without a row are left out.

    Raises:
        UnreadableRows: events that are damaged, or in a layout that this program does not know.
    """
    return {name: _content(table) for name, table in tables(partition, decided).items()}


def tables(partition: int, decided: Sequence[Decided]) -> dict[str, pa.Table]:
    """The rows of a range of valid records, as `translate` sends them.

    Raises:
        UnreadableRows: events that are damaged, or in a layout that this program does not know.
    """
    ends = [(partition, d.offset + 1) for d in decided[-1:]]
    found = {
        RANGES: _of(RANGES, ends),
        "events": _events(partition, decided),
        "person_map": _of("person_map", (r for d in decided for r in _persons(partition, d))),
        "allowance": _of("allowance", (r for d in decided for r in _allowance(partition, d))),
        "forecasts": _of("forecasts", (r for d in decided for r in _forecasts(partition, d))),
        "plans": _of("plans", (r for d in decided for r in _plans(partition, d))),
        "alerts": _of("alerts", (r for d in decided for r in _alerts(partition, d))),
        "rejects": _of("rejects", (r for d in decided for r in _rejects(partition, d))),
        "duplicates": _of("duplicates", _duplicates(partition, decided)),
        INTAKE: _of(INTAKE, _intake(partition, decided)),
    }
    return {name: found[name] for name in TABLES if found[name].num_rows}


def _content(table: pa.Table) -> Content:
    """One Arrow IPC stream: of concatenated streams ClickHouse reads the first and drops the rest without a word."""
    table = table.combine_chunks()
    for at, name in enumerate(table.column_names):
        column = table.column(at)
        if name in _REPETITIVE and pa.types.is_string(column.type):
            column = column.dictionary_encode()
        elif name in nulls.COLUMNS:
            column = nulls.filled(column)
        table = table.set_column(at, pa.field(name, column.type, nullable=column.null_count > 0), column)
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return Content(table.column_names, table.num_rows, out.getvalue().to_pybytes())


def _events(partition: int, decided: Sequence[Decided]) -> pa.Table:
    parts = [_read_events(partition, d) for d in decided if d.record.events]
    return pa.concat_tables(parts) if parts else TABLES["events"].empty_table()


def _read_events(partition: int, decided: Decided) -> pa.Table:
    place = f"journal partition {partition}, offset {decided.offset}"
    try:
        table = read_rows(decided.record)
    except Damaged as error:
        raise UnreadableRows(f"{place}: {error}") from None
    if table.schema.names != EVENTS.names:
        differ = sorted(set(table.schema.names) ^ set(EVENTS.names))
        raise UnreadableRows(
            f"{place}: its events have other columns than this tally knows ({', '.join(differ) or 'in another order'}):"
            " run the version that wrote them, or a newer one"
        )
    table = table.cast(EVENTS)
    n = table.num_rows
    own = pa.repeat(pa.scalar(partition, pa.uint16()), n)
    offset = pa.repeat(pa.scalar(decided.offset, pa.uint64()), n)
    return pa.table([*table.columns, own, own, offset], schema=TABLES["events"])


def _of(name: str, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    """Rows as a table; instants come as UTC microseconds."""
    schema = TABLES[name]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([_column(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_timestamp(kind):
        return pa.array(values, kind)
    per_tick = {"us": 1, "ms": 1_000, "s": 1_000_000}[kind.unit]
    return pa.array([value // per_tick for value in values], pa.int64()).cast(kind)


def _version(offset: int, number: int) -> int:
    """Higher for a later record, and within one for a later row; a record names a key once, so equals never meet."""
    return offset * PERSONS_PER_RECORD + min(number, PERSONS_PER_RECORD - 1)


def _persons(partition: int, decided: Decided) -> Iterable[tuple[Any, ...]]:
    for number, p in enumerate(decided.record.persons):
        yield *p, _version(decided.offset, number), partition, decided.offset


def _allowance(partition: int, decided: Decided) -> Iterable[tuple[Any, ...]]:
    for number, a in enumerate(decided.record.allowance):
        version = _version(decided.offset, number)
        numbers = (a.allowance, a.used, a.used_as_closed)
        yield a.account_id, a.cycle_start, a.cycle_end, *numbers, version, partition, decided.offset


def _forecasts(partition: int, decided: Decided) -> Iterable[tuple[Any, ...]]:
    for number, f in enumerate(decided.record.forecasts):
        yield *f, _version(decided.offset, number), partition, decided.offset


def _plans(partition: int, decided: Decided) -> Iterable[tuple[Any, ...]]:
    for p in decided.record.plans:
        terms = (p.allowance, p.anchor_day, p.time_zone, p.thresholds, p.activities is not None, p.activities or ())
        yield p.account_id, p.occurred_at, p.identity, *terms, partition, decided.offset


def _alerts(partition: int, decided: Decided) -> Iterable[tuple[Any, ...]]:
    for a in decided.record.alerts:
        at = (a.account_id, a.cycle_start, a.kind, a.threshold)
        yield *at, a.used, a.allowance, a.occurred_at, a.plan, partition, decided.offset


def _rejects(partition: int, decided: Decided) -> Iterable[tuple[Any, ...]]:
    for r in decided.record.rejects:
        origin = (r.arrived_at, r.topic, partition, r.offset)
        yield r.account_id, r.reason, r.detail, *origin, r.raw, r.size, partition, decided.offset


def _duplicates(partition: int, decided: Sequence[Decided]) -> Iterable[tuple[Any, ...]]:
    events: Counter[tuple[str, str, str]] = Counter()
    for d in decided:
        for topic, source, reason, n in d.record.duplicates:
            events[topic, source, reason] += n
    for (topic, source, reason), n in sorted(events.items()):
        yield topic, partition, source, reason, n


def _intake(partition: int, decided: Sequence[Decided]) -> Iterable[tuple[Any, ...]]:
    read: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    duplicates: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for d in decided:
        for s in d.record.sources:
            read[s.topic] += s.next - s.first
            accepted[s.topic] += s.accepted
        for x in d.record.duplicates:
            duplicates[x.topic] += x.events
        for r in d.record.rejects:
            rejected[r.topic] += 1
    for topic in sorted(read.keys() | duplicates.keys() | rejected.keys()):
        yield topic, partition, read[topic], accepted[topic], duplicates[topic], rejected[topic]
