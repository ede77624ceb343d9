"""The projection: the journal's alerts of the partitions that the group gives it, into the alerts' topic, exactly once.

Alerts and the position behind them are one transaction. Where a partition begins, the output's own last record is
looked at, once no transaction is open there: it says how far the projection has come, whatever the group has
forgotten. The argument stands in `docs/decisions/alerts-topic.md`.
"""

from __future__ import annotations

import logging
import threading
import time

from connectors.alerts import positions, rows
from connectors.alerts.positions import JournalGone, Lane
from connectors.alerts.service import Log, Row, Transactions
from connectors.alerts.settings import BEGIN_MAX, COMMIT_SECONDS, REMIND_SECONDS, TRANSACTION_ALERTS
from connectors.group import Commit, End, Entry, Gone, Member, Reading
from connectors.kafka_faults import KafkaAway, NoTopic, PartitionLost
from connectors.trouble import GaveUp, Trouble
from pipeline import metrics
from pipeline.core.record import UnknownFormat
from pipeline.failpoints import Failpoint, reached
from pipeline.settings import Settings
from pipeline.settings_sources import env_name
from pipeline.topics import ALERTS, JOURNAL, RECEIPTS, physical

_LOG = logging.getLogger("tally.notify")
POLL_SECONDS = 0.1  # how long a stop may wait for a record that does not come

# What ends it with a message of its own; anything else is a fault of the program.
FATAL = (GaveUp, NoTopic, UnknownFormat, rows.NoAlert)


class Projection:
    """One process's part. Everything happens in the thread that calls `run`."""

    def __init__(self, settings: Settings, schema_id: int) -> None:
        """`schema_id`: of `alert.v1.avsc`."""
        group, prefix = settings.notify.group_id, settings.topics.prefix
        self._group = Member(settings, Reading("notify", group, prefix, JOURNAL, required=(ALERTS, RECEIPTS)))
        self._log = Log(settings)
        self._transactions = Transactions(settings, group, lambda: reached(Failpoint.NOTIFY_ALERTS_SENT))
        self._schema_id = schema_id
        self._mend = (
            "To begin anew with this journal, which sends its alerts again: stop all `tally notify`, delete the topics"
            f" {physical(prefix, ALERTS)} and {physical(prefix, RECEIPTS)} and the groups {group} and {group}-webhook,"
            " then `tally topics apply`"
        )
        self._prefix = prefix
        self._lanes: dict[int, Lane] = {}
        self._refused: dict[int, str] = {}
        self._rebalances = 0
        self._kafka = Trouble(f"Kafka at {self._group.address}", env_name("kafka.bootstrap_servers"), "notify")
        self._reminded = self._measured = 0.0

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set.

        Raises:
            GaveUp: Kafka was away for too long.
            NoTopic, UnknownFormat, NoAlert: it cannot go on as things are; the message says how to mend it.
        """
        if not self._kafka.wait(stop, self._group.open, KafkaAway):
            return
        _LOG.info("reading the journal's alerts from Kafka at %s", self._group.address)
        try:
            while not stop.is_set():
                self._step()
            self._save(time.monotonic(), leaving=True)
        except (KafkaAway, PartitionLost) as error:
            _LOG.info("stopped without a last commit, which costs some reading at the next start (%s)", error)
        finally:
            self._group.close()

    def _step(self) -> None:
        now = time.monotonic()
        try:
            found = self._group.poll(POLL_SECONDS)
            self._forget_what_is_gone()
            self._take(found)
            if self._kafka.may_try(now):
                self._begin(now)
                self._save(now)
            self._measure(now)
        except KafkaAway as error:
            self._begin_anew()
            self._kafka.met(error, now)
        except PartitionLost as error:
            _LOG.info("the group has moved on (%s): forgetting what was not written", error)
            self._begin_anew()

    def _forget_what_is_gone(self) -> None:
        """A rebalance took all partitions away; those that came back begin anew."""
        if self._rebalances == self._group.rebalances:
            return
        self._rebalances = self._group.rebalances
        self._begin_anew()
        self._refused.clear()
        for metric in metrics.NOTIFY_OF_PARTITION:
            metric.clear()
        _LOG.info("journal partitions now: %s", ", ".join(map(str, sorted(self._group.assigned))) or "none")

    def _begin_anew(self) -> None:
        """Whatever a transaction has done or not is seen where its partitions begin again."""
        self._lanes.clear()

    def _begin(self, now: float) -> None:
        new = sorted(self._group.assigned - self._lanes.keys() - self._refused.keys())
        if not new:
            return
        begun = False
        for partition in new[:BEGIN_MAX]:
            try:
                lane = self._lane(partition, now)
            except JournalGone as error:
                self._refuse(partition, str(error))
                continue
            if lane is not None:
                self._lanes[partition], begun = lane, True
        if begun:
            self._read()
            self._kafka.over(time.monotonic())

    def _lane(self, partition: int, now: float) -> Lane | None:
        """None while a transaction is open, which may be one of this partition's former owner."""
        commit = self._group.committed(partition)  # before the output: what was committed later is not ours to see
        output = self._log.bounds(ALERTS, partition)
        if not output.settled:
            return None
        said = None if commit is None else positions.parsed(*commit)
        value = self._log.last(ALERTS, partition, output)
        last = None if value is None else self._decoded(value, partition)
        position = positions.begin(said, last)
        if position != said and (said or last):
            _LOG.warning(
                "journal partition %d: the group's commit (%s) does not fit the last alert of the topic (%s);"
                " going on from offset %d of the journal, behind that alert",
                *(partition, commit, last, position.offset),
            )
        journal = self._log.bounds(JOURNAL, partition)
        first = positions.first_offset(position, journal.low, journal.high, self._mend)
        reached(Failpoint.NOTIFY_BEGUN)
        return Lane(partition, position, first, self._mend, since=now)

    def _decoded(self, value: bytes, partition: int) -> rows.Projected:
        try:
            return rows.decode(value)
        except rows.NoAlert as error:
            raise rows.NoAlert(
                f"the last record of {physical(self._prefix, ALERTS)}, partition {partition}, is not tally's ({error}),"
                f" so nobody knows how far it has come. Keep others from writing there. {self._mend}"
            ) from None

    def _take(self, found: list[Entry | End | Gone]) -> None:
        waiting: list[Row] = []
        refused = len(self._refused)
        for entry in found:
            lane = self._lanes.get(entry.partition)
            if lane is None or isinstance(entry, End):
                continue
            if isinstance(entry, Gone):
                self._refuse(entry.partition, f"{entry.why}. {self._mend}")
                continue
            try:
                alerts = lane.take(entry.offset, entry.value, entry.at * 1_000)
            except JournalGone as error:
                self._refuse(entry.partition, str(error))
                continue
            for alert in alerts:
                value = rows.encode(alert, self._schema_id)
                waiting.append(Row(ALERTS, entry.partition, alert.key, value, entry.at))
                metrics.NOTIFY_ALERTS.labels(alert.kind).inc()
            if len(waiting) >= TRANSACTION_ALERTS:
                self._write(waiting)
                waiting = []
        if waiting:
            self._write(waiting)
        if len(self._refused) > refused:
            self._read()

    def _write(self, waiting: list[Row]) -> None:
        """Alerts of whole records, and how far their partitions have come."""
        lanes = [
            self._lanes[partition] for partition in sorted({row.partition for row in waiting} & self._lanes.keys())
        ]
        kept = [row for row in waiting if row.partition in self._lanes]
        if not kept:
            return
        reached(Failpoint.NOTIFY_BEFORE_ALERTS)
        self._transactions.write(kept, self._group.places(_commits(lanes)), self._group.membership)
        reached(Failpoint.NOTIFY_AFTER_ALERTS)
        self._saved(lanes, time.monotonic())
        self._kafka.over(time.monotonic())

    def _save(self, now: float, leaving: bool = False) -> None:
        """Commit positions at which no alerts came, now and then."""
        moved = [lane for lane in self._lanes.values() if lane.position != lane.saved]
        due = [lane for lane in moved if leaving or now - lane.since >= COMMIT_SECONDS]
        if not due:
            return
        self._group.commit(_commits(due))
        self._saved(due, now)
        self._kafka.over(time.monotonic())

    def _saved(self, lanes: list[Lane], now: float) -> None:
        for lane in lanes:
            lane.saved, lane.since = lane.position, now

    def _refuse(self, partition: int, why: str) -> None:
        self._lanes.pop(partition, None)
        self._refused[partition] = why
        metrics.NOTIFY_PARTITION_REFUSED.labels(str(partition)).set(1)
        self._reminded = time.monotonic()
        _LOG.error("journal partition %d is refused: %s", partition, why)

    def _read(self) -> None:
        self._group.read({(JOURNAL, p): lane.next for p, lane in self._lanes.items()})

    def _measure(self, now: float) -> None:
        if now - self._measured < 1.0:
            return
        self._measured = now
        for partition, lane in self._lanes.items():
            high = self._group.high(JOURNAL, partition)
            metrics.NOTIFY_LAG_RECORDS.labels(str(partition)).set(max(0, high - lane.next))
            metrics.NOTIFY_PARTITION_REFUSED.labels(str(partition)).set(0)
        if self._refused and now - self._reminded >= REMIND_SECONDS:
            self._reminded = now
            for partition, why in sorted(self._refused.items()):
                _LOG.error("journal partition %d is still refused: %s", partition, why)


def _commits(lanes: list[Lane]) -> dict[int, Commit]:
    return {lane.partition: Commit(lane.position.offset, positions.metadata(lane.position)) for lane in lanes}
