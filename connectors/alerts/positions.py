"""How far the projection of a journal partition has come, and which record comes next. Pure.

In:   what the group's commit says, the last alert that the output has, the journal's records in the order of their
      offsets.
Out:  the alerts of the valid ones.
The output is the truth: a commit that does not agree with it on the last alert is not believed, whoever lost or moved
it, and the journal is read again from the output's last alert on. So nothing is there twice and nothing is left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import NamedTuple

from connectors.alerts.rows import Decided, Projected, projected
from connectors.alerts.settings import IGNORED_RUN_MAX
from pipeline.core.record import Link, NotARecord, decode, read_link
from pipeline.journal import chain

NOWHERE = -1  # the offset of no record


class JournalGone(Exception):
    """The journal is not the one that was projected so far; the message says how to mend it."""


class Position(NamedTuple):
    """Everything before `offset` is projected."""

    offset: int
    id: int  # of the last valid record before `offset`; 0: none
    at: int  # its offset
    alert: int  # the offset of the last journal record whose alerts were projected


START = Position(0, chain.FIRST, NOWHERE, NOWHERE)


def metadata(position: Position) -> str:
    """A position as the metadata of an offset commit."""
    return json.dumps({"id": f"{position.id:016x}", "at": position.at, "alert": position.alert})


def parsed(offset: int, text: str | None) -> Position | None:
    """The position that an offset commit says; None where it is somebody else's commit."""
    try:
        said = json.loads(text or "")
        return Position(offset, int(said["id"], 16), int(said["at"]), int(said["alert"]))
    except (ValueError, KeyError, TypeError):
        return None


def begin(committed: Position | None, last: Projected | None) -> Position:
    """Where to go on: what is committed if the output's last alert is the one that it names, else behind that alert."""
    there = NOWHERE if last is None else last.journal_offset
    if committed is not None and committed.alert == there:
        return committed
    return START if last is None else Position(there + 1, int(last.journal_record, 16), there, there)


def first_offset(position: Position, low: int, high: int, mend: str) -> int:
    """Where to begin reading: at the last valid record that was projected, to see that it is still there.

    Raises:
        JournalGone: records that were projected, or are still to be, are no longer there.
    """
    if high < position.offset:
        raise JournalGone(
            f"the journal ends at offset {high}, but records up to {position.offset} were projected from it: it was"
            f" truncated or replaced. {mend}"
        )
    if low > position.offset:
        raise JournalGone(
            f"the journal begins at offset {low}, but alerts from {position.offset} on are not projected: records were"
            " deleted before. Restore the journal, from a replica or a backup"
        )
    return position.at if position.at >= low else position.offset


@dataclass(slots=True)
class Lane:
    """One journal partition. `position` is what was taken, `saved` what a commit says, `next` the offset to come."""

    partition: int
    saved: Position
    next: int
    mend: str  # what to do about another journal
    since: float = 0.0  # of the last commit
    position: Position = field(init=False)
    _ignored_run: int = 0

    def __post_init__(self) -> None:
        self.position = self.saved

    def take(self, offset: int, value: bytes | None, at: int) -> list[Projected]:
        """The alerts of the partition's next record, which the journal got `at`.

        Raises:
            JournalGone: it is not the next one, or the last valid record is another one now.
            UnknownFormat: a valid record that this program cannot read.
        """
        if offset != self.next:
            raise JournalGone(
                f"after offset {self.next - 1} comes {offset}: records were deleted. Restore the journal, from a"
                " replica or a backup"
            )
        self.next += 1
        link, last = _link(value), self.position
        if offset < last.offset:
            if offset == last.at and (link is None or link.id != last.id):
                raise JournalGone(
                    f"offset {offset} holds another record than the one that was projected (id {last.id:016x}): the"
                    f" journal was truncated or replaced. {self.mend}"
                )
            return []
        if value is None or link is None or not chain.extends(link, last.id):
            self._ignore(offset)
            return []
        self._ignored_run = 0
        alerts = decode(value)[1].alerts
        self.position = Position(offset + 1, link.id, offset, offset if alerts else last.alert)
        return [projected(alert, Decided(self.partition, offset, link.id, at)) for alert in alerts]

    def _ignore(self, offset: int) -> None:
        self._ignored_run += 1
        if self._ignored_run > IGNORED_RUN_MAX:
            raise JournalGone(
                f"the {self._ignored_run} records up to offset {offset} do not follow the last one that was projected"
                f" (id {self.position.id:016x}): the journal was truncated or replaced. {self.mend}"
            )
        self.position = self.position._replace(offset=offset + 1)


def _link(value: bytes | None) -> Link | None:
    """The place in the chain; None where something else wrote to the topic: it is ignored like a rival's record."""
    try:
        return read_link(value or b"")
    except NotARecord:
        return None
