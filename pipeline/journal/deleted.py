"""Which topics a journal has ever read: one of them that is not there was deleted, and none made anew is the same."""

from __future__ import annotations

from collections.abc import Collection
from time import monotonic

from pipeline.core.record import NotARecord, UnknownFormat, decode
from pipeline.journal.ports import Entry, Place, Session


async def ever_read(session: Session, places: Collection[Place], topics: Collection[str], seconds: float) -> set[str]:
    """Those of the topics (unprefixed) that the journal's records name as read.

    It ends as soon as it knows of all. What is not known after `seconds` counts as read: nobody can say that it
    was not. A rival's record counts too: its writer has read the topic.
    """
    unknown, deadline = set(topics), monotonic() + seconds
    for place, held in (await session.bounds(places)).items():
        async for entries in session.read(place, held.first, held.next):
            unknown -= _named(entries)
            if not unknown or monotonic() > deadline:
                return set(topics)
    return set(topics) - unknown


def _named(entries: list[Entry]) -> set[str]:
    found: set[str] = set()
    for entry in entries:
        try:
            record = decode(entry.value or b"")[1]
        except (NotARecord, UnknownFormat):
            continue
        found.update(source.topic for source in record.sources)
    return found
