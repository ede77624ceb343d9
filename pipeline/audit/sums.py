"""The sums of the journal's own rows: what the accepted events and corrections of the valid records add up to.

In:   journal records in order.  Out: engagement by account, campaign, channel, UTC day and type; activities by cycle;
events by fate of each source topic.  Memory: one row for each such key, and the rows of some records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.clickhouse.views import ENGAGEMENT, OFFSETS, ROLLUP
from pipeline.core.record import Record
from pipeline.core.rows import read_rows
from pipeline.core.window import DAY_US

Key = tuple[str, ...]
Numbers = dict[str, int]

ROWS_WAITING_MAX = 100_000  # rows kept until they are added up: 10 MB
_EPOCH = date(1970, 1, 1)
_KEYS = ("account_id", "campaign_id", "channel", "type", "day")
_BURN_KEYS = ("account_id", "cycle_start", "campaign_id", "channel", "type")
_UNIQUES = {
    "unique_open": "unique_opened",
    "unique_click": "unique_clicked",
    "unique_link_click": "unique_link_clicked",
}
_COLUMN_OF_VERB = {
    **{name: name for name in ("sent", "delivered", "opened", "clicked", "unsubscribed", "complained")},
    **dict.fromkeys(("soft_bounced", "hard_bounced"), "bounced"),
}


class Sums:
    """Feed `take` every valid record. Keys and numbers are named as the views name them."""

    def __init__(self, partition: int) -> None:
        self._partition = str(partition)
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._engagement: pa.Table | None = None
        self._burnt: Counter[tuple[str | int, ...]] = Counter()  # by _BURN_KEYS; starts in microseconds
        self._fates: dict[str, Counter[str]] = {}  # by topic
        self._accounts: set[str] = set()
        self.events = 0

    def take(self, record: Record) -> None:
        """One more record."""
        self.events += record.read
        for source in record.sources:
            self._fate(source.topic).update(read=source.next - source.first, accepted=source.accepted)
        for duplicate in record.duplicates:
            self._fate(duplicate.topic)["duplicates"] += duplicate.events
        for reject in record.rejects:
            self._fate(reject.topic).update({"rejected": 1, OFFSETS: reject.offset})
        if record.events:
            rows = _rows(read_rows(record))
            self._waiting.append(rows)
            self._rows += rows.num_rows
        self._accounts.update(cycle.account_id for cycle in record.allowance)
        if self._rows >= ROWS_WAITING_MAX:
            self._add_up()

    def named(self) -> set[str]:
        """Every account so far."""
        self._add_up()
        return self._accounts

    def engagement(self, accounts: Collection[str]) -> dict[Key, Numbers]:
        """By account, campaign, channel and day."""
        found: dict[Key, Numbers] = {}
        for row in self._of(accounts):
            key = (row["account_id"], row["campaign_id"], row["channel"], day(row["day"]))
            numbers = found.setdefault(key, dict.fromkeys(ENGAGEMENT, 0))
            numbers["events"] += row["hits"]
            for column, name in _UNIQUES.items():
                numbers[name] += row[column]
            verb = row["type"][len(row["channel"]) + 1 :]
            if verb in _COLUMN_OF_VERB:
                numbers[_COLUMN_OF_VERB[verb]] += row["hits"]
        return found

    def used(self, accounts: Collection[str]) -> dict[Key, Numbers]:
        """Activities by account and start of the cycle."""
        found: dict[Key, Numbers] = {}
        for (account, start, *_), numbers in self.burn(accounts).items():
            cycle = found.setdefault((account, start), {"used_as_corrected": 0})
            cycle["used_as_corrected"] += numbers["used"]
        return found

    def burn(self, accounts: Collection[str]) -> dict[Key, Numbers]:
        """Activities by account, start of the cycle, campaign, channel and type."""
        self._add_up()
        return {
            (str(account), instant(int(start)), *map(str, names)): {"used": events}
            for (account, start, *names), events in self._burnt.items()
            if account in accounts
        }

    def conservation(self) -> dict[Key, Numbers]:
        """Events of each source topic and partition by fate."""
        self._add_up()
        names = ("read", "accepted", "duplicates", "rejected", ROLLUP, OFFSETS)
        return {
            (topic, self._partition): {name: signed(fates[name]) for name in names}
            for topic, fates in self._fates.items()
        }

    def _fate(self, topic: str) -> Counter[str]:
        return self._fates.setdefault(topic, Counter())

    def _of(self, accounts: Collection[str]) -> list[dict[str, Any]]:
        self._add_up()
        if self._engagement is None:
            return []
        chosen = pc.is_in(self._engagement["account_id"], pa.array(sorted(accounts), pa.string()))
        rows: list[dict[str, Any]] = self._engagement.filter(chosen).to_pylist()
        return [row for row in rows if row["channel"]]

    def _add_up(self) -> None:
        if not self._waiting:
            return
        rows = pa.concat_tables(self._waiting)
        self._waiting, self._rows = [], 0
        numbers = ("hits", *_UNIQUES)
        before = [] if self._engagement is None else [self._engagement]
        together = pa.concat_tables([rows.select([*_KEYS, *numbers]), *before])
        self._engagement = _added(together, _KEYS, numbers).select([*_KEYS, *numbers])
        self._accounts.update(pc.unique(rows["account_id"]).to_pylist())
        activities = rows.filter(pc.greater(rows["activity"], 0))
        for row in _added(activities, _BURN_KEYS, ("activity",)).to_pylist():
            self._burnt[tuple(row[name] for name in _BURN_KEYS)] += row["activity"]
        events = rows.filter(pc.not_equal(rows["origin_topic"], ""))
        for row in _added(events, ("origin_topic",), ("event", "origin_offset")).to_pylist():
            self._fate(row["origin_topic"]).update({ROLLUP: row["event"], OFFSETS: row["origin_offset"]})


def _rows(table: pa.Table) -> pa.Table:
    """What is added up of a record's rows: tests count nowhere but in their topic."""
    live = pc.cast(pc.invert(table["is_test"]), pa.int64())
    day_ = pc.divide(pc.cast(table["occurred_at"].cast(pa.timestamp("us", "UTC")), pa.int64()), DAY_US)
    hits = pc.cast(table["hits"], pa.int64())
    cycle = pc.cast(table["cycle_start"].cast(pa.timestamp("us", "UTC")), pa.int64())
    return pa.table(
        {
            **{name: pc.fill_null(table[name], "") for name in _KEYS[:-1]},
            "day": day_,
            "hits": pc.multiply(hits, live),
            **{name: pc.cast(table[name], pa.int64()) for name in _UNIQUES},
            "activity": pc.multiply(pc.cast(table["activity"], pa.int64()), live),
            "cycle_start": cycle,
            "origin_topic": pc.if_else(pc.greater(hits, 0), pc.fill_null(table["origin_topic"], ""), ""),
            "event": hits,
            "origin_offset": pc.cast(pc.fill_null(table["origin_offset"], 0), pa.int64()),
        }
    )


def _added(rows: pa.Table, keys: Collection[str], numbers: Collection[str]) -> pa.Table:
    grouped = rows.group_by(list(keys)).aggregate([(name, "sum") for name in numbers])
    return grouped.rename_columns([name.removesuffix("_sum") for name in grouped.column_names])


def day(days: int) -> str:
    """A day since 1970 as ClickHouse writes it."""
    return (_EPOCH + timedelta(days=days)).isoformat()


def instant(us: int) -> str:
    """UTC microseconds as ClickHouse writes them to the second."""
    return datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def signed(number: int) -> int:
    """A sum as 64 bits keep it, signed."""
    wrapped = number & ((1 << 64) - 1)
    return wrapped - (1 << 64) if wrapped >= 1 << 63 else wrapped
