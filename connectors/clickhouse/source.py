"""The journal as the sinks' consumer group reads it. What a commit says is decided elsewhere (`ranges.py`)."""

from __future__ import annotations

from typing import NamedTuple

from connectors.clickhouse import ranges
from connectors.group import Commit, Member, Reading
from pipeline.settings import Settings
from pipeline.topics import JOURNAL


class Begin(NamedTuple):
    """What a partition's reading begins with: the group's commit (None: none), and the journal's bounds."""

    committed: ranges.Position | None
    low: int
    high: int


def member(settings: Settings) -> Member:
    """A sink's membership in its group."""
    sink, prefix = settings.sink, settings.topics.prefix
    reading = Reading("sink", sink.group_id, prefix, JOURNAL, name=sink.name or "", level="read_uncommitted")
    return Member(settings, reading)


def begin(group: Member, partition: int) -> Begin:
    """What the group committed for a partition, and the journal's bounds.

    Raises:
        KafkaAway
        JournalGone: the commit is not a sink's.
    """
    found = group.committed(partition)
    return Begin(None if found is None else ranges.position(*found), *group.bounds(JOURNAL, partition))


def commit(group: Member, partition: int, position: ranges.Position) -> None:
    """Commit a position; returns when the broker has it.

    Raises:
        PartitionLost: it is somebody else's now.
        KafkaAway: not acknowledged; the broker may have it or not.
    """
    group.commit({partition: Commit(position.offset, ranges.metadata(position))})
