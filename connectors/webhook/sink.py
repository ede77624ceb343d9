"""The courier: alerts of the partitions that the group gives it, to the endpoint, each until it is taken or parked.

An answer becomes a receipt at once, in one transaction with the position; a member that lost its partitions can write
none. Nothing is sent again that has a receipt for it. An endpoint that hangs holds REQUESTS_MAX requests and no more.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from queue import Empty
from typing import NamedTuple

from connectors.alerts import rows as alerts
from connectors.alerts.service import Log, Row, Transactions
from connectors.alerts.settings import BEGIN_MAX
from connectors.group import ENTRIES_MAX, Commit, End, Entry, Gone, Member, Reading
from connectors.kafka_faults import KafkaAway, PartitionLost
from connectors.trouble import Trouble
from connectors.webhook import deliveries, outcomes, rows, statements
from connectors.webhook.deliveries import Item, Lane, Position
from connectors.webhook.outcomes import Answer
from connectors.webhook.rows import Receipt
from connectors.webhook.service import Request, Sender
from connectors.webhook.settings import FENCE_SECONDS, LOOK_SECONDS, REQUESTS_MAX, WAITING_MAX, Endpoint
from connectors.webhook.states import State
from pipeline import metrics
from pipeline.failpoints import Failpoint, reached
from pipeline.settings import Settings
from pipeline.settings_sources import env_name
from pipeline.topics import ALERTS, RECEIPTS

_LOG = logging.getLogger("tally.notify")
_SETTLE_SECONDS = 2.0  # beyond a request's own time, until what is open has come to an end


class Mark(NamedTuple):
    """Whose answer it is: an alert of a partition, as it was assigned then."""

    rebalances: int
    partition: int
    item: Item


class Courier:
    """One process's part. Everything but the requests happens in the thread that calls `run`."""

    def __init__(self, settings: Settings, endpoint: Endpoint, schema_id: int) -> None:
        """`schema_id`: of `receipt.v1.avsc`."""
        group = f"{settings.notify.group_id}-webhook"
        reading = Reading("notify", group, settings.topics.prefix, ALERTS, others=(RECEIPTS,))
        self._group = Member(settings, reading, self._leave)
        self._log = Log(settings)
        self._transactions = Transactions(settings, group, lambda: reached(Failpoint.NOTIFY_RECEIPTS_SENT))
        self._endpoint, self._schema_id = endpoint, schema_id
        self._sender: Sender[Mark] = Sender(endpoint)
        self._lanes: dict[int, Lane] = {}
        self._unwritten: list[Row] = []  # receipts that are not in Kafka yet
        self._in_flight = 0
        self._anew: set[int] = set()  # partitions whose topics are not what they were
        self._is_full = False
        self._rebalances = 0
        self._proved = float("-inf")  # when the partitions were last known to be ours
        self._kafka = Trouble(f"Kafka at {self._group.address}", env_name("kafka.bootstrap_servers"), "notify")
        self._chance = random.Random()  # the jitter's; nothing else depends on it

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; requests that are open then are waited for.

        Raises:
            GaveUp: Kafka was away for too long.
            NoTopic: there is none; the message says how to mend it.
        """
        try:
            if not self._kafka.wait(stop, self._group.open, KafkaAway):
                return
            _LOG.info("sending alerts to %s", self._endpoint.address)
            while not stop.is_set():
                self._step(stop)
            self._leave()
        finally:
            self._group.close()
            self._sender.close()

    def _step(self, stop: threading.Event) -> None:
        try:
            found = self._group.poll(0.0 if self._in_flight else LOOK_SECONDS)
            self._forget_what_is_gone()
            self._take(found)
            self._collect(LOOK_SECONDS)
            if self._kafka.may_try(time.monotonic()):
                self._write()
                self._begin()
                self._send()
            self._hold_back()
            metrics.NOTIFY_WAITING_ALERTS.set(sum(len(lane.waiting) for lane in self._lanes.values()))
        except KafkaAway as error:
            stop.wait(min(self._kafka.met(error, time.monotonic()), LOOK_SECONDS))
        except PartitionLost as error:
            _LOG.info("the group has moved on (%s): who has the partitions now goes on sending", error)
            self._forget()

    def _forget_what_is_gone(self) -> None:
        """A rebalance took all partitions away; those that came back begin anew."""
        if self._rebalances == self._group.rebalances:
            return
        self._rebalances = self._group.rebalances
        self._forget()
        _LOG.info("sending alerts of partitions: %s", ", ".join(map(str, sorted(self._group.assigned))) or "none")

    def _forget(self) -> None:
        self._lanes.clear()
        self._unwritten.clear()
        self._proved = float("-inf")

    def _begin(self) -> None:
        for partition in self._anew:
            self._lanes.pop(partition, None)
        self._anew.clear()
        new = sorted(self._group.assigned - self._lanes.keys())[:BEGIN_MAX]
        begun = {p: Lane(p, position) for p in new if (position := self._position(p)) is not None}
        if begun:
            self._lanes |= begun
            self._read()
            self._kafka.over(time.monotonic())

    def _position(self, partition: int) -> Position | None:
        """Where a partition begins; None while a transaction is open, which may be one of its former owner."""
        commit = self._group.committed(partition)
        there, receipts = self._log.bounds(ALERTS, partition), self._log.bounds(RECEIPTS, partition)
        if not receipts.settled:
            return None
        said = None if commit is None else deliveries.parsed(*commit)
        if said is None or not there.low <= said.alerts <= there.high:
            return Position(there.low, receipts.low)
        if not receipts.low <= said.receipts <= receipts.high:
            return Position(said.alerts, receipts.low)
        return said

    def _take(self, found: list[Entry | End | Gone]) -> None:
        changed = False
        for entry in found:
            lane = self._lanes.get(entry.partition)
            if lane is None:
                continue
            if isinstance(entry, Gone):
                _LOG.warning("%s, partition %d: %s; beginning it anew", entry.topic, entry.partition, entry.why)
                self._anew.add(entry.partition)
            elif isinstance(entry, Entry):
                _give(lane, entry)
            elif entry.topic == RECEIPTS and not lane.folded:
                lane.folded = changed = True
        if changed:
            self._read()

    def _read(self) -> None:
        offsets = {(RECEIPTS, p): lane.next_receipt for p, lane in self._lanes.items()}
        self._group.read(offsets | {(ALERTS, p): lane.next_alert for p, lane in self._lanes.items() if lane.folded})
        self._is_full = False
        self._group.resume(ALERTS, [p for p, lane in self._lanes.items() if lane.folded])

    def _hold_back(self) -> None:
        """Take no more alerts than fit into memory: the rest waits in the topic."""
        waiting = sum(len(lane.waiting) for lane in self._lanes.values())
        reading = [p for p, lane in self._lanes.items() if lane.folded]
        if waiting >= WAITING_MAX and not self._is_full:
            self._group.pause(ALERTS, reading)
            self._is_full = True
        elif waiting < WAITING_MAX // 2 and self._is_full:
            self._group.resume(ALERTS, reading)
            self._is_full = False

    def _collect(self, seconds: float) -> None:
        """Make receipts of the answers that are there; wait for the first one where requests are open."""
        wait = seconds
        while self._in_flight:
            try:
                mark, answer = self._sender.answers.get(timeout=wait)
            except Empty:
                return
            wait = 0.001
            self._in_flight -= 1
            reached(Failpoint.NOTIFY_ANSWERED)
            self._answered(mark, answer)

    def _answered(self, mark: Mark, answer: Answer | None) -> None:
        lane = self._lanes.get(mark.partition)
        if lane is None or mark.rebalances != self._rebalances or lane.waiting.get(mark.item.key) is not mark.item:
            _LOG.info("an answer for alert %s came after its partition had gone", mark.item.receipt.id)
        elif answer is None:
            mark.item.in_flight = False
        else:
            at = time.time_ns() // 1_000
            receipt = outcomes.receipt(mark.item.receipt, answer, self._endpoint, at, self._chance.random())
            self._note(lane, mark.item, receipt)

    def _note(self, lane: Lane, item: Item, receipt: Receipt) -> None:
        lane.record(item, receipt)
        self._unwritten.append(Row(RECEIPTS, lane.partition, item.key, rows.encode(receipt, self._schema_id)))
        metrics.NOTIFY_DELIVERIES.labels(str(receipt.state)).inc()
        if receipt.state is State.PARKED:
            _LOG.warning("alert %s is parked (%s): `tally alerts retry %s`", receipt.id, receipt.error, receipt.id)

    def _write(self) -> None:
        """The receipts that are to be written; until they are, nothing else is sent."""
        if not self._unwritten:
            return
        began = time.monotonic()
        lanes = [self._lanes[partition] for partition in sorted({row.partition for row in self._unwritten})]
        self._transactions.write(self._unwritten, self._group.places(_commits(lanes)), self._group.membership)
        reached(Failpoint.NOTIFY_AFTER_RECEIPTS)
        self._unwritten.clear()
        self._proved = began
        self._kafka.over(time.monotonic())

    def _send(self) -> None:
        at = time.time_ns() // 1_000
        due = [(lane, item) for lane in self._lanes.values() if lane.folded for item in lane.due(at)]
        old = [(lane, item, receipt) for lane, item in due if (receipt := self._stale(item, at)) is not None]
        for lane, item, receipt in old[:ENTRIES_MAX]:
            self._note(lane, item, receipt)
        if old:
            self._write()
            return
        free = REQUESTS_MAX - self._in_flight
        if not due or not free:
            return
        self._prove()
        for lane, item in sorted(due, key=lambda pair: pair[1].due_at)[:free]:
            reached(Failpoint.NOTIFY_BEFORE_REQUEST)
            alert = alerts.decode(item.value)
            item.in_flight = True
            self._in_flight += 1
            mark = Mark(self._rebalances, lane.partition, item)
            self._sender.send(mark, Request(alert.id, statements.body(alert)), self._is_fresh)

    def _stale(self, item: Item, at: int) -> Receipt | None:
        if item.receipt.state is not State.WAITING:
            return None
        return outcomes.stale(item.receipt, alerts.decode(item.value).decided_at, self._endpoint, at)

    def _prove(self) -> None:
        """See that the partitions are still ours; a process that slept finds out before it sends."""
        now = time.monotonic()
        if now - self._proved > FENCE_SECONDS:
            self._group.commit(_commits(list(self._lanes.values())))
            self._proved = now

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._proved <= 2 * FENCE_SECONDS

    def _leave(self) -> None:
        """The partitions are about to go: what is open comes to an end, and has its receipt, while they are ours."""
        deadline = time.monotonic() + self._endpoint.timeout_seconds + _SETTLE_SECONDS
        while self._in_flight and time.monotonic() < deadline:
            self._collect(LOOK_SECONDS)
        try:
            self._write()
        except (KafkaAway, PartitionLost) as error:
            _LOG.warning("%d receipts were not written (%s): these alerts are sent again", len(self._unwritten), error)


def _give(lane: Lane, entry: Entry) -> None:
    """A record to its lane; what tally did not write is told and passed over."""
    key = entry.key or b""
    try:
        if entry.topic == ALERTS:
            lane.take(entry.offset, key, entry.value or b"", alerts.decode(entry.value))
        elif lane.folded:
            lane.follow(entry.offset, key, rows.decode(entry.value))
        else:
            lane.fold(entry.offset, key, rows.decode(entry.value))
    except (alerts.NoAlert, rows.NoReceipt) as error:
        place = (entry.topic, entry.partition, entry.offset)
        _LOG.warning("%s, partition %d, offset %d is not tally's (%s): passed over", *place, error)


def _commits(lanes: list[Lane]) -> dict[int, Commit]:
    found = {lane.partition: lane.position for lane in lanes}
    return {p: Commit(position.alerts, deliveries.metadata(position)) for p, position in found.items()}
