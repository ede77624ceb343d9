"""Where raw rows are not what the journal says: the records whose rows differ, and which rows those are.

In:   sums of each record's rows, kept while the journal was folded (56 bytes a record).  Out: rows that are missing
in ClickHouse, and rows that no record has. A changed row is both.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from connectors.clickhouse import recount
from connectors.clickhouse.service import Service
from connectors.clickhouse.statements import quoted
from pipeline.audit.sums import day
from pipeline.core.record import Record, decode
from pipeline.journal.ports import Place, Session

RECORDS_MAX = 5  # of a partition whose rows are told one by one
ROWS_MAX = 20  # of a partition
_WIDTH = 7  # numbers of a line: offset, rows, events, uniques, source offsets; dead letters, their offsets
_DAY_US = 86_400_000_000
_INTS = ("origin_offset", "hits", "unique_open", "unique_click", "unique_link_click", "activity")


class Row(NamedTuple):
    """A raw row that is `missing` in ClickHouse, or `foreign`: in no journal record. The last two: its source."""

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


class Lines:
    """What is remembered of every valid record."""

    def __init__(self) -> None:
        self._numbers = array("q")

    def take(self, offset: int, record: Record) -> None:
        """One more record."""
        rows = _table(record)
        uniques = sum(
            weight * _sum(rows, name)
            for name, weight in (("unique_open", 1), ("unique_click", 100), ("unique_link_click", 10_000))
        )
        of_events = (rows.num_rows, _sum(rows, "hits"), uniques, _sum(rows, "origin_offset"))
        self._numbers.extend((offset, *of_events, len(record.rejects), sum(r.offset for r in record.rejects)))

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        for at in range(0, len(self._numbers), _WIDTH):
            yield tuple(self._numbers[at : at + _WIDTH])


class Trace:
    """Looks for the rows of one partition that differ."""

    def __init__(self, service: Service, session: Session, place: Place) -> None:
        self._service, self._session, self._place = service, session, place
        self._database = quoted(service.target.database)

    async def rows(self, lines: Lines, before: int) -> list[Row]:
        """The first ones, among the journal records before an offset.

        Raises:
            Unavailable, Refused, TimeoutError
        """
        found: list[Row] = []
        for offset in self._differing(lines, before)[:RECORDS_MAX]:
            said = Counter(_rows(await self._record(offset)))
            parameters = {"partition": self._place.partition, "at": offset}
            there = Counter(map(_plain, self._service.query(recount.of_record(self._database), parameters).rows))
            found += [self._row("missing", offset, row) for row in sorted((said - there).elements())]
            found += [self._row("foreign", offset, row) for row in sorted((there - said).elements())]
        return found[:ROWS_MAX]

    def _differing(self, lines: Lines, before: int) -> list[int]:
        parameters = {"partition": self._place.partition, "before": before}
        answer = self._service.query(recount.by_record(self._database), parameters).rows
        there = {int(row[0]): tuple(map(int, row)) for row in answer}
        said = {line[0]: line for line in lines if any(line[1:])}
        return sorted(at for at in said.keys() | there.keys() if said.get(at) != there.get(at))

    async def _record(self, offset: int) -> Record | None:
        async for entries in self._session.read(self._place, offset, offset + 1):
            return decode(entries[0].value or b"")[1]
        return None

    def _row(self, what: str, at: int, row: tuple[Any, ...]) -> Row:
        account, campaign, channel, type_, occurred_at, topic, offset = row[:7]
        days = day(occurred_at // _DAY_US)
        return Row(what, self._place.partition, at, account, campaign, channel, type_, days, topic, offset)


def _table(record: Record) -> pa.Table:
    if not record.events:
        return pa.table({name: pa.array([], pa.int64()) for name in _INTS})
    with pa.ipc.open_stream(record.events) as reader:
        return reader.read_all()


def _sum(rows: pa.Table, name: str) -> int:
    return int(pc.sum(pc.cast(rows[name], pa.int64())).as_py() or 0)


def _rows(record: Record | None) -> Iterator[tuple[Any, ...]]:
    """A record's rows in the order of `recount.ROW`, then its dead letters."""
    if record is None:
        return
    if record.events:
        table = _table(record)
        texts = [pc.fill_null(table[name], "") for name in ("account_id", "campaign_id", "channel", "type")]
        occurred = pc.cast(table["occurred_at"].cast(pa.timestamp("us", "UTC")), pa.int64())
        rest = [pc.cast(pc.fill_null(table[name], 0), pa.int64()) for name in _INTS]
        tests = pc.cast(table["is_test"], pa.int64())
        columns = [*texts, occurred, pc.fill_null(table["origin_topic"], ""), rest[0], tests, *rest[1:]]
        yield from zip(*(column.to_pylist() for column in columns), strict=True)
    for r in record.rejects:
        yield r.account_id, "", "", r.reason, r.arrived_at // 1000 * 1000, r.topic, r.offset, 0, 0, 0, 0, 0, 0


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value if isinstance(value, str) else int(value) for value in row)
