"""Runs histories through the core as a worker does: slabs, batches, decide, encode, decode, apply."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.core import fold, state, window
from pipeline.core.batch import Slab
from pipeline.core.context import Context
from pipeline.core.decide import decide
from pipeline.core.decode import payload
from pipeline.core.hashing import hash_texts, mix
from pipeline.core.identify import mint
from pipeline.core.record import Link, Record, decode, encode
from pipeline.core.rows import read_rows
from pipeline.core.state import Columns, State
from tests.events import SCHEMA_IDS, SCHEMAS, SEED, Event, kind_of
from tests.oracle.history import DAY, identity

KINDS = ("unique_open", "unique_click", "unique_link_click")


class Sent(NamedTuple):
    """What reached a topic. `event` is None where the value is no event, for the reason `unreadable`."""

    topic: str
    arrived_ms: int
    value: bytes | None
    event: Event | None
    unreadable: str = ""


@dataclass
class Outcome:
    """What came out of a run: the state, the journal's values, and all that the records say."""

    state: State = field(default_factory=State)
    journal: list[bytes] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    _rows: list[list[dict[str, Any]]] = field(default_factory=list)

    @property
    def rows_by_record(self) -> list[list[dict[str, Any]]]:
        """The rows of every record; read once, when first asked for."""
        self._rows += [rows(record) for record in self.records[len(self._rows) :]]
        return self._rows

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of all records."""
        return [row for of_record in self.rows_by_record for row in of_record]


def offsets(history: Sequence[Sent]) -> list[int]:
    """The offset of each record in its topic."""
    seen: Counter[str] = Counter()
    found = []
    for sent in history:
        found.append(seen[sent.topic])
        seen[sent.topic] += 1
    return found


def batches(history: Sequence[Sent], cuts: Collection[int]) -> list[list[Slab]]:
    """The history in batches, cut before the places of `cuts`; neighbours of one topic and arrival share a slab."""
    found: list[list[Slab]] = []
    for n, (sent, offset) in enumerate(zip(history, offsets(history), strict=True)):
        if n == 0 or n in cuts:
            found.append([])
        last = found[-1][-1] if found[-1] else None
        if last and (last.topic, last.arrived_ms) == (sent.topic, sent.arrived_ms):
            last.values.append(sent.value)
        else:
            found[-1].append(Slab(sent.topic, offset, sent.arrived_ms, [sent.value]))
    return found


def run(history: Sequence[Sent], cuts: Collection[int], context: Context, outcome: Outcome | None = None) -> Outcome:
    """The outcome of a history from the empty state, or behind what has run already."""
    outcome = outcome or Outcome()
    for batch in batches(history, cuts):
        step(outcome, batch, context)
    return outcome


def step(outcome: Outcome, batch: list[Slab], context: Context) -> None:
    """One batch, cut where the stream's day changes."""
    for part in window.cut_days(outcome.state.stream_time, batch):
        number = len(outcome.journal)
        value = encode(decide(outcome.state, part, context), Link(number + 1, number, "test"))
        _, record = decode(value)
        fold.apply(outcome.state, record, context.seed)
        outcome.journal.append(value)
        outcome.records.append(record)
        assert record.read == record.accepted + len(record.rejects) + sum(d.events for d in record.duplicates)


def rows(record: Record) -> list[dict[str, Any]]:
    """The rows of a record's Arrow stream; times as UTC microseconds."""
    table = read_rows(record)
    for name, unit in (("occurred_at", 1), ("arrived_at", 1000), ("cycle_start", 1_000_000)):
        number = table.schema.get_field_index(name)
        plain = table.column(name).combine_chunks().view(pa.int64()) if table.num_rows else pa.array([], pa.int64())
        table = table.set_column(number, name, pa.compute.multiply(plain, unit))
    return table.to_pylist()


def folded(journal: Sequence[bytes], context: Context) -> State:
    """The state that the journal's bytes say."""
    made = State()
    for value in journal:
        fold.apply(made, decode(value)[1], context.seed)
    return made


def frozen(now: State) -> dict[str, bytes]:
    """The state's columns as bytes, for comparison."""
    return {name: column.tobytes() for name, column in state.columns(now).items()}


def thawed(now: State) -> State:
    """The state after a snapshot and back, from copies of its columns."""
    copies: Columns = {name: np.array(column) for name, column in state.columns(now).items()}
    return state.from_columns(copies)


def identity_hash(event: Event, topic: str, value: bytes) -> int:
    """The core's number for an identity, which breaks ties."""
    schema = SCHEMAS[SCHEMA_IDS[kind_of(topic)]]
    own = event["event_id"] or mint(payload(schema, value[5:]))
    hashes = [hash_texts([text], SEED) for text in (own, event["source"], event["account_id"])]
    return int(mix(hashes[0], mix(hashes[1], hashes[2]))[0])


def told(history: Sequence[Sent]) -> list[dict[str, Any]]:
    """The history as the oracle is told it."""
    found: list[dict[str, Any]] = []
    for sent, offset in zip(history, offsets(history), strict=True):
        place = {"topic": sent.topic, "offset": offset, "arrived_at": sent.arrived_ms * 1000}
        if sent.event is None:
            found.append(place | {"unreadable": sent.unreadable})
            continue
        assert sent.value is not None
        rank = identity_hash(sent.event, sent.topic, sent.value)
        found.append(sent.event | place | {"body": sent.value[5:], "rank": rank})
    return found


Place = tuple[str, int]


def rejected(outcome: Outcome) -> dict[Place, str]:
    """The reason of every reject, by its place."""
    return {(r.topic, r.offset): r.reason for record in outcome.records for r in record.rejects}


def accepted(outcome: Outcome) -> set[Place]:
    """The places of the accepted events."""
    return {(row["origin_topic"], row["origin_offset"]) for row in outcome.rows if row["hits"]}


def duplicates(outcome: Outcome) -> Counter[tuple[str, str]]:
    """Duplicates by topic and source."""
    found: Counter[tuple[str, str]] = Counter()
    for record in outcome.records:
        for d in record.duplicates:
            found[d.topic, d.source] += d.events
    return found


def engagement(outcome: Outcome) -> dict[tuple[Any, ...], Counter[str]]:
    """The sums of all rows by account, campaign, channel and day; what counts nothing has no entry."""
    found: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for row in outcome.rows:
        group = found[row["account_id"], row["campaign_id"], row["channel"], row["occurred_at"] // DAY]
        if not row["is_test"]:
            group[row["type"].partition("_")[2]] += row["hits"]
        for kind in KINDS:
            group[kind] += row[kind]
    plain = {group: Counter({what: n for what, n in counts.items() if n}) for group, counts in found.items()}
    return {group: counts for group, counts in plain.items() if counts}


def uniques(outcome: Outcome, identities: dict[Place, int]) -> Counter[tuple[int, str]]:
    """What each event is the first of, by its identity: its own row and the corrections of it; all of them 0 or 1."""
    found: Counter[tuple[int, str]] = Counter()
    for row in outcome.rows:
        is_event = row["hits"] == 1
        identity = identities[row["origin_topic"], row["origin_offset"]] if is_event else row["corrects"]
        for kind in KINDS:
            found[identity, kind] += row[kind]
    assert set(found.values()) <= {0, 1}, "an event's uniqueness is counted twice, or taken back twice"
    return Counter({key: n for key, n in found.items() if n})


def usage(outcome: Outcome) -> dict[tuple[str, int], tuple[int, int, int, int | None]]:
    """The last absolute numbers of every cycle: end, as closed, as corrected, allowance."""
    return {
        (a.account_id, a.cycle_start): (a.cycle_end, a.used_as_closed, a.used, a.allowance)
        for record in outcome.records
        for a in record.allowance
    }


def forecasts(outcome: Outcome) -> dict[tuple[str, int], tuple[int, int, int, int, int, bool]]:
    """The last forecast of every cycle."""
    found = [forecast for record in outcome.records for forecast in record.forecasts]
    return {(f.account_id, f.cycle_start): tuple(f[2:]) for f in found}


def used_by_rows(outcome: Outcome) -> Counter[tuple[str, int]]:
    """Activities by cycle, as the rows say."""
    return Counter((row["account_id"], row["cycle_start"]) for row in outcome.rows if row["activity"])


def alerts(outcome: Outcome) -> list[tuple[Any, ...]]:
    """The alerts in the order of the journal."""
    found = [alert for record in outcome.records for alert in record.alerts]
    return [tuple(alert) for alert in found]


def persons(outcome: Outcome) -> dict[tuple[str, str], str]:
    """The person of every profile that the records name, where it is another profile."""
    found = {(p.account_id, p.profile_id): p.person_id for record in outcome.records for p in record.persons}
    return {pair: person for pair, person in found.items() if person != pair[1]}


def people(outcome: Outcome) -> dict[tuple[str, str], str]:
    """The person of every profile that an event, a merge or a split named, as the view `persons` says; tests aside."""
    seen = {(row["account_id"], row["profile_id"]) for row in outcome.rows if row["hits"] and not row["is_test"]}
    named = {(p.account_id, p.profile_id): p.person_id for record in outcome.records for p in record.persons}
    return {pair: pair[1] for pair in seen if pair[1]} | named


def sums(outcome: Outcome) -> dict[str, Any]:
    """Everything that must not depend on how a history falls into batches."""
    return {
        "rejected": rejected(outcome),
        "accepted": accepted(outcome),
        "duplicates": duplicates(outcome),
        "engagement": engagement(outcome),
        "persons": persons(outcome),
        "usage": usage(outcome),
        "forecasts": forecasts(outcome),
        "activities": used_by_rows(outcome),
        "alerts": alerts(outcome),
    }


def knowledge(now: State) -> dict[str, Any]:
    """What a state knows, whatever the places and numbers under which it is kept.

    A label that no fact carries is a name, not knowledge: a fact that is overtaken within its batch makes none.
    What is forgotten and not swept yet is none either.
    """
    now = thawed(now)
    fold.settle(now)
    names = {number: label for label, number in now.labels.items()}
    keys = now.held.keys.reshape(-1)
    at = keys.nonzero()[0]
    numbers = now.held.fields["number"].reshape(-1)[at]
    columns = [now.log.at(numbers, name).tolist() for name in ("occurred_at", "identity", "kind", "label")]
    facts = zip(keys[at].tolist(), *columns, strict=True)
    seen = now.seen.keys.reshape(-1)
    fields = [column.reshape(-1)[seen > 0].tolist() for _, column in sorted(now.seen.fields.items())]
    return {
        "stream_time": now.stream_time,
        "seen": dict(zip(seen[seen > 0].tolist(), zip(*fields, strict=True), strict=True)),
        "held": {key: (when, who, kind, names[label]) for key, when, who, kind, label in facts},
        "cycles": now.accounts.cycles,
        "plans": now.accounts.plans,
    }


def without_conflicts(history: Sequence[Sent]) -> list[Sent]:
    """The history without events that have an earlier one's identity and another payload."""
    first: dict[Any, bytes | None] = {}
    for sent, event in zip(history, told(history), strict=True):
        first.setdefault(_identity_or_place(sent, event), sent.value)
    return [
        sent
        for sent, event in zip(history, told(history), strict=True)
        if sent.value == first[_identity_or_place(sent, event)]
    ]


def _identity_or_place(sent: Sent, event: dict[str, Any]) -> Any:
    return (event["topic"], event["offset"]) if sent.event is None else identity(event)
