"""One partition's core for tests in words: send events, see what became of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline.core.batch import Slab
from pipeline.core.record import Record
from pipeline.core.state import State
from tests.events import NOON_MS, Event, context, frame, topic_of
from tests.property.running import KINDS, Outcome, engagement, rows, step


class Partition:
    """Every `send` is one batch. An event without an id gets one, so that no two are copies by accident."""

    def __init__(self, **rules: int) -> None:
        self.context = context(**rules)
        self.outcome = Outcome()
        self._offsets: Counter[str] = Counter()

    @property
    def state(self) -> State:
        """The state after all batches."""
        return self.outcome.state

    def send(self, *events: Event, at_ms: int = NOON_MS) -> Record:
        """One batch, all of it arriving at one time; the record of it."""
        slabs: list[Slab] = []
        for one in events:
            topic = topic_of(one["type"])
            named = one if one["event_id"] else one | {"event_id": f"{topic} {self._offsets[topic]}"}
            slabs.append(Slab(topic, self._offsets[topic], at_ms, [frame(named)]))
            self._offsets[topic] += 1
        return self.send_slabs(slabs)

    def send_slabs(self, slabs: list[Slab]) -> Record:
        """One batch of slabs on one day of the stream."""
        step(self.outcome, slabs, self.context)
        return self.outcome.records[-1]

    def uniques(self) -> dict[str, int]:
        """The sums of the unique columns over all rows."""
        return {kind: sum(row[kind] for row in self.outcome.rows) for kind in KINDS}

    def by_day(self, kind: str) -> dict[int, int]:
        """A unique column by UTC day, where it is not 0."""
        found: Counter[int] = Counter()
        for (_, _, _, day), counts in engagement(self.outcome).items():
            found[day] += counts[kind]
        return {day: count for day, count in found.items() if count}

    def persons(self) -> dict[str, str]:
        """Profile to person, of the profiles that records named."""
        return {p.profile_id: p.person_id for record in self.outcome.records for p in record.persons}


def reasons(record: Record) -> list[str]:
    """Why a batch's rejects were rejected, in stream order."""
    return [reject.reason for reject in record.rejects]


def events_of(record: Record) -> list[dict[str, Any]]:
    """The rows of accepted events."""
    return [row for row in rows(record) if row["hits"]]


def corrections_of(record: Record) -> list[dict[str, Any]]:
    """The correction rows."""
    return [row for row in rows(record) if not row["hits"]]
