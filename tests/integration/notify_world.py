"""Topics of a test's own, a journal with alerts, `tally notify` as real processes, and what must be true of it all."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.alerts import rows as alerts
from connectors.alerts.rows import Decided, Projected, projected
from connectors.webhook import rows as receipts
from connectors.webhook.rows import Receipt
from connectors.webhook.states import State
from pipeline import topic_admin
from pipeline.core import record as journal
from pipeline.settings import load
from pipeline.topic_plan import compare, wanted
from pipeline.topics import ALERTS, JOURNAL, RECEIPTS
from tests.integration.notify_receiver import Receiver
from tests.integration.sink_journal import RULES
from tests.integration.sink_values import chained
from tests.integration.sink_world import ROOT, Running, await_that
from tests.torture.process import Crash

PARTITIONS = 2
SECRET = "whsec_" + base64.b64encode(b"tally's own tests, 24+ by").decode()
CLOCK_SECONDS = 0.05  # two clocks of one machine, and a request's way to the log


class Written(NamedTuple):
    """A committed record of a topic."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    at: float  # Unix time


class World:
    """`expected` are the journal's alerts so far, in its order, by partition."""

    def __init__(self, kafka: str, folder: Path, seed: int) -> None:
        self.name = f"n{uuid.uuid4().hex[:10]}"
        self.dice = random.Random(seed)
        self.kafka, self.folder = kafka, folder
        self.expected: dict[int, list[Projected]] = {p: [] for p in range(PARTITIONS)}
        self._last = dict.fromkeys(range(PARTITIONS), 0)
        self._made = 0
        self.variables = {
            "TALLY_HOME": str(folder),
            "TALLY_KAFKA__BOOTSTRAP_SERVERS": kafka,
            "TALLY_TOPICS__PREFIX": f"{self.name}.",
            "TALLY_TOPICS__PARTITIONS": str(PARTITIONS),
            "TALLY_NOTIFY__GROUP_ID": self.name,
            "TALLY_NOTIFY__BACKOFF_MS": "200",
            "TALLY_NOTIFY__TIMEOUT_SECONDS": "2",
        }
        self.settings = load({}, self.variables, folder)
        self._admin = AdminClient({"bootstrap.servers": kafka})
        self._producer = Producer({"bootstrap.servers": kafka})

    def make_topics(self) -> None:
        """As `tally topics apply` makes them."""
        topics = wanted(self.settings)
        topic_admin.apply(self.settings, topics, compare(topics, topic_admin.read(self.settings, topics)))

    def delete_topics(self, *names: str) -> None:
        """They are gone."""
        for future in self._admin.delete_topics([f"{self.name}.{name}" for name in names]).values():
            future.result(30)
        gone = {f"{self.name}.{name}" for name in names}
        await_that(lambda: not gone & self._admin.list_topics(timeout=10).topics.keys(), lambda: f"{gone} to go")

    def append(self, records: int, most: int = 3) -> None:
        """Journal records in every partition, with alerts, and rivals' and strays in between."""
        for partition in range(PARTITIONS):
            made = [self._record(partition, self.dice.randrange(most + 1)) for _ in range(records - 1)]
            self._chain(partition, [self._record(partition, 1), *made])

    def append_old(self, hours: int) -> None:
        """In every partition one alert, which the journal got so long ago."""
        for partition in range(PARTITIONS):
            self._chain(partition, [self._record(partition, 1)], int((time.time() - 3_600 * hours) * 1_000))

    def append_journal(self, partition: int, values: Sequence[bytes], at: int = 0) -> None:
        """Records as they are; `at`: UTC milliseconds, 0 for now."""
        for value in values:
            self.write(JOURNAL, partition, value, at)

    def write(self, topic: str, partition: int, value: bytes, at: int = 0) -> None:
        """A record of anybody's."""
        self._producer.produce(f"{self.name}.{topic}", value, b"a key", partition=partition, timestamp=at)
        assert self._producer.flush(30) == 0

    def _chain(self, partition: int, made: list[journal.Record], written_at: int = 0) -> None:
        offset = self.end(JOURNAL, partition)
        values = chained(made, self.dice, self._last[partition])
        for at, value in enumerate(values, offset):
            link, record = journal.decode(value)
            if link.prev != self._last[partition] or link.writer != "worker":
                continue
            self._last[partition] = link.id
            self.expected[partition] += [projected(a, Decided(partition, at, link.id, 0)) for a in record.alerts]
        self.append_journal(partition, values, written_at)

    def _record(self, partition: int, alerts_of_it: int) -> journal.Record:
        found = []
        for _ in range(alerts_of_it):
            self._made += 1
            n = self._made
            kind, threshold = self.dice.choice([("threshold", 0.8), ("threshold", 0.9), ("forecast", 1.0)])
            instants = (1_767_225_600_000_000, 1_767_225_600_000_000 + n)
            found.append(
                journal.Alert(f'a"{n}|ü', instants[0], kind, threshold, 80 + n, 100, instants[1], (1 << 64) - n)
            )
        return journal.Record(RULES, self._made, [], alerts=found)

    def end(self, topic: str, partition: int) -> int:
        """The next offset of a topic's partition."""
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": "none"})
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(f"{self.name}.{topic}", partition), timeout=10)[1])
        finally:
            consumer.close()

    def read(self, topic: str) -> list[Written]:
        """All committed records, as any reader with isolation.level=read_committed has them."""
        found, ended = [], set()
        consumer = Consumer(
            {
                "bootstrap.servers": self.kafka,
                "group.id": "none",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
            }
        )
        try:
            consumer.assign([TopicPartition(f"{self.name}.{topic}", p, 0) for p in range(PARTITIONS)])
            while len(ended) < PARTITIONS:
                for message in [consumer.poll(10.0), *consumer.consume(1_000, 0.0)]:
                    assert message is not None, f"nothing of {topic} for 10 s"
                    error = message.error()
                    if error is not None:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        ended.add(message.partition())
                        continue
                    place = (message.partition(), message.offset(), message.key(), message.value())
                    found.append(Written(*place, message.timestamp()[1] / 1_000))
            return found
        finally:
            consumer.close()

    def alerts(self) -> dict[int, list[Projected]]:
        """The alerts' topic, without the time of deciding, which is the broker's."""
        found: dict[int, list[Projected]] = {p: [] for p in range(PARTITIONS)}
        for written in self.read(ALERTS):
            alert = alerts.decode(written.value)
            assert written.key == alert.key
            found[written.partition].append(alert._replace(decided_at=0))
        return found

    def assert_projected(self) -> None:
        """The alerts' topic has exactly the journal's alerts, in its order."""
        assert self.alerts() == self.expected

    def is_projected(self) -> bool:
        """Whether as many are there as must be."""
        return sum(map(len, self.alerts().values())) >= self.total

    @property
    def total(self) -> int:
        """Alerts so far."""
        return sum(map(len, self.expected.values()))

    def receipts(self) -> dict[str, tuple[Receipt, float]]:
        """The last receipt of each alert, and when it was written."""
        return {(r := receipts.decode(w.value)).id: (r, w.at) for w in self.read(RECEIPTS)}

    def states(self) -> Counter[str]:
        """How many alerts have which last receipt."""
        return Counter(str(receipt.state) for receipt, _ in self.receipts().values())

    def await_states(self, **states: int) -> None:
        """Until there are so many of each."""
        await_that(lambda: +self.states() == Counter(states), lambda: f"{states}, there are {self.states()}")

    def assert_delivered(self, receiver: Receiver) -> int:
        """Every alert was taken, has its receipt, and none was sent after it; returns how many were taken twice."""
        assert receiver.faults == []
        taken, last = receiver.taken(), self.receipts()
        ids = {alert.id for of in self.expected.values() for alert in of}
        assert set(taken) == ids
        assert {id_ for id_, (receipt, _) in last.items() if receipt.state is State.DELIVERED} == ids
        delivered: dict[str, float] = {}
        for written in self.read(RECEIPTS):
            receipt = receipts.decode(written.value)
            if receipt.state is State.DELIVERED:
                delivered.setdefault(receipt.id, written.at)
        late = [met for met in receiver.met if met.at > delivered[met.id] + CLOCK_SECONDS]
        assert late == [], f"sent after their receipts: {late}"
        return sum(n > 1 for n in taken.values())

    def forget_offsets(self, *groups: str) -> None:
        """The groups' offsets expire."""
        for group in groups or (self.name, f"{self.name}-webhook"):
            await_that(lambda group=group: self._forgotten(group), lambda group=group: f"{group} to be empty")

    def _forgotten(self, group: str) -> bool:
        try:
            self._admin.delete_consumer_groups([group])[group].result(30)
        except KafkaException as error:
            return error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND
        return True

    def set_back(self, group: str, topic: str, offset: int) -> None:
        """Somebody sets a group's offsets, as Kafka's own tools do."""
        places = [TopicPartition(f"{self.name}.{topic}", p, offset) for p in range(PARTITIONS)]
        asked = [ConsumerGroupTopicPartitions(group, places)]

        def is_done() -> bool:
            try:
                self._admin.alter_consumer_group_offsets(asked)[group].result(30)
            except KafkaException:
                return False
            return True

        await_that(is_done, lambda: f"{group} to be empty")

    @contextmanager
    def notify(self, url: str | None = None, crashes: Sequence[Crash] = (), **settings: str) -> Iterator[Running]:
        """A `tally notify`, ended with the block however it ends."""
        webhook = {"TALLY_NOTIFY__URL": url, "TALLY_NOTIFY__SECRET": SECRET} if url else {}
        crash = [part for one in crashes for part in ("--crash", str(one))]
        command = ["-m", "tests.torture.process", *crash, "--", "notify"]
        log = self.folder / f"notify-{uuid.uuid4().hex[:6]}.log"
        running = Running(self.variables | webhook | settings, log, command)
        try:
            yield running
        finally:
            running.end()

    def tally(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command."""
        return subprocess.run(
            [sys.executable, "-m", "pipeline.cli.app", *arguments],
            cwd=ROOT,
            env=self.variables | {"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def listed(self, *options: str) -> list[dict[str, Any]]:
        """`tally alerts list`."""
        done = self.tally("alerts", "list", "--format", "json", *options)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


def sleep_random(dice: random.Random, most: float) -> None:
    """Some time."""
    time.sleep(dice.random() * most)


def ready(kafka: str, tmp_path: Path, seed: int) -> World:
    """With its topics; a module's fixture: `world = pytest.fixture(ready)`."""
    found = World(kafka, tmp_path, seed)
    found.make_topics()
    return found


def receiving() -> Iterator[Receiver]:
    """Somebody to send to, as a module's fixture."""
    found = Receiver(SECRET)
    yield found
    found.close()
