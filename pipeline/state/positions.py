"""Where reading goes on: the journal's positions, checked against what the topics hold. Never a silent skip."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import NamedTuple

from pipeline.journal.ports import Bounds
from pipeline.refusal import Refused

log = logging.getLogger(__name__)


class Lost(NamedTuple):
    """A journal that was longer: up to which offset, and who says so."""

    next_offset: int
    witness: str


def resume(
    partition: int,
    topics: Collection[str],
    positions: Mapping[str, int],
    bounds: Mapping[str, Bounds],
    lost: Lost | None = None,
) -> dict[str, int]:
    """The offset to read each topic from.

    A topic that the journal does not know yet is read from its beginning; if that is gone already, only an empty
    journal begins behind it, and says so; not where it is known to have been there before (`lost`).

    Raises:
        Refused: a position lies outside its topic, or a journal that is empty now had read what is gone.
    """
    wanted = {topic: positions.get(topic, 0 if positions else bounds[topic].first) for topic in sorted(topics)}
    faults = [
        _fault(topic, offset, bounds[topic])
        for topic, offset in wanted.items()
        if not bounds[topic].first <= offset <= bounds[topic].next
    ]
    if faults:
        raise Refused(
            f"{'; '.join(faults)}. Nothing was skipped. Restore the topics as they were; or, to give these events up, "
            "begin anew with another TALLY_TOPICS__PREFIX or with topics and journal recreated"
        )
    begun = {} if positions else {topic: offset for topic, offset in wanted.items() if offset}
    if begun and lost is not None:
        told = ", ".join(f"{topic} begins at offset {offset}" for topic, offset in begun.items())
        raise Refused(
            f"the journal's partition {partition} is empty, but {lost.witness} says that it went up to offset "
            f"{lost.next_offset - 1}: it was made anew or lost its records. {told}: what was before could not be "
            "counted again, so all that it had said would be gone. Nothing was skipped. Restore the journal; or, to "
            "give up what it said, begin anew under another TALLY_TOPICS__PREFIX, or delete the worker's state_dir "
            "(`tally settings`) and start it again"
        )
    for topic, offset in begun.items():
        text = "partition %s: the journal is empty, and %s begins at offset %s: what was before is not counted"
        log.warning(text, partition, topic, offset)
    return wanted


def _fault(topic: str, position: int, bounds: Bounds) -> str:
    held = f"holds {bounds.first} to {bounds.next - 1}" if bounds.next > bounds.first else f"is empty at {bounds.next}"
    why = "it was recreated or truncated"
    if position < bounds.first:
        why = "events were deleted before they were read, or it was recreated"
    return f"{topic} {held}, but the journal goes on at offset {position}: {why}"
