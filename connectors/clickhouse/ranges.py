"""The range of a journal partition that one round of inserts covers, and the intent that fixes it. Pure.

In:   journal records in the order of their offsets, and what the group's last offset commit said.
Out:  ranges to insert, and what to commit before and after.  Time: a monotonic clock, given.
A range is fixed by a commit before its first insert, so that after a crash the very same one is built again: from its
first offset, with the id of the last valid record before it, to its end. The rest follows from the journal's bytes.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from connectors.clickhouse import footprint
from connectors.clickhouse.rows import Decided
from connectors.clickhouse.settings import RANGE_ROWS_BYTES_MAX
from pipeline.core.record import Link, NotARecord, Record, decode, read_link
from pipeline.journal import chain

NOWHERE = -1  # the offset of the valid record before the first one
IGNORED_RUN_MAX = 1_000  # records in a row outside the chain: a rival adds one each time it errs, a new journal all


REBUILD = "`tally rebuild clickhouse`"
MEND = f"Run {REBUILD}: it fills fresh tables from the whole journal and exchanges them with the live ones"
RESTORE = "No rebuild brings them back: restore the journal, from a replica or a backup"
_REBUILDER = "rebuild"  # in a commit's metadata: the database whose tables are being exchanged with the live ones


class JournalGone(Exception):
    """The journal behind or under the sink is not the one that it inserted from; the message says how to mend it."""


class Position(NamedTuple):
    """What an offset commit says: everything before `offset` is in ClickHouse."""

    offset: int
    id: int  # of the last valid record before `offset`; 0: none
    at: int  # its offset
    end: int | None = None  # the range [offset, end) is fixed and may be there in part; None: none is


START = Position(0, chain.FIRST, NOWHERE)


class Limits(NamedTuple):
    """When a range is large or old enough."""

    rows: int
    size: int  # bytes of records as they wait
    linger_seconds: float


@dataclass(frozen=True, slots=True)
class Range:
    """The valid records of [intent.offset, intent.end), what to commit before their insertion and what after it."""

    intent: Position
    done: Position
    decided: list[Decided]
    ignored: int


@dataclass(frozen=True, slots=True)
class _Item:
    offset: int
    id: int
    record: Record | None  # None: outside the chain
    size: int  # bytes of memory while it waits
    rows_bytes: int  # more of them once its events are rows

    @property
    def rows(self) -> int:
        """About as many as the record has; corrections come on top."""
        return 0 if self.record is None else self.record.accepted + len(self.record.rejects)


def metadata(position: Position) -> str:
    """A position as the metadata of an offset commit."""
    said: dict[str, object] = {"id": f"{position.id:016x}", "at": position.at}
    if position.end is not None:
        said["end"] = position.end
    return json.dumps(said)


def fence(fresh: str) -> str:
    """The metadata of a commit that every sink refuses, while tables are exchanged with those of a database."""
    return json.dumps({_REBUILDER: fresh})


def fenced_by(text: str | None) -> str | None:
    """The database that a commit's metadata names as `fence` does."""
    try:
        said = json.loads(text or "")
    except ValueError:
        return None
    return str(said[_REBUILDER]) if isinstance(said, dict) and _REBUILDER in said else None


def position(offset: int, text: str | None) -> Position:
    """The position that an offset commit says.

    Raises:
        JournalGone: the commit is not a sink's.
    """
    try:
        if fresh := fenced_by(text):
            raise JournalGone(
                f"{REBUILD} has begun to exchange the tables with those of {fresh}. Stop the sinks and run it again: it"
                " finishes in seconds"
            )
        said = json.loads(text or "")
        return Position(offset, int(said["id"], 16), int(said["at"]), None if "end" not in said else int(said["end"]))
    except (ValueError, KeyError, TypeError):
        raise JournalGone(
            f"the group's offset {offset} was not committed by a sink (metadata {text!r}), so nobody knows what is in"
            f" ClickHouse. {MEND}"
        ) from None


def agree(committed: Position | None, inserted: int) -> None:
    """That the group's commit is the one that the tables were filled under: another cut of the same records would have
    other tokens. `inserted`: one past the last record in ClickHouse, be it there in part; 0: none is.

    Raises:
        JournalGone: one of them is older or newer than the other one; the message says how to mend it.
    """
    if committed is None:
        if inserted:
            raise JournalGone(
                f"ClickHouse has its records up to offset {inserted}, but the group has no offset: it was deleted, or"
                f" they are another journal's. {MEND}"
            )
        return
    bound = committed.offset if committed.end is None else committed.end
    if inserted > bound:
        raise JournalGone(
            f"ClickHouse has its records up to offset {inserted}, but the group's commit says {bound} at most: the"
            f" group's offsets were set back, and rows inserted again would count twice. {MEND}"
        )
    if inserted < committed.at + 1:
        raise JournalGone(
            f"the group has inserted records up to offset {committed.at + 1}, but ClickHouse has them up to"
            f" {inserted} only: the tables are new or were set back, or the group's offsets were set ahead, and the"
            f" rows between would be missing. {MEND}"
        )


def first_offset(committed: Position, low: int, high: int) -> int:
    """Where to begin reading: at the last valid record that is in ClickHouse, to see that it is still there.

    Raises:
        JournalGone: records that were inserted, or are still to be inserted, are no longer there.
    """
    end = committed.offset if committed.end is None else committed.end
    if high < end:
        raise JournalGone(
            f"the journal ends at offset {high}, but records up to {end} were read from it: it was truncated or"
            f" replaced. {MEND}"
        )
    if low > committed.offset:
        raise JournalGone(
            f"the journal begins at offset {low}, but records from {committed.offset} on are not in ClickHouse: they"
            f" were deleted before. {RESTORE}"
        )
    return committed.at if committed.at >= low else committed.offset


@dataclass(slots=True)
class Lane:
    """One partition's records that are not in ClickHouse yet. `next` is the offset to come."""

    partition: int
    committed: Position
    next: int
    limits: Limits
    open: Range | None = None
    size: int = 0  # bytes of records that wait
    _rows: int = 0
    _rows_bytes: int = 0
    _since: float = 0.0
    _ignored_run: int = 0
    _last: int = field(init=False)
    _items: deque[_Item] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._last = self.committed.id

    def take(self, offset: int, value: bytes | None, now: float) -> None:
        """The next record of the partition.

        Raises:
            JournalGone: it is not the next one, or the last valid record in ClickHouse is another one now.
            UnknownFormat: a valid record that this program cannot read.
        """
        if offset != self.next:
            raise JournalGone(f"after offset {self.next - 1} comes {offset}: records were deleted. {RESTORE}")
        self.next += 1
        link = _link(value)
        if offset < self.committed.offset:
            if offset == self.committed.at and (link is None or link.id != self.committed.id):
                raise JournalGone(
                    f"offset {offset} holds another record than the one in ClickHouse (id {self.committed.id:016x}):"
                    f" the journal was truncated or replaced. {MEND}"
                )
            return
        if value is None or link is None or not chain.extends(link, self._last):
            self._add(_Item(offset, chain.FIRST, None, 0, 0), now)
            return
        self._last = link.id
        record = decode(value)[1]
        size = footprint.waiting(record, len(value))
        self._add(_Item(offset, link.id, record, size, record.events_size), now)

    def due(self, now: float) -> bool:
        """Whether a range can be cut, or one is open."""
        if self.open is not None:
            return True
        if self.committed.end is not None:
            return self.next >= self.committed.end
        if not self._items:
            return False
        return self.is_full or now - self._since >= self.limits.linger_seconds

    @property
    def is_full(self) -> bool:
        """Whether what waits is as much as a range may hold."""
        large = self._rows >= self.limits.rows or self.size >= self.limits.size
        return large or self._rows_bytes >= RANGE_ROWS_BYTES_MAX

    @property
    def recovering(self) -> bool:
        """Whether a range that was fixed before is not complete yet."""
        return self.committed.end is not None

    def cut(self, now: float) -> Range:
        """The range to insert: the open one, one that was fixed before, or as much as is there within the limits."""
        if self.open is None:
            items = self._cut_fixed(self.committed.end) if self.committed.end is not None else self._cut_some()
            self._rows -= sum(i.rows for i in items)
            self.size -= sum(i.size for i in items)
            self._rows_bytes -= sum(i.rows_bytes for i in items)
            self._since = now
            valid = [i for i in items if i.record is not None]
            end = items[-1].offset + 1
            last = (valid[-1].id, valid[-1].offset) if valid else (self.committed.id, self.committed.at)
            self.open = Range(
                intent=self.committed._replace(end=end),
                done=Position(end, *last),
                decided=[Decided(i.offset, i.record) for i in items if i.record is not None],
                ignored=len(items) - len(valid),
            )
        return self.open

    def finish(self) -> None:
        """The open range is in ClickHouse."""
        assert self.open is not None, "a range is finished once"
        self.committed, self.open = self.open.done, None

    def _add(self, item: _Item, now: float) -> None:
        self._ignored_run = 0 if item.record is not None else self._ignored_run + 1
        if self._ignored_run > IGNORED_RUN_MAX:
            raise JournalGone(
                f"the {self._ignored_run} records up to offset {item.offset} do not follow the one in ClickHouse"
                f" (id {self._last:016x}): the journal was truncated or replaced. {MEND}"
            )
        if not self._items:
            self._since = now
        self._items.append(item)
        self._rows += item.rows
        self.size += item.size
        self._rows_bytes += item.rows_bytes

    def _cut_fixed(self, end: int) -> list[_Item]:
        items = []
        while self._items and self._items[0].offset < end:
            items.append(self._items.popleft())
        assert items, "a fixed range holds at least one record"
        return items

    def _cut_some(self) -> list[_Item]:
        items, rows, size, rows_bytes = [], 0, 0, 0
        while self._items and rows < self.limits.rows and size < self.limits.size and rows_bytes < RANGE_ROWS_BYTES_MAX:
            item = self._items.popleft()
            items.append(item)
            rows, size, rows_bytes = rows + item.rows, size + item.size, rows_bytes + item.rows_bytes
        return items


def _link(value: bytes | None) -> Link | None:
    """The place in the chain; None where something else wrote to the topic: it is ignored like a rival's record."""
    try:
        return read_link(value or b"")
    except NotARecord:
        return None
