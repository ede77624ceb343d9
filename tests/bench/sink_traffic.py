"""The journal that the sink's benches read, and what ClickHouse must say once all of it is there.

Emails alone, of many accounts, each profile with about seven events spread over the whole journal: rollups by profile
shrink an insert little, so views and merges have more to do than behind real campaigns.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from connectors.clickhouse.rows import PERSONS_PER_RECORD as VERSIONS
from connectors.clickhouse.rows import Decided
from connectors.clickhouse.service import Service
from connectors.clickhouse.statements import quoted
from pipeline.core import record as journal
from pipeline.core.event_schema import EVENTS
from pipeline.core.rows import Rows, packed

RULES = journal.Rules(1, 7, 5, 90, 50, 1)
VERBS = np.array(["sent", "delivered", "delivered", "opened", "opened", "clicked", "proxy_opened", "soft_bounced"])
BEGIN_US = 1_769_200_000_000_000  # January 2026
ACCOUNTS, PROFILES, MESSAGES = 40, 200_000, 400  # of a partition, profiles over all accounts
MERGES, CYCLES = 20, 40  # persons and allowance rows of a record
ROW_US = 50_000  # between two rows of a partition


class Written(NamedTuple):
    """A record as it is in the journal."""

    partition: int
    offset: int
    value: bytes


@dataclass
class Totals:
    """What the journal holds, counted while it is made, and not by what the sink reads it with."""

    record_rows: int
    rows: int = 0
    ends: dict[int, int] = field(default_factory=dict)  # rows by partition
    by_verb: Counter[str] = field(default_factory=Counter)
    uniques: Counter[str] = field(default_factory=Counter)
    activities: int = 0
    profiles: set[tuple[int, int]] = field(default_factory=set)

    def said(self) -> dict[str, int]:
        """By what `QUESTIONS` asks."""
        return {
            "events": self.rows,
            "hits": self.rows,
            "allowance": sum(CYCLES * (end - self.record_rows) for end in self.ends.values()),
            "person_map": sum((end // self.record_rows - 1) * VERSIONS + MERGES - 1 for end in self.ends.values()),
            "intake": self.rows,
            "ranges": sum(end // self.record_rows for end in self.ends.values()),
            "sent": self.by_verb["sent"],
            "delivered": self.by_verb["delivered"],
            "opened": self.by_verb["opened"],
            "unique_opened": self.uniques["unique_open"],
            "clicked": self.by_verb["clicked"],
            "unique_clicked": self.uniques["unique_click"],
            "unique_link_clicked": self.uniques["unique_link_click"],
            "bounced": self.by_verb["soft_bounced"],
            "burn": self.activities,
            "profiles seen": len(self.profiles),
        }


DAILY = ("sent", "delivered", "opened", "unique_opened", "clicked", "unique_clicked", "unique_link_clicked", "bounced")
# Of tables, and of the promised views that go through a rollup each: engagement, burn, profile_seen.
QUESTIONS = {
    "events": "SELECT count() FROM {db}.events",
    "hits": "SELECT sum(hits) FROM {db}.events",
    "allowance": "SELECT sum(used_as_corrected) FROM {db}.allowance_cycles",
    "person_map": "SELECT sum(last) FROM (SELECT max(version) AS last FROM {db}.person_map GROUP BY journal_partition)",
    "intake": "SELECT sum(accepted) FROM {db}.intake",
    "ranges": "SELECT sum(last) FROM (SELECT max(end) AS last FROM {db}.ranges GROUP BY partition)",
    **{name: f"SELECT sum({name}) FROM {{db}}.engagement_daily" for name in DAILY},
    "burn": "SELECT sum(used) FROM {db}.allowance_burn",
    "profiles seen": "SELECT uniqExact(account_id, profile_id) FROM {db}.profile_seen",
}


def differences(service: Service, totals: Totals, questions: dict[str, str] = QUESTIONS) -> list[str]:
    """Where ClickHouse says something else than the journal; tables that merge to one row a key are asked as such."""
    database = quoted(service.target.database)
    expected, found = totals.said(), {}
    for name, question in questions.items():
        found[name] = int(service.query(question.format(db=database)).rows[0][0])
    return [f"{name}: {found[name]}, not {expected[name]}" for name in questions if found[name] != expected[name]]


def records(rows: int, partitions: int, totals: Totals) -> Iterator[Written]:
    """The journal, record by record, partitions in turn; `totals` grows with it."""
    rng, chance = np.random.default_rng(1), random.Random(1)
    last = dict.fromkeys(range(partitions), 0)
    for number in range(rows // totals.record_rows):
        partition = number % partitions
        first = totals.ends.get(partition, 0)
        record = _record(rng, partition, totals.record_rows, first, totals)
        link = journal.Link(chance.getrandbits(64) or 1, last[partition], "bench")
        yield Written(partition, first // totals.record_rows, journal.encode(record, link))
        last[partition], totals.ends[partition] = link.id, first + totals.record_rows


def ranges(written: Iterator[Written], records_each: int) -> Iterator[tuple[int, list[Decided]]]:
    """The ranges that a sink makes of them, so many records each."""
    waiting: dict[int, list[Decided]] = {}
    for one in written:
        waiting.setdefault(one.partition, []).append(Decided(one.offset, journal.decode(one.value)[1]))
        if len(waiting[one.partition]) == records_each:
            yield one.partition, waiting.pop(one.partition)
    yield from waiting.items()


def _record(rng: np.random.Generator, partition: int, rows: int, offset: int, totals: Totals) -> journal.Record:
    used = [journal.Allowance(f"account-{partition}-{x}", 0, BEGIN_US, offset, offset, None, ()) for x in range(CYCLES)]
    merged = [journal.Person(f"account-{partition}-1", f"prof-{x:08x}", "prof-00000001") for x in range(MERGES)]
    return journal.Record(
        RULES,
        BEGIN_US,
        [journal.Source("events.email", offset, offset + rows, rows)],
        persons=merged,
        allowance=used,
        identities=rng.integers(0, 1 << 63, rows, np.uint64),
        payloads=rng.integers(0, 1 << 63, rows, np.uint64),
        origins=np.arange(rows, dtype=np.uint64),
        **_events(rng, partition, rows, offset, totals)._asdict(),
    )


def _events(rng: np.random.Generator, partition: int, n: int, offset: int, totals: Totals) -> Rows:
    """Rows of `n` emails, two properties each; late by an hour on average, by a day at most."""
    profile, message = rng.integers(0, PROFILES, n), rng.integers(0, MESSAGES, n)
    verb = VERBS[rng.integers(0, len(VERBS), n)]
    arrived = BEGIN_US + (offset + np.arange(n)) * ROW_US
    late = (rng.exponential(3_600e6, n) % 86_400e6).astype(np.int64)
    clicked, opened = verb == "clicked", verb == "opened"
    stateful = np.isin(verb, ("delivered", "soft_bounced"))
    uniques = {
        "unique_open": (rng.random(n) < 0.3) & opened,
        "unique_click": clicked & (rng.random(n) < 0.5),
        "unique_link_click": clicked & (rng.random(n) < 0.6),
    }
    _count(totals, partition, profile, verb, uniques)
    zeros = np.zeros(n, np.uint8)
    columns = {
        "account_id": [f"account-{partition}-{x}" for x in (profile % ACCOUNTS).tolist()],
        "channel": ["email"] * n,
        "type": np.char.add("email_", verb),
        "source": ["altcraft"] * n,
        "vendor_type": verb,
        "profile_id": [f"prof-{x:08x}" for x in profile.tolist()],
        "person_id": pa.nulls(n, pa.string()),
        "message_id": [f"message-{x}" for x in message.tolist()],
        "campaign_id": [f"campaign-{x}" for x in (message // 4).tolist()],
        "link": pa.array([f"https://example.com/{x % 7}" for x in profile.tolist()], mask=~clicked),
        "identity": np.where(stateful, rng.integers(0, 1 << 63, n, np.uint64), 0).astype(np.uint64),
        "occurred_at": arrived - late,
        "arrived_at": arrived // 1000,
        "is_test": zeros.astype(bool),
        "hits": zeros + 1,
        **{name: marks.astype(np.int8) for name, marks in uniques.items()},
        "activity": opened.astype(np.uint8),
        "cycle_start": pa.array(np.full(n, 1_767_225_600), pa.int64(), mask=~opened),
        "corrects": zeros.astype(np.uint64),
        "properties": _properties(profile),
        "attributes": pa.nulls(n, EVENTS.field("attributes").type),
        "origin_topic": ["events.email"] * n,
        "origin_offset": np.arange(offset, offset + n, dtype=np.uint64),
    }
    return _packed(columns)


def _properties(profile: np.ndarray) -> pa.Array:
    n = len(profile)
    keys, values = pa.array(["ip", "agent"] * n), np.empty(2 * n, object)
    values[0::2] = [f"10.0.{x >> 8}.{x & 255}" for x in (profile % 65536).tolist()]
    values[1::2] = "Mozilla/5.0 (X11; Linux x86_64)"
    return pa.MapArray.from_arrays(np.arange(n + 1, dtype=np.int32) * 2, keys, pa.array(values, pa.string()))


def _packed(columns: dict[str, object]) -> Rows:
    arrays = {name: column if isinstance(column, pa.Array) else pa.array(column) for name, column in columns.items()}
    return packed(EVENTS, pa.table(arrays).cast(EVENTS).combine_chunks().to_batches())


def _count(
    totals: Totals, partition: int, profile: np.ndarray, verb: np.ndarray, uniques: dict[str, np.ndarray]
) -> None:
    totals.rows += len(profile)
    verbs, numbers = np.unique(verb, return_counts=True)
    totals.by_verb.update(dict(zip(verbs.tolist(), numbers.tolist(), strict=True)))
    totals.uniques.update({name: int(marks.sum()) for name, marks in uniques.items()})
    totals.activities += int((verb == "opened").sum())
    totals.profiles.update((partition, one) for one in np.unique(profile).tolist())
