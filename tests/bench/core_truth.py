"""What the core's bench must have counted, recounted from the bytes that it was given."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow.compute as pc

from pipeline.core.decode import payload
from pipeline.core.framing import FRAME_BYTES
from pipeline.core.record import Record
from pipeline.core.rows import read_rows
from tests.bench.core_traffic import Sent
from tests.events import SCHEMA_IDS, SCHEMAS, kind_of
from tests.oracle.history import Event
from tests.oracle.persons import is_operation, persons
from tests.oracle.uniques import Key, keys
from tests.property.running import identity_hash

_UNIQUES = ("unique_open", "unique_click", "unique_link_click")


class Fates(NamedTuple):
    """Events by fate, and the sum of all unique columns."""

    read: int
    accepted: int
    duplicates: int
    rejected: int
    uniques: int


class Recount:
    """All that one state was given, and all that its records said of it.

    The state may remember more from before, of other messages and other visitors.
    """

    def __init__(self) -> None:
        self._sent = 0
        self._distinct: set[tuple[str, bytes]] = set()
        self._operations: list[Event] = []
        self._engaged: set[tuple[str, str, Key]] = set()  # account, profile, what
        self._said = [0] * len(Fates._fields)
        self._refused: set[tuple[str, bytes]] = set()  # operations that the size cap refused

    def give(self, sent: Sent) -> None:
        """Events in the order of sending; of exact copies the first counts."""
        self._sent += len(sent)
        for topic, value in dict.fromkeys(sent):
            if (topic, value) in self._distinct:
                continue
            self._distinct.add((topic, value))
            event = payload(SCHEMAS[SCHEMA_IDS[kind_of(topic)]], value[FRAME_BYTES:])
            if topic == "events.profile":
                rank = identity_hash(event, topic, value)
                self._operations.append(event | {"rank": rank, "value": value})
            elif "message_id" in event:
                self._engaged |= {(event["account_id"], event["profile_id"], key) for key in keys(event)}

    def hear(self, record: Record) -> None:
        """What a journal record says."""
        rows = read_rows(record)
        uniques = sum(pc.sum(rows[name]).as_py() or 0 for name in _UNIQUES)
        duplicates = sum(d.events for d in record.duplicates)
        said = Fates(record.read, record.accepted, duplicates, len(record.rejects), uniques)
        self._said = [before + now for before, now in zip(self._said, said, strict=True)]
        self._refused |= {(r.topic, r.raw) for r in record.rejects if r.reason == "too_many_profiles"}

    def check(self) -> Fates:
        """Both are the same.

        Raises:
            AssertionError: what differs; a core that counts otherwise gets no time.
        """
        said = Fates(*self._said)
        assert said.read == said.accepted + said.duplicates + said.rejected, f"not conserved: {said}"
        distinct, refused = len(self._distinct), len(self._refused)
        want = Fates(self._sent, distinct - refused, self._sent - distinct, refused, self._uniques())
        assert said == want, f"the core said {said}, the recount {want}"
        return said

    def _uniques(self) -> int:
        """One for each person and what it did, whichever of its profiles did it."""
        happened: list[dict[str, Any]] = [
            event for event in self._operations
            if is_operation(event) and ("events.profile", event["value"]) not in self._refused
        ]  # fmt: skip
        person = persons(happened)
        return len({(a, person.get((a, profile), profile), key) for a, profile, key in self._engaged})
