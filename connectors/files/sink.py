"""One file's rows into the source topics, counted; how far it has come is kept behind Kafka's acknowledgement.

A row of which Kafka has not acknowledged everything is sent again by the next run: its events are the same events.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from connectors.collect.rows import Translated
from connectors.files.positions import Position
from connectors.files.rows import Reader, Rows
from connectors.files.settings import CHECKPOINT_SECONDS, FAULTS_KEPT_MAX
from connectors.files.source import Unreadable
from connectors.files.tables import Row
from connectors.producer.service import Sender
from pipeline.core.window import DAY_US, MINUTE_US
from pipeline.settings_tree import Rules


class Fault(NamedTuple):
    """Why a row, or an item of it, is no event."""

    line: int
    reason: str
    detail: str


@dataclass
class Span:
    """Events on one side of the acceptance window: their number, and their first and last instant."""

    events: int = 0
    first: int | None = None  # UTC microseconds
    last: int | None = None

    def add(self, at: int) -> None:
        """One more."""
        self.events += 1
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)


@dataclass
class Tally:
    """What has become of a file's rows so far. `too_late` and `in_the_future` are estimates: they are sent."""

    rows: int = 0
    skipped: int = 0  # acknowledged in an earlier run
    types: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    too_late: Span = field(default_factory=Span)
    in_the_future: Span = field(default_factory=Span)

    @property
    def refused(self) -> int:
        """Items that are no events."""
        return self.reasons.total()


class Window(NamedTuple):
    """The acceptance window as it is now, UTC microseconds."""

    begins: int
    ends: int


def window(rules: Rules, now: int) -> Window:
    """The window about `now`; the worker's own depends on the stream's time."""
    return Window(now - rules.window_days * DAY_US, now + rules.future_minutes_max * MINUTE_US)


class Import:
    """A file on its way. Without a sender nothing is sent, without a position nothing is remembered."""

    def __init__(self, reader: Reader, bounds: Window, sender: Sender | None, position: Position | None) -> None:
        self._reader, self._window, self._sender = reader, bounds, sender
        self._position = None if sender is None else position
        self.tally = Tally(skipped=0 if self._position is None else self._position.rows())

    def run(self, found: Rows, follow: Callable[[], None] = lambda: None) -> None:
        """All rows, in their order; `follow` is called behind each.

        Raises:
            Unreadable: the file is broken here; the rows before are acknowledged.
            Undelivered: Kafka did not take some of what was sent since the last checkpoint.
            OSError: the state file cannot be written.
        """
        tally, saved_at = self.tally, time.monotonic()
        try:
            for row in found.rows:
                tally.rows += 1
                if tally.rows > tally.skipped:
                    self._take(row)
                if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                    self._save()
                    saved_at = time.monotonic()
                follow()
        except Unreadable:
            self._save()
            raise
        self._save()
        if self._position is not None:
            self._position.forget()

    def _take(self, row: Row) -> None:
        for one in self._reader.messages(row, time.time_ns() // 1_000):
            self._count(row, one)
            if self._sender is not None:
                self._sender.send(*one.message)

    def _count(self, row: Row, one: Translated) -> None:
        tally = self.tally
        if one.refusal is not None:
            tally.reasons[one.refusal.reason.value] += 1
            if len(tally.faults) < FAULTS_KEPT_MAX:
                tally.faults.append(Fault(row.line, one.refusal.reason.value, one.refusal.detail))
        elif one.event is not None:
            fields = one.event.fields
            tally.types[fields["type"]] += 1
            if fields["occurred_at"] < self._window.begins:
                tally.too_late.add(fields["occurred_at"])
            elif fields["occurred_at"] > self._window.ends:
                tally.in_the_future.add(fields["occurred_at"])

    def _save(self) -> None:
        """Wait for Kafka, then remember how far all has come."""
        if self._sender is None:
            return
        self._sender.settle()
        if self._position is not None and self.tally.rows > self.tally.skipped:
            self._position.save(self.tally.rows)
