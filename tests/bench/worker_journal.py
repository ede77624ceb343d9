"""What a run's journal says: its valid records with their times, and every event's fate. A wrong run has no figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.core.record import decode
from pipeline.journal.chain import FIRST, extends


class Entry(NamedTuple):
    """A valid journal record: its broker's time (Unix ms), its partition, what it read of each topic, its events."""

    at_ms: int
    partition: int
    sources: tuple[tuple[str, int, int], ...]
    read: int


class Fates(NamedTuple):
    """Events by fate."""

    accepted: int
    duplicates: int
    rejected: int

    @property
    def read(self) -> int:
        """All of them."""
        return sum(self)


class Journaled(NamedTuple):
    """What a run's journal says: its valid records in order of time, and fates in all."""

    entries: list[Entry]
    fates: Fates


def fold(messages: Iterable[tuple[int, int, bytes]]) -> Journaled:
    """The journal as (partition, broker's time in Unix ms, value), each partition in order.

    Raises:
        AssertionError: a topic does not go on where it stopped, or an event has not exactly one fate.
    """
    last: dict[int, int] = {}
    at: dict[tuple[str, int], int] = {}
    entries, accepted, duplicates, rejected = [], 0, 0, 0
    for partition, at_ms, value in messages:
        link, record = decode(value)
        if not extends(link, last.get(partition, FIRST)):
            continue
        last[partition] = link.id
        for source in record.sources:
            assert at.get((source.topic, partition), 0) == source.first, f"{source} does not go on in {partition}"
            at[source.topic, partition] = source.next
        sources = tuple((source.topic, source.first, source.next) for source in record.sources)
        entries.append(Entry(at_ms, partition, sources, record.read))
        accepted += record.accepted
        duplicates += sum(found.events for found in record.duplicates)
        rejected += len(record.rejects)
    fates = Fates(accepted, duplicates, rejected)
    assert sum(entry.read for entry in entries) == fates.read, f"not every event read has one fate: {fates}"
    return Journaled(sorted(entries), fates)
