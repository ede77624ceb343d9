"""The check of one journal partition: what a fold would take, and what it would stumble over.

In:   the entries of the partition in order.  Out: how each stands to the chain, counts, faults in words.
A rival's record is no fault: it is ignored by every reader.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.core.record import Link, NotARecord, Record, UnknownFormat, decode
from pipeline.journal.chain import FIRST, extends
from pipeline.journal.ports import Bounds, Described, Entry

FAULTS_MAX = 100  # told of one partition; the rest is counted


class Seen(NamedTuple):
    """A record, and how it stands to the chain; `link` and `record` are None where it cannot be read."""

    entry: Entry
    valid: bool
    link: Link | None
    record: Record | None


@dataclass
class Check:
    """Feed `take` every entry, then `end`.

    `positions` are what a worker would resume from, `topics` the ids of the topics that were read, both by unprefixed
    name; `partitions` is the number that the journal began with, 0 where no record says it.
    """

    partition: int
    offset: int
    last_id: int = FIRST
    records: int = 0
    valid: int = 0
    rivals: int = 0
    events: int = 0
    size: int = 0
    stream_time: int = 0
    seeds: set[int] = field(default_factory=set)
    positions: dict[str, int] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)
    partitions: int = 0
    faults: list[str] = field(default_factory=list)
    faults_untold: int = 0

    def __post_init__(self) -> None:
        if self.offset > 0:
            self._fault(f"begins at offset {self.offset}: the journal's beginning is gone")

    def take(self, entry: Entry) -> Seen:
        """The next entry."""
        if entry.offset != self.offset:
            self._fault(f"offset {entry.offset} follows {self.offset - 1}: records are missing")
        self.offset = entry.offset + 1
        self.records += 1
        self.size += len(entry.value or b"")
        try:
            link, record = decode(entry.value or b"")
        except (NotARecord, UnknownFormat) as error:
            self._fault(f"offset {entry.offset}: {error}")
            return Seen(entry, False, None, None)
        except (EOFError, IndexError, ValueError, struct.error) as error:
            self._fault(f"offset {entry.offset}: no journal record ({type(error).__name__})")
            return Seen(entry, False, None, None)
        valid = extends(link, self.last_id)
        if valid:
            self._follow(entry.offset, link, record)
        else:
            self.rivals += 1
        return Seen(entry, valid, link, record)

    def end(self, bounds: Mapping[str, Bounds], found: Mapping[str, Described] | None = None) -> None:
        """Compare the positions with what the source topics hold, and the topics with the broker's (`found`)."""
        for topic, said in (found or {}).items():
            read = self.topics.get(topic, said.id)
            if said.id and read != said.id:
                self._fault(
                    f"{topic}: the journal has read the topic of id {read}, but the broker has one of id {said.id}"
                )
            if self.partitions and said.partitions != self.partitions:
                self._fault(f"{topic} has {said.partitions} partitions, but the journal began with {self.partitions}")
        for topic, position in sorted(self.positions.items()):
            held = bounds.get(topic)
            if held is None:
                self._fault(f"{topic}: the journal has read up to {position - 1}, but there is no such topic")
            elif not held.first <= position <= held.next:
                self._fault(
                    f"{topic}: the journal goes on at {position}, but the topic holds [{held.first}, {held.next})"
                )
        if len(self.seeds) > 1:
            self._fault(f"decided with {len(self.seeds)} different hash seeds")

    def _follow(self, offset: int, link: Link, record: Record) -> None:
        self.last_id = link.id
        self.valid += 1
        self.events += record.read
        self.seeds.add(record.rules.seed_fingerprint)
        if record.stream_time < self.stream_time:
            self._fault(f"offset {offset}: stream time goes back")
        self.stream_time = max(self.stream_time, record.stream_time)
        for topic, id_ in record.topics.items():
            if self.topics.setdefault(topic, id_) != id_:
                self._fault(f"offset {offset}: {topic} is the topic of id {id_}, not {self.topics[topic]} as before")
        if self.partitions and record.partitions != self.partitions:
            self._fault(f"offset {offset}: decided under {record.partitions} partitions, not {self.partitions}")
        self.partitions = self.partitions or record.partitions
        for source in record.sources:
            expected = self.positions.get(source.topic, source.first)
            if source.first != expected:
                kind = "a gap" if source.first > expected else "an overlap"
                self._fault(f"offset {offset}: {source.topic} goes on at {source.first}, not {expected}: {kind}")
            self.positions[source.topic] = source.next

    def _fault(self, text: str) -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(text)
        else:
            self.faults_untold += 1
