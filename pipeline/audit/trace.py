"""Where raw rows are not what the journal says: the records whose rows differ, and which rows those are.

In:   the journal, read once more, and a digest of each raw row's columns but properties and attributes.
Out:  rows that are missing in ClickHouse, rows that no record has, and changed ones.  Memory: two numbers a record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from connectors.clickhouse import recount
from connectors.clickhouse.service import Service
from connectors.clickhouse.statements import quoted
from connectors.clickhouse.views import Scope
from pipeline.audit.sums import day
from pipeline.core.record import Record, decode
from pipeline.core.rows import read_rows
from pipeline.core.window import DAY_US
from pipeline.journal.ports import Place, Session

RECORDS_MAX = 5  # of a partition whose rows are told one by one
ROWS_MAX = 20  # of a partition
_MODULUS = 1 << 64

Texts = tuple[str, ...]  # table, then its columns as `recount.TRACED` names them


class Row(NamedTuple):
    """A raw row that is `missing` in ClickHouse, `foreign` (in no journal record) or `changed`, in some columns.

    `topic` and `offset` are its source; a correction has none.
    """

    what: str
    partition: int
    journal_offset: int
    account: str
    campaign: str
    channel: str
    type: str
    day: str
    topic: str
    offset: int
    columns: tuple[str, ...] = ()


class Traced(NamedTuple):
    """The first rows that differ, and how many more rows and records of one partition do."""

    rows: list[Row]
    rows_left_off: int
    records_left_off: int


class Trace:
    """Looks for the rows of one partition that differ; of some accounts, where they are given."""

    def __init__(self, service: Service, session: Session, place: Place, accounts: Collection[str] | None) -> None:
        self._service, self._session, self._place, self._accounts = service, session, place, accounts
        self._database = quoted(service.target.database)
        self._chosen = None if accounts is None else sorted(accounts)

    async def rows(self, valid: Iterable[int], before: int) -> Traced:
        """The first ones, among the journal records before an offset; `valid` are the offsets of those that count.

        Raises:
            Unavailable, Refused, TimeoutError
        """
        said, there = await self._journals(frozenset(valid), before), self._tables(before)
        differing = sorted(at for at in said.keys() | there.keys() if said.get(at) != there.get(at))
        found: list[Row] = []
        scope = Scope(self._chosen, self._place.partition)
        for offset in differing[:RECORDS_MAX]:
            own = Counter(await self._record(offset)) if offset in said else Counter[Texts]()
            parameters = {**scope.parameters(), "at": offset}
            answer = self._service.query(recount.of_record(self._database, scope), parameters).rows
            others = Counter(tuple(map(str, texts)) for (texts,) in answer)
            found += self._told(offset, own - others, others - own)
        return Traced(found[:ROWS_MAX], max(0, len(found) - ROWS_MAX), max(0, len(differing) - RECORDS_MAX))

    def _tables(self, before: int) -> dict[int, tuple[int, int]]:
        scope = Scope(self._chosen, self._place.partition, before)
        answer = self._service.query(recount.by_record(self._database, scope), scope.parameters()).rows
        return {int(at): (int(rows), int(digest)) for at, rows, digest in answer}

    async def _journals(self, valid: Collection[int], before: int) -> dict[int, tuple[int, int]]:
        found: dict[int, tuple[int, int]] = {}
        if not valid:
            return found
        async for entries in self._session.read(self._place, 0, before):
            for entry in entries:
                if entry.offset not in valid:
                    continue
                digests = [digest(row) for row in self._mine(decode(entry.value or b"")[1])]
                if digests:
                    found[entry.offset] = len(digests), sum(digests) % _MODULUS
        return found

    async def _record(self, offset: int) -> list[Texts]:
        async for entries in self._session.read(self._place, offset, offset + 1):
            return list(self._mine(decode(entries[0].value or b"")[1]))
        return []

    def _mine(self, record: Record) -> Iterator[Texts]:
        return (row for row in rendered(record) if self._accounts is None or row[1] in self._accounts)

    def _told(self, at: int, missing: Counter[Texts], foreign: Counter[Texts]) -> list[Row]:
        """Two rows of one source are one that was changed."""
        alone: dict[Texts, list[Texts]] = {}
        for row in sorted(foreign.elements()):
            alone.setdefault(_source(row), []).append(row)
        found = []
        for row in sorted(missing.elements()):
            if same := alone.get(_source(row)):
                names = recount.TRACED[row[0]]
                pairs = zip(names, row[1:], same.pop(0)[1:], strict=True)
                found.append(self._row("changed", at, row, tuple(name for name, own, other in pairs if own != other)))
            else:
                found.append(self._row("missing", at, row))
        return found + [self._row("foreign", at, row) for rows in alone.values() for row in rows]

    def _row(self, what: str, at: int, row: Texts, columns: tuple[str, ...] = ()) -> Row:
        said = _named(row)
        if row[0] == "rejects":
            about = ("", "", said["reason"], day(int(said["arrived_at"]) * 1000 // DAY_US))
            source = (said["topic"], int(said["offset"]))
        else:
            about = (said["campaign_id"], said["channel"], said["type"], day(int(said["occurred_at"]) // DAY_US))
            source = (said["origin_topic"], int(said["origin_offset"]))
        return Row(what, self._place.partition, at, said["account_id"], *about, *source, columns)


def rendered(record: Record) -> Iterator[Texts]:
    """A record's raw rows as ClickHouse writes them: its events, then its dead letters."""
    if record.events:
        table = read_rows(record)
        columns = [_text(table[name]).to_pylist() for name in recount.TRACED["events"]]
        yield from zip(["events"] * table.num_rows, *columns, strict=True)
    for r in record.rejects:
        numbers = (str(r.offset), str(r.arrived_at // 1000), str(r.size))
        yield "rejects", r.account_id, r.reason, r.detail, r.topic, *numbers


def digest(row: Texts) -> int:
    """A row's digest, as `recount.by_record` adds it up."""
    return xxhash.xxh3_64_intdigest(recount.SEPARATOR.join(row).encode())


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column's values as text; what is null is 0 or empty in ClickHouse."""
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.int64())
    elif pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.uint8())
    empty: Any = "" if pa.types.is_string(column.type) else 0
    return pc.cast(pc.fill_null(column, empty), pa.string())


def _named(row: Texts) -> dict[str, str]:
    return dict(zip(recount.TRACED[row[0]], row[1:], strict=True))


def _source(row: Texts) -> Texts:
    """What tells rows of one record apart: their source, or what they correct."""
    said = _named(row)
    names = ("topic", "offset") if row[0] == "rejects" else ("origin_topic", "origin_offset", "corrects")
    return row[0], *(said[name] for name in names)
