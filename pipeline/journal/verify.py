"""The check of one journal partition: what a fold would take, and what it would stumble over.

In:   the entries of the partition in order.  Out: how each stands to the chain, counts, faults in words.
A rival's record is no fault: it is ignored by every reader. Where the journal's beginning is gone, nobody knows which
of its first records is valid until a later one names it: the chain is checked from there, and what is before that is
neither valid nor a rival's.
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
# Records that wait for one that names them, without their events; more rivals in a row than any group of workers makes.
UNPLACED_MAX = 1000


class Seen(NamedTuple):
    """A record, and how it stands to the chain; `link` and `record` are None where it cannot be read.

    `placed`: whether it is known to be valid or a rival's, by what was read up to it.
    """

    entry: Entry
    valid: bool
    link: Link | None
    record: Record | None
    placed: bool = True


class _Unplaced(NamedTuple):
    """A record behind a beginning that is gone; `record` has no more than the check needs."""

    offset: int
    link: Link
    record: Record


@dataclass
class Check:
    """Feed `take` every entry, then `end`.

    `positions` are what a worker would resume from, `topics` the ids of the topics that were read, both by unprefixed
    name; `partitions` is the number that the journal began with, 0 where no record says it. `unplaced` are records
    behind a beginning that is gone, of which nothing tells whether they are valid.
    """

    partition: int
    offset: int
    last_id: int = FIRST
    records: int = 0
    valid: int = 0
    rivals: int = 0
    unplaced: int = 0
    events: int = 0
    size: int = 0
    stream_time: int = 0
    seeds: set[int] = field(default_factory=set)
    positions: dict[str, int] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)
    partitions: int = 0
    faults: list[str] = field(default_factory=list)
    faults_untold: int = 0

    _waiting: dict[int, _Unplaced] | None = None  # by id; None: the chain's place is known

    def __post_init__(self) -> None:
        if self.offset > 0:
            self._waiting = {}
            self._fault(f"the beginning is gone: the first record is at offset {self.offset}, and the chain is "
                        "checked from the first one that a later one names")  # fmt: skip

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
        if self._waiting is not None and not self._place(self._waiting, entry.offset, link, record):
            return Seen(entry, False, link, record, placed=False)
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

    def _place(self, waiting: dict[int, _Unplaced], offset: int, link: Link, record: Record) -> bool:
        """Whether the record names one that was read: that one is valid, and what came between is a rival's."""
        named = waiting.get(link.prev)
        if named is None:
            self.unplaced += 1
            waiting[link.id] = _Unplaced(offset, link, _positions_of(record))
            if len(waiting) > UNPLACED_MAX:
                del waiting[next(iter(waiting))]
            return False
        between = sum(one.offset > named.offset for one in waiting.values())
        self.rivals += between
        self.unplaced -= between + 1
        self._waiting = None
        self._follow(named.offset, named.link, named.record)
        return True

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


def _positions_of(record: Record) -> Record:
    """The record without its events: they may be megabytes."""
    kept = {"runs": record.runs, "topics": record.topics, "partitions": record.partitions}
    return Record(record.rules, record.stream_time, record.sources, **kept)  # type: ignore[arg-type]
