"""Which journal partitions a sink that starts now would refuse, and why, in its own words. Changes nothing.

In:   the group's commits, the journal, what ClickHouse has taken in.  Out: refusals by partition.
The checks are the sink's own (`ranges`). A partition at which a sink is at work between two questions is left out: it
is not refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from connectors.clickhouse import ranges, statements
from connectors.clickhouse.ranges import START, JournalGone, Lane, Limits, Position
from connectors.clickhouse.rebuild_group import Bounds, Commit, Group, Journal
from connectors.clickhouse.service import Service
from pipeline.journal.ports import Place
from pipeline.journal.reader import KafkaReader
from pipeline.kafka_security import aiokafka_client
from pipeline.settings import Settings

_ALONE = Limits(rows=1, size=1, linger_seconds=0.0)  # of a lane that takes one record, the last one in ClickHouse


def refused(settings: Settings, service: Service) -> dict[int, str]:
    """Why each partition that is refused is refused.

    Raises:
        KafkaAway, NoTopic, Unavailable, Refused
        KafkaError, OSError, TimeoutError: the journal cannot be read.
    """
    journal, group = Journal(settings), Group(settings, settings.sink.group_id)
    partitions = len(journal.bounds())
    before = group.commits(partitions)
    asked = statements.taken_in(service.target)
    taken = {p: int(service.query(asked, {"partition": p}).rows[0][0]) for p in range(partitions)}
    after = group.commits(partitions)
    still = {p: after.get(p) for p in range(partitions) if before.get(p) == after.get(p)}
    told, last = dict[int, str](), dict[int, Position]()
    for partition, bounds in journal.bounds().items():
        if partition not in still:
            continue
        try:
            position = agreed(still[partition], bounds, taken[partition])
        except JournalGone as error:
            told[partition] = str(error)
        else:
            if position.at >= bounds.low:
                last[partition] = position
    return told | asyncio.run(_replaced(settings, journal.topic, last))


def agreed(commit: Commit | None, bounds: Bounds, inserted: int) -> Position:
    """The position that a sink begins at.

    Raises:
        JournalGone
    """
    position = None if commit is None else ranges.position(*commit)
    ranges.first_offset(position or START, *bounds)
    ranges.agree(position, inserted)
    return position or START


async def _replaced(settings: Settings, topic: str, last: Mapping[int, Position]) -> dict[int, str]:
    """Partitions whose last inserted record is another one in the journal now."""
    told: dict[int, str] = {}
    reader = KafkaReader(aiokafka_client(settings), settings.topics.journal_message_bytes)
    async with reader.session() as session:
        for partition, position in last.items():
            found = session.read(Place(topic, partition), position.at, position.at + 1)
            (entry,) = [entry async for entries in found for entry in entries]
            try:
                Lane(partition, position, position.at, _ALONE).take(*entry, 0.0)
            except JournalGone as error:
                told[partition] = str(error)
    return told
