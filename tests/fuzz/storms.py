"""Sends values through the core as a worker does, and accounts for every one by its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.core import fold
from pipeline.core.batch import Slab
from pipeline.core.decide import decide
from pipeline.core.reasons import Duplicate, Reject
from pipeline.core.record import RAW_BYTES_MAX, Link, Record, encode
from pipeline.core.rows import read_rows
from pipeline.core.state import State
from pipeline.core.vocabulary import TOPICS
from tests.events import context
from tests.fuzz.bodies import Value
from tests.property.running import folded, frozen

CONTEXT = context(unique_days=12, person_profiles_max=6)
REASONS = frozenset(Reject)
MET = frozenset(Duplicate)

Place = tuple[str, int]


@dataclass
class World:
    """One partition from its empty state on; `remembered` holds what an exact copy must be a copy of."""

    state: State = field(default_factory=State)
    journal: list[bytes] = field(default_factory=list)
    offsets: Counter[str] = field(default_factory=Counter)
    remembered: set[bytes | None] = field(default_factory=set)
    fates: Counter[str] = field(default_factory=Counter)

    def send(self, values: Sequence[Value], arrived_ms: int) -> None:
        """One batch: its topics one after the other, as far as each one's values follow each other."""
        by_topic: dict[str, list[bytes | None]] = {}
        for topic, value in values:
            by_topic.setdefault(topic, []).append(value)
        slabs = [Slab(topic, self.offsets[topic], arrived_ms, found) for topic, found in by_topic.items()]
        record = decide(self.state, slabs, CONTEXT)
        self.journal.append(encode(record, Link(len(self.journal) + 1, len(self.journal), "fuzz")))
        fold.apply(self.state, record, CONTEXT.seed)
        self._account(slabs, record)
        for slab in slabs:
            self.offsets[slab.topic] += len(slab.values)

    def is_the_fold(self) -> bool:
        """Whether the journal, read back, says the state that is there."""
        return frozen(folded(self.journal, CONTEXT)) == frozen(self.state)

    def _account(self, slabs: list[Slab], record: Record) -> None:
        """Exactly one fate for every place that was read; what is neither accepted nor rejected must be a copy."""
        left = {(slab.topic, slab.offset + n): value for slab in slabs for n, value in enumerate(slab.values)}
        assert (
            record.read == len(left) == record.accepted + len(record.rejects) + sum(d.events for d in record.duplicates)
        )
        for topic, offset, reason, value in rejected(record):
            assert reason in REASONS
            found = left.pop((topic, offset)) or b""
            assert (found[:RAW_BYTES_MAX], len(found)) == value
            self.fates[reason] += 1
            if reason == Reject.TOO_MANY_PROFILES:
                self.remembered.add(found)
        accepted = accepted_places(record)
        self.remembered.update(left.pop(place) for place in accepted)
        assert len(accepted) == record.accepted
        counted = Counter[str]()
        for duplicates in record.duplicates:
            assert duplicates.reason in MET
            counted[duplicates.topic] += duplicates.events
        assert Counter(topic for topic, _ in left) == counted
        assert self.remembered.issuperset(left.values()), "a duplicate is no copy of anything"
        self.fates["accepted"] += len(accepted)
        self.fates["duplicate"] += len(left)


def rejected(record: Record) -> list[tuple[str, int, str, tuple[bytes, int]]]:
    """Place, reason, and the bytes kept with the value's length, of every reject."""
    return [(r.topic, r.offset, r.reason, (r.raw, r.size)) for r in record.rejects]


def accepted_places(record: Record) -> list[Place]:
    """The places of the accepted events, as their rows say."""
    table = read_rows(record).select(["hits", "origin_topic", "origin_offset"])
    table = table.filter(pa.compute.equal(table["hits"], 1))
    topics, offsets = table["origin_topic"].to_pylist(), table["origin_offset"].to_pylist()
    assert set(topics) <= set(TOPICS)
    return list(zip(topics, offsets, strict=True))


def smallest(values: Sequence[Value], arrived_ms: int) -> list[Value]:
    """As few of the values as still fail from the empty state, found by leaving parts out; all where none does."""
    if not fails(values, arrived_ms):
        return list(values)
    left, size = list(values), max(1, len(values) // 2)
    while size:
        at = 0
        while at < len(left):
            fewer = left[:at] + left[at + size :]
            if fewer and fails(fewer, arrived_ms):
                left = fewer
            else:
                at += size
        size //= 2
    return left


def fails(
    values: Sequence[Value], arrived_ms: int, send: Callable[[World, Sequence[Value], int], None] = World.send
) -> bool:
    """Whether one batch of these values breaks an empty partition."""
    try:
        send(World(), values, arrived_ms)
    except Exception:  # style: any exception at all is what is looked for
        return True
    return False
