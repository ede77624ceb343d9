"""Records of a vendor's own Kafka topic into the source topics, at least once: `tally collect --from-topic`.

An offset is committed once Kafka has acknowledged every message of the records before it, refusals too. What was sent
twice is the same events twice. A record holds what a delivery's body holds: an object or a list.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from connectors.collect.counts import ACCEPTED, REFUSED
from connectors.collect.endpoint import Endpoint
from connectors.collect.own_topics import OwnTopic, cluster_id, is_own_name
from connectors.collect.rows import Translator
from connectors.collect.translation import Vendor
from connectors.group import Commit, End, Entry, Gone, Member, Reading
from connectors.kafka_faults import KafkaAway, NoTopic, PartitionLost
from connectors.producer.rows import Message
from connectors.producer.service import NotReady, Sender, Undelivered
from connectors.trouble import GaveUp, Trouble
from pipeline import metrics
from pipeline.kafka_cluster import KafkaAbsent
from pipeline.settings import Settings
from pipeline.settings_sources import env_name

SERVICE = "collect"
RECORDS_MAX = 2_000  # taken at once: between two commits, each of which waits for Kafka some 70 ms
ROUND_BYTES = 8 << 20  # of records that are translated at once: as messages they take about ten times as much
POLL_SECONDS = 0.1  # how long a stop may wait for a record that does not come
LAG_SECONDS = 1.0  # between two looks at how much is left

FATAL = (GaveUp, NoTopic, NotReady)  # what ends it with a message of its own

_LOG = logging.getLogger(f"tally.{SERVICE}")


@dataclass(frozen=True, slots=True)
class Origin:
    """A vendor's topic, the group that reads it, and the settings by which its cluster is reached."""

    settings: Settings
    topic: str
    group_id: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What its records are."""

    translator: Translator
    endpoint: Endpoint
    vendor: Vendor


class Takeover:
    """One process's part. Everything happens in the thread that calls `run`."""

    def __init__(self, settings: Settings, origin: Origin, meaning: Meaning) -> None:
        """`settings`: of the source topics.

        Raises:
            OwnTopic: the topic is tally's own, as far as that can be told without Kafka.
        """
        if origin.settings is settings and is_own_name(settings, origin.topic):
            raise OwnTopic(origin.topic)
        self._settings, self._topic, self._meaning = settings, origin.topic, meaning
        self._origin = origin.settings
        mend = "name one that is there with --from-topic"
        self._member = Member(origin.settings, Reading(SERVICE, origin.group_id, "", origin.topic, mend=mend))
        self._sender: Sender | None = None
        self._next: dict[int, int] = {}  # of the partitions that are read: the offset that comes next
        self._rebalances = 0
        ours = env_name("kafka.bootstrap_servers")
        theirs = ours if origin.settings is settings else "--from-bootstrap-servers"
        self._there = Trouble(f"Kafka at {self._member.address}", theirs, SERVICE)
        self._here = Trouble(f"Kafka at {settings.kafka_address()}", ours, SERVICE)
        self._measured = 0.0

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; what was read by then is brought to its end, unless Kafka is away.

        Raises:
            GaveUp: Kafka was away for too long.
            NoTopic, NotReady: topics are missing.
            OwnTopic: the topic is tally's own; nothing of it was read.
        """
        if not self._check_origin(stop) or not self._there.wait(stop, self._member.open, KafkaAway):
            return
        metrics.COLLECT_KAFKA_READY.set(1)
        _LOG.info("taking records of %s over from Kafka at %s", self._topic, self._member.address)
        try:
            while not stop.is_set():
                self._step(stop)
        finally:
            self._member.close()

    def _check_origin(self, stop: threading.Event) -> bool:
        """That the topic is not tally's own, by the clusters' ids; False where a stop came first.

        Raises:
            OwnTopic: it is, or a cluster does not say which it is.
        """
        if not is_own_name(self._settings, self._topic):
            return True
        found: list[str | None] = []

        def ask(settings: Settings) -> None:
            found.append(cluster_id(settings))

        for trouble, settings in ((self._here, self._settings), (self._there, self._origin)):
            if not trouble.wait(stop, partial(ask, settings), KafkaAbsent):
                return False
        if None in found or found[0] == found[1]:
            raise OwnTopic(self._topic)
        return True

    def _step(self, stop: threading.Event) -> None:
        now = time.monotonic()
        try:
            found = self._member.poll(POLL_SECONDS, RECORDS_MAX)
            if self._rebalances != self._member.rebalances:
                self._begin_anew()
            self._take(found, stop)
            self._begin()
            self._measure(now)
        except KafkaAway as error:
            self._forget()
            metrics.COLLECT_KAFKA_READY.set(0)
            stop.wait(self._there.met(error, now))
        except PartitionLost as error:
            _LOG.info("the group has moved on (%s): who has the partitions now goes on", error)
            self._forget()

    def _forget(self) -> None:
        """What is ours begins where its commits say."""
        self._next.clear()

    def _begin_anew(self) -> None:
        """The group gave or took partitions."""
        self._rebalances = self._member.rebalances
        self._forget()
        metrics.COLLECT_TOPIC_LAG_RECORDS.clear()
        _LOG.info("partitions of %s: %s", self._topic, ", ".join(map(str, sorted(self._member.assigned))) or "none")

    def _begin(self) -> None:
        new = sorted(self._member.assigned - self._next.keys())
        if new:
            self._next |= {partition: self._first(partition) for partition in new}
            self._member.read({(self._topic, partition): offset for partition, offset in self._next.items()})
        elif self._there.lasts and not self._next:  # a spare one has nothing else to ask
            self._member.bounds(self._topic, 0)
        else:
            return
        self._there.over(time.monotonic())
        metrics.COLLECT_KAFKA_READY.set(1)

    def _first(self, partition: int) -> int:
        """Where a partition begins: behind what is taken over; without a commit at the first record there is."""
        commit = self._member.committed(partition)
        low, high = self._member.bounds(self._topic, partition)
        if commit is None or low <= commit.offset <= high:
            return low if commit is None else commit.offset
        if commit.offset < low:
            metrics.COLLECT_TOPIC_LOST_RECORDS.inc(low - commit.offset)
            told = "%s, partition %d: %d records were deleted there before they were taken over; going on at offset %d"
            _LOG.error(told, self._topic, partition, low - commit.offset, low)
        else:
            told = "%s, partition %d ends at offset %d, the group has come to %d: it was made anew; taking all of it"
            _LOG.error(told, self._topic, partition, high, commit.offset)
        return low

    def _take(self, found: Sequence[Entry | End | Gone], stop: threading.Event) -> None:
        records: list[Entry] = []
        for entry in found:
            if isinstance(entry, Gone):
                _LOG.warning("%s, partition %d: %s", self._topic, entry.partition, entry.why)
                self._next.pop(entry.partition, None)
            elif isinstance(entry, Entry):
                records.append(entry)
        for some in _rounds([record for record in records if record.partition in self._next]):
            if not self._deliver(some, stop):
                return
            self._next |= {record.partition: record.offset + 1 for record in some}
            self._member.commit({record.partition: Commit(record.offset + 1, "") for record in some})
            metrics.COLLECT_TOPIC_RECORDS.inc(len(some))

    def _deliver(self, entries: Sequence[Entry], stop: threading.Event) -> bool:
        """Until Kafka has acknowledged everything of these records; False where a stop came first."""
        meaning, now = self._meaning, time.time_ns() // 1_000
        made = [
            one
            for entry in entries
            for one in meaning.translator.messages(entry.value or b"", meaning.endpoint, meaning.vendor, now)
        ]
        messages = [one.message for one in made]
        if not self._here.wait(stop, lambda: self._try(messages, stop), Undelivered, KafkaAbsent):
            return False
        refused = sum(one.refusal is not None for one in made)
        metrics.COLLECT_EVENTS.labels(meaning.vendor.name, ACCEPTED).inc(len(made) - refused)
        metrics.COLLECT_EVENTS.labels(meaning.vendor.name, REFUSED).inc(refused)
        return True

    def _try(self, messages: Sequence[Message], stop: threading.Event) -> None:
        """`_send`, with whether the source topics' Kafka answers in the gauge."""
        try:
            self._send(messages, stop)
        except (Undelivered, KafkaAbsent):
            metrics.COLLECT_KAFKA_READY.set(0)
            raise
        metrics.COLLECT_KAFKA_READY.set(1)

    def _send(self, messages: Sequence[Message], stop: threading.Event) -> None:
        """Raises Undelivered also where Kafka has not answered so long after a stop as one may take."""
        sender, self._sender = self._sender or Sender(self._settings), None
        for message in messages:
            sender.send(*message)
        deadline = None
        while sender.waiting:
            sender.flush(POLL_SECONDS)
            if stop.is_set():
                deadline = deadline or time.monotonic() + self._settings.collect.stop_seconds
                if time.monotonic() > deadline:
                    raise Undelivered(f"{sender.waiting} messages were not acknowledged before the end")
        sender.settle()
        self._sender = sender  # one that has failed is of no more use

    def _measure(self, now: float) -> None:
        if now - self._measured < LAG_SECONDS:
            return
        self._measured = now
        for partition, offset in self._next.items():
            high = self._member.high(self._topic, partition)
            metrics.COLLECT_TOPIC_LAG_RECORDS.labels(str(partition)).set(max(0, high - offset))


def _rounds(records: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The records in their order, in parts of ROUND_BYTES and less, or of one record."""
    some: list[Entry] = []
    size = 0
    for record in records:
        length = len(record.value or b"")
        if some and size + length > ROUND_BYTES:
            yield some
            some, size = [], 0
        some.append(record)
        size += length
    if some:
        yield some
