"""What the beginning of a journal says of it: under how many partitions it began."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.core.record import NotARecord, UnknownFormat, decode
from pipeline.journal.ports import Place, Session


async def began_with(session: Session, places: Collection[Place]) -> int:
    """The number of partitions that the first record says of the first partition that has one; 0: there is none."""
    for place, held in (await session.bounds(places)).items():
        if held.next == held.first:
            continue
        async for entries in session.read(place, held.first, held.first + 1):
            said = _partitions(entries[0].value)
            if said:
                return said
    return 0


def _partitions(value: bytes | None) -> int:
    try:
        return decode(value or b"")[1].partitions
    except (NotARecord, UnknownFormat):
        return 0
