"""The sink: journal records of the partitions that the group gives it, in ranges, into ClickHouse, exactly once.

For every range: commit the intent (which fixes it), insert table by table under the range's token, go on. A crash
anywhere leads to the same range and the same tokens again; what had arrived is absorbed. The argument stands in
`docs/decisions/sink-intents.md`, what breaks it in `docs/risks.md`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from connectors.clickhouse import migrations, rows, source, statements
from connectors.clickhouse.ranges import MEND, START, JournalGone, Lane, Limits, Position, Range, agree, first_offset
from connectors.clickhouse.service import Service, Unavailable
from connectors.clickhouse.settings import (
    FENCE_SECONDS,
    PENDING_BYTES_MAX,
    RECOVERING_MAX,
    REMIND_SECONDS,
)
from connectors.group import End, Entry, Gone, Member
from connectors.kafka_faults import KafkaAway, NoTopic, PartitionLost
from connectors.trouble import GaveUp, Trouble
from pipeline import metrics
from pipeline.core.record import UnknownFormat
from pipeline.failpoints import Failpoint, reached
from pipeline.settings_sources import env_name
from pipeline.telemetry.inserted import Inserted
from pipeline.topics import JOURNAL

_LOG = logging.getLogger("tally.sink")
CAUGHT_UP_MAX = 1_000  # records taken between two inserts; fewer where they fill a range
POLL_SECONDS = 0.1  # how long a stop, or a range that lingers, may wait for a record that does not come


class RowsLost(Exception):
    """ClickHouse took fewer rows than it was sent.

    What it says that it has written counts the rows of the table's views too. Still nothing that was cut on its way
    hides behind them: an insert is one Arrow batch, which is read whole, refused, or not there; then it writes nothing.
    """


# What ends a sink with a message of its own; anything else is a fault of the program.
FATAL = (GaveUp, migrations.MigrationRefused, NoTopic, RowsLost, rows.UnreadableRows, UnknownFormat)


class Sink:
    """One sink process. Everything happens in the thread that calls `run`."""

    def __init__(self, group: Member, service: Service, limits: Limits) -> None:
        self._group = group
        self._service = service
        self._limits = limits
        self._lanes: dict[int, Lane] = {}
        self._refused: dict[int, str] = {}
        self._owed: set[int] = set()  # partitions whose last range is complete and not committed as such
        self._fixed_at: dict[int, float] = {}
        self._rebalances = 0
        self._kafka = Trouble("Kafka", env_name("kafka.bootstrap_servers"), "sink")
        self._clickhouse = Trouble("ClickHouse", env_name("clickhouse.url"), "sink")
        self._reminded = 0.0
        self._measured = 0.0
        self._inserted = Inserted()
        self.rows = 0  # inserted so far

    @property
    def positions(self) -> Mapping[int, Position]:
        """How far the partitions that are read have come."""
        return {partition: lane.committed for partition, lane in self._lanes.items()}

    @property
    def refused(self) -> Mapping[int, str]:
        """The partitions that are not read, and why."""
        return self._refused

    def run(self, stop: threading.Event, watch: Callable[[], None] = lambda: None) -> None:
        """Until `stop` is set; the range at hand is completed. `watch` is called again and again, and may set it.

        Raises:
            GaveUp: ClickHouse or Kafka was away for too long.
            MigrationRefused, Refused, NoTopic: it cannot work as it is set up; the message says how to mend it.
            RowsLost, UnreadableRows, UnknownFormat: it must not go on.
        """
        if not self._clickhouse.wait(stop, lambda: migrations.require(self._service), Unavailable):
            return
        if not self._kafka.wait(stop, self._group.open, KafkaAway):
            return
        _LOG.info("reading the journal from Kafka at %s into %s", self._group.address, self._service.target.address)
        try:
            while not stop.is_set():
                self._step()
                self._measure(time.monotonic())
                watch()
            reached(Failpoint.SINK_STOPPING)
            self._settle(leaving=True)
            reached(Failpoint.SINK_STOPPED)
        finally:
            self._group.close()

    def _step(self) -> None:
        try:
            found = self._group.poll(POLL_SECONDS, 1)  # one alone: more would not be counted as waiting
            self._forget_what_is_gone()
            for entry in found:
                self._take(entry)
            now = time.monotonic()
            if self._kafka.may_try(now) and self._clickhouse.may_try(now):
                self._begin()
                self._advance_all(self._due(now))
                self._settle()
        except KafkaAway as error:
            self._kafka.met(error, time.monotonic())
        except Unavailable as error:
            metrics.SINK_ERRORS.inc()
            if not self._clickhouse.lasts:
                self._group.pause(JOURNAL, self._lanes)
            self._clickhouse.met(error, time.monotonic())
        except PartitionLost as error:
            _LOG.info("the group has moved on (%s): forgetting what was not inserted", error)
            self._lanes.clear()
            self._owed.clear()

    def _advance_all(self, due: list[Lane]) -> None:
        for lane in due:
            if self._lanes.get(lane.partition) is lane:  # else it is gone since
                self._advance(lane)
                self._catch_up()

    def _catch_up(self) -> None:
        """Take what came during an insert: a record lingers from when it is taken, so not behind all other inserts."""
        for _ in range(CAUGHT_UP_MAX):
            if any(lane.is_full for lane in self._lanes.values()):
                return
            found = self._group.poll(0.0, 1)
            self._forget_what_is_gone()
            for entry in found:
                self._take(entry)
            if not found:
                return

    def _forget_what_is_gone(self) -> None:
        """A rebalance took all partitions away; those that came back begin anew."""
        if self._rebalances == self._group.rebalances:
            return
        self._rebalances = self._group.rebalances
        self._lanes.clear()
        self._owed.clear()
        self._refused.clear()
        self._inserted.forget()
        _LOG.info("partitions now: %s", ", ".join(map(str, sorted(self._group.assigned))) or "none")

    def _begin(self) -> None:
        """Start reading partitions that are new here, as many at once as fit into memory."""
        new = sorted(self._group.assigned - self._lanes.keys() - self._refused.keys())
        free = RECOVERING_MAX - sum(lane.recovering for lane in self._lanes.values())
        if not new or free <= 0:
            return
        for partition in new[:free]:
            try:
                self._lanes[partition] = self._lane(partition)
                self._inserted.begin(partition)
            except JournalGone as error:
                self._refuse(partition, str(error))
        reached(Failpoint.SINK_BEFORE_FIRST_READ)
        self._read()
        self._group.resume(JOURNAL, self._lanes)  # a pause outlives the assignment that it was made under
        self._kafka.over(time.monotonic())
        self._clickhouse.over(time.monotonic())

    def _lane(self, partition: int) -> Lane:
        begin = source.begin(self._group, partition)
        position = begin.committed or START
        target = self._service.target
        (inserted,) = self._service.query(statements.taken_in(target), {"partition": partition}).rows[0]
        first = first_offset(position, begin.low, begin.high)
        agree(begin.committed, inserted)
        return Lane(partition, position, first, self._limits)

    def _read(self) -> None:
        self._group.read({(JOURNAL, p): lane.next for p, lane in self._lanes.items()})

    def _take(self, entry: Entry | End | Gone) -> None:
        self._kafka.over(time.monotonic())
        lane = self._lanes.get(entry.partition)
        if lane is None or isinstance(entry, End):
            return
        if isinstance(entry, Gone):
            self._refuse(entry.partition, f"{entry.why}. {MEND}")
            return
        try:
            lane.take(entry.offset, entry.value, time.monotonic())
        except JournalGone as error:
            self._refuse(entry.partition, str(error))
            return
        if entry.offset >= lane.committed.offset:
            self._inserted.take(entry.partition, entry.offset, entry.at)
        elif entry.offset == lane.committed.at:
            self._inserted.find(entry.partition, entry.value)

    def _due(self, now: float) -> list[Lane]:
        due = [lane for lane in self._lanes.values() if lane.due(now)]
        if due or sum(lane.size for lane in self._lanes.values()) < PENDING_BYTES_MAX:
            return due
        free = [lane for lane in self._lanes.values() if not lane.recovering]
        return sorted(free, key=lambda lane: lane.size)[-1:]

    def _advance(self, lane: Lane) -> None:
        """Insert one range of a partition and forget it."""
        range_ = lane.cut(time.monotonic())
        if range_.decided:
            reached(Failpoint.SINK_BEFORE_INTENT)
            self._commit(lane.partition, range_.intent)
            reached(Failpoint.SINK_AFTER_INTENT)
            for table, content in rows.translate(lane.partition, range_.decided).items():
                if time.monotonic() - self._fixed_at[lane.partition] > FENCE_SECONDS:
                    self._commit(lane.partition, range_.intent)
                is_last = table == rows.INTAKE
                if is_last:
                    reached(Failpoint.SINK_BEFORE_INTAKE)
                self._insert(lane.partition, range_, table, content)
                if not is_last:
                    reached(Failpoint.SINK_BETWEEN_TABLES)
            reached(Failpoint.SINK_AFTER_INSERTS)
            metrics.SINK_LAST_SUCCESS_TIMESTAMP_SECONDS.set_to_current_time()
            if self._clickhouse.lasts:
                self._group.resume(JOURNAL, self._lanes)
            self._clickhouse.over(time.monotonic())
        if range_.ignored:
            metrics.JOURNAL_IGNORED_RECORDS.inc(range_.ignored)
        lane.finish()
        until = range_.decided[-1].record.stream_time if range_.decided else None
        self._inserted.complete(lane.partition, lane.committed.offset, until)
        self._owed.add(lane.partition)

    def _insert(self, partition: int, range_: Range, table: str, content: rows.Content) -> None:
        assert range_.intent.end is not None, "a range has an end"
        token = statements.token(partition, range_.intent.offset, range_.intent.end - 1)
        with metrics.SINK_INSERT_SECONDS.time():
            written = self._service.insert(table, content.columns, content.stream, token)
        if written < content.rows:
            raise RowsLost(
                f"ClickHouse took {written} of {content.rows} rows of {table} ({token}). The journal has them: look for"
                " a proxy that cuts requests, then run `tally rebuild clickhouse`"
            )
        metrics.SINK_INSERTS.inc()
        metrics.SINK_ROWS.labels(table).inc(content.rows)
        self.rows += content.rows

    def _settle(self, leaving: bool = False) -> None:
        """Commit what is complete, where no next intent will say so at once."""
        now = time.monotonic()
        for partition in [p for p in self._owed if leaving or not self._lanes[p].due(now)]:
            reached(Failpoint.SINK_BEFORE_COMMIT)
            self._commit(partition, self._lanes[partition].committed)
            reached(Failpoint.SINK_AFTER_COMMIT)

    def _commit(self, partition: int, position: Position) -> None:
        source.commit(self._group, partition, position)
        self._owed.discard(partition)
        self._fixed_at[partition] = time.monotonic()
        self._kafka.over(time.monotonic())

    def _refuse(self, partition: int, why: str) -> None:
        self._lanes.pop(partition, None)
        self._owed.discard(partition)
        self._refused[partition] = why
        self._inserted.refuse(partition)
        self._read()
        self._reminded = time.monotonic()
        _LOG.error("journal partition %d is refused: %s", partition, why)

    def _measure(self, now: float) -> None:
        if now - self._measured < 1.0:
            return
        self._measured = now
        for partition, lane in self._lanes.items():
            high = self._group.high(JOURNAL, partition)
            self._inserted.measure(partition, max(0, high - lane.committed.offset))
        if self._refused and now - self._reminded >= REMIND_SECONDS:
            self._reminded = now
            for partition, why in sorted(self._refused.items()):
                _LOG.error("journal partition %d is still refused: %s", partition, why)
