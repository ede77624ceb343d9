"""The rebuild: the whole journal into fresh tables beside the live ones, which are then exchanged.

It is a sink with a database and a group of its own, so a rebuild that was killed goes on where it stopped, and is
exact. The live tables and their sinks go on meanwhile; the exchange alone needs the sinks' group to be empty.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from connectors.clickhouse import migrations, ranges, rebuild_groups, recount
from connectors.clickhouse import rebuild_statements as sql
from connectors.clickhouse.ranges import START, Limits, Position
from connectors.clickhouse.rebuild_exchange import Exchange, RebuildRefused, positions, tables
from connectors.clickhouse.rebuild_group import Bounds, Group, GroupTaken, Journal
from connectors.clickhouse.rebuild_plan import Plan, goes_on, refuse_headless
from connectors.clickhouse.recount import Difference
from connectors.clickhouse.service import Refused, Service
from connectors.clickhouse.settings import INSERT_SECONDS_MAX, QUERY_SECONDS_MAX, RANGE_BYTES_MAX, target
from connectors.clickhouse.sink import Sink
from connectors.clickhouse.source import member
from pipeline.settings import Settings

WATCH_SECONDS = 0.05  # between two looks at how far the projection is
UNAUDITED_SHARE_MAX = 0.1  # of the journal records that were audited: when more came since, the audit is repeated
_NAME = "rebuild"  # of the member of its group: started again, it has the partitions at once
_ALREADY_EXISTS = 82  # ClickHouse's code: of a database
_BEGUN, _AUDITED = "begun", "audited"  # notes

Tell = Callable[[Callable[[], str]], None]
Audit = Callable[[Settings, Service], bool]


class End(StrEnum):
    """How a rebuild ended."""

    EXCHANGED = "exchanged"  # the fresh tables are the live ones
    WAITS = "waits"  # they are ready, but somebody is in the sinks' group
    DIFFERENT = "different"  # they are not what the journal says; nothing was exchanged
    FINISHED = "finished"  # by another process, while this one was at it
    TAKEN = "taken"  # another process is at it, or at one that began before


@dataclass(slots=True)
class Progress:
    """How far the projection is, in journal records; `begun`: at which it was when this process began."""

    total: int
    begun: int
    done: int = 0
    rows: int = 0
    since: float = field(default_factory=time.monotonic)

    def text(self, now: float) -> str:
        """One line."""
        seconds = max(1e-3, now - self.since)
        told = f"{self.done:,} of {self.total:,} journal records, {self.rows:,} rows, {self.rows / seconds:,.0f} rows/s"
        own = self.done - self.begun
        if own <= 0:
            return told
        return f"{told}, {timedelta(seconds=round(seconds * (self.total - self.done) / own))} left"


class _Yielded(Exception):
    """Another one began at the same moment, and goes on."""


class Rebuild:
    """One rebuild at work. Close it, or use it as a context."""

    def __init__(self, settings: Settings, found: Plan, tell: Tell) -> None:
        self._at, self.names, self.rows, self.differences = found.at, found.at.names, 0, list[Difference]()
        self.begun = False  # whether tables are being exchanged: sinks refuse to work until that is finished
        self.is_there = found.resumed  # whether there is something to go on with
        self._exchange: Exchange | None = None
        self._settings, self._partitions, self._tell = settings, len(found.bounds), tell
        sink = settings.sink.model_copy(update={"group_id": self.names.group, "name": _NAME})
        clickhouse = settings.clickhouse.model_copy(update={"database": found.at.place})
        self._own_settings = settings.model_copy(update={"sink": sink, "clickhouse": clickhouse})
        live = target(settings)
        self._live = Service(live, QUERY_SECONDS_MAX)
        self._fresh = Service(replace(live, database=found.at.place), QUERY_SECONDS_MAX)
        self._journal = Journal(settings)
        self._own, self._sinks = Group(settings, self.names.group), Group(settings, settings.sink.group_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._live.close()
        self._fresh.close()

    def run(self, audit: Audit) -> End:
        """All of it, or what is left of it. `audit` says whether the tables are what the journal says.

        Raises:
            RebuildRefused, KafkaAway, NoTopic, JournalGone, Unavailable, Refused, and the sink's FATAL
        """
        try:
            exchange = self._exchange = self.prepare()
        except _Yielded:
            return End.TAKEN
        self.begun = exchange.begun(self._partitions)
        try:
            if not self.begun:
                self.catch_up()
                if not self._agrees(audit):
                    return End.DIFFERENT
                if self.members():
                    return End.WAITS
                self.catch_up()
            for step in exchange.steps(self._partitions):
                step()
        except GroupTaken:
            self.begun = exchange.begun(self._partitions)
            return End.WAITS
        return End.EXCHANGED

    def prepare(self) -> Exchange:
        """The fresh tables, empty, and a note of which they are. Running it again is harmless.

        Raises:
            RebuildRefused: it was begun for another journal or group, or its tables are gone.
            _Yielded: another one that began at the same moment goes on; what was made here is dropped again.
        """
        about = {"journal": self._journal.topic, "group": self._sinks.name}
        said = self._notes(_BEGUN)
        if not said:
            self._begin()
            migrations.apply(self._fresh, migrations.find(self._fresh))
            self._fresh.command(sql.create_notes(self._fresh.target))
            said = [{**about, "tables": tables(self._fresh, self._at.place).uuids}]
            self._note(_BEGUN, said[0])
            if not goes_on(self._live, self._at.place):
                self._fresh.command(sql.drop(self._live.target, self._at.place))
                raise _Yielded
        if other := [f"{name} {said[0][name]}" for name in about if said[0][name] != about[name]]:
            raise RebuildRefused(
                f"the rebuild into {self.names.fresh} was begun with other settings ({', '.join(other)}): set them"
                " again, or begin anew with --anew"
            )
        return Exchange(self._live, self._at, (self._own, self._sinks), said[0]["tables"])

    def _begin(self) -> None:
        """The fresh tables' database is there, and is this rebuild's; else RebuildRefused, _Yielded."""
        if self.is_there:
            if self._at.place not in self._databases():
                raise RebuildRefused(f"database {self._at.place} is gone")
            return
        try:
            self._live.command(sql.create(self._live.target, self._at.place))
        except Refused as error:
            if error.code == _ALREADY_EXISTS:  # another one that began within the same second has made it
                raise _Yielded from None
            raise
        self.is_there = True

    def overtaken(self) -> End | None:
        """Whether a fault came of another process that does the same: FINISHED or TAKEN; None: it did not.

        Raises:
            KafkaAway, Unavailable, Refused
        """
        names, exchange = self._databases(), self._exchange
        if (self._at.place if exchange is None else exchange.place) in names:
            return None
        going_on = sql.begun(self._live.target.database, names)
        if any(sql.names(self._live.target.database, "", stamp).fresh == self.names.fresh for _, stamp in going_on):
            return End.TAKEN
        is_done = self.names.former in names or (exchange is not None and exchange.is_exchanged())
        if is_done and not (exchange is not None and exchange.is_fenced(self._partitions)):
            return End.FINISHED
        return End.TAKEN if going_on else None

    def delete_groups(self) -> list[str]:
        """Delete the consumer groups of rebuilds that are over, this one's too; returns what is left, and why.

        Raises:
            Unavailable, Refused
        """
        return rebuild_groups.delete_over(self._settings, self._live, self.names.group, _NAME)

    def catch_up(self) -> None:
        """Project the journal up to where it ends now.

        Raises:
            RebuildRefused: the journal is not the one that the rebuild began with.
        """
        bounds = self._journal.bounds()
        refuse_headless(bounds)
        before = positions(self._own, self._partitions)
        if all(_is_at(before[p], b) for p, b in bounds.items()):
            return
        service = Service(self._fresh.target, INSERT_SECONDS_MAX)
        limits = Limits(self._settings.sink.rows, RANGE_BYTES_MAX, self._settings.sink.linger_ms / 1000)
        sink = Sink(member(self._own_settings), service, limits)
        try:
            watch = _Watch(sink, bounds, before, self._tell)
            sink.run(watch.stop, watch.look)
        finally:
            service.close()
            self.rows += sink.rows
        for partition, why in sorted(sink.refused.items()):
            mend = f"It is not the journal that {self.names.fresh} was filled from: begin again with --anew"
            raise RebuildRefused(f"journal partition {partition}: {why.replace(ranges.MEND, mend)}")

    def discard(self) -> None:
        """Drop the fresh tables, so that another rebuild can begin.

        Raises:
            RebuildRefused: it has begun to exchange tables.
        """
        if self._notes(_BEGUN) and self.prepare().begun(self._partitions):
            raise RebuildRefused(
                f"the rebuild into {self.names.fresh} has begun to exchange tables: finish it, without --anew"
            )
        self._fresh.command(sql.drop(self._live.target, self._at.place))

    @property
    def dropping(self) -> str:
        """The statement that drops the tables that were live before."""
        return sql.drop(self._live.target, self.names.former)

    def drop_former(self) -> None:
        """Run it.

        Raises:
            Unavailable, Refused
        """
        self._live.command(self.dropping)

    def members(self) -> list[str]:
        """Who is in the sinks' group now."""
        return self._journal.members(self._sinks.name)

    def offsets(self) -> dict[int, int]:
        """Up to where the journal is in the fresh tables, by partition."""
        return {p: at.offset for p, at in positions(self._own, self._partitions).items()}

    def _agrees(self, audit: Audit) -> bool:
        """Whether the fresh tables are right: by the audit, or by their sums where an audit agreed before."""
        now = sum(self.offsets().values())
        if audited := self._notes(_AUDITED):
            before = int(audited[-1]["records"])
            if now - before <= before * UNAUDITED_SHARE_MAX:
                self.differences = recount.conserved(self._fresh)
                return not self.differences
        if not audit(self._own_settings, self._fresh):
            return False
        self._note(_AUDITED, {"records": now})
        return True

    def _databases(self) -> set[str]:
        return {str(name) for name, _ in self._live.query(sql.databases()).rows}

    def _note(self, step: str, detail: Mapping[str, Any]) -> None:
        self._fresh.command(sql.write_note(self._fresh.target), {"step": step, "detail": json.dumps(detail)})

    def _notes(self, step: str) -> list[dict[str, Any]]:
        """The notes of a step, in their order."""
        if not self._live.query(sql.has_notes(), {"database": self._at.place}).rows[0][0]:
            return []
        return [json.loads(row[0]) for row in self._fresh.query(sql.notes(self._fresh.target), {"step": step}).rows]


class _Watch:
    """Follows a projection and stops it where the journal ended when it began, or where a partition is refused."""

    def __init__(self, sink: Sink, bounds: Mapping[int, Bounds], before: Mapping[int, Position], tell: Tell) -> None:
        self.stop = threading.Event()
        self._sink, self._bounds, self._at, self._tell = sink, bounds, dict(before), tell
        self._progress = Progress(sum(b.high for b in bounds.values()), sum(at.offset for at in before.values()))
        self._looked = 0.0

    def look(self) -> None:
        """Called between any two steps of the sink."""
        now = time.monotonic()
        if now - self._looked < WATCH_SECONDS:
            return
        self._looked = now
        self._at.update(self._sink.positions)
        progress = self._progress
        progress.done = sum(min(self._at.get(p, START).offset, b.high) for p, b in self._bounds.items())
        progress.rows = self._sink.rows
        self._tell(lambda: progress.text(now))
        if self._sink.refused or all(_is_at(self._at[p], b) for p, b in self._bounds.items()):
            self.stop.set()


def _is_at(position: Position, bounds: Bounds) -> bool:
    """Whether everything before a journal's end is inserted, and nothing is open."""
    return position.end is None and position.offset >= bounds.high
