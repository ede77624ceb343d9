"""A journal, a database and a consumer group of a test's own, and sinks that run over them as real processes."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.clickhouse import migrations, recount
from connectors.clickhouse.service import Service, Unavailable
from connectors.clickhouse.settings import target
from pipeline.settings import load
from tests.integration.sink_journal import Partition
from tests.integration.sink_values import chained

GUEST_MS = 6_000  # session of one that joins the sinks' group for a moment; the broker's least
ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 90.0
STOP_SECONDS = 30.0
RECORD_BYTES = 16 * 1024 * 1024


class World:
    """See the module. `folder` keeps the sinks' logs."""

    def __init__(self, kafka: str, clickhouse: str, folder: Path, partitions: int = 2) -> None:
        self.name = f"s{uuid.uuid4().hex[:10]}"
        self.kafka, self.clickhouse, self.folder = kafka, clickhouse, folder
        self.topic = f"{self.name}.journal"
        self.partitions = partitions
        self.ends = dict.fromkeys(range(partitions), 0)
        self.settings = {
            "TALLY_HOME": str(folder),
            "TALLY_KAFKA__BOOTSTRAP_SERVERS": kafka,
            "TALLY_CLICKHOUSE__URL": clickhouse,
            "TALLY_CLICKHOUSE__DATABASE": self.name,
            "TALLY_TOPICS__PREFIX": f"{self.name}.",
            "TALLY_SINK__GROUP_ID": self.name,
            "TALLY_SINK__ROWS": "300",  # many ranges out of few rows
            "TALLY_SINK__LINGER_MS": "300",
        }
        self.service = Service(target(load({}, self.settings, folder)), 60)
        self._admin = AdminClient({"bootstrap.servers": kafka})
        self._group = Consumer({"bootstrap.servers": kafka, "group.id": self.name, "enable.auto.commit": False})
        self._producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": RECORD_BYTES})

    def make_topic(self) -> None:
        """The journal, empty."""
        new = NewTopic(self.topic, self.partitions, 1, config={"max.message.bytes": str(RECORD_BYTES)})
        self._admin.create_topics([new])[self.topic].result(30)

    def delete_topic(self) -> None:
        """The journal is gone."""
        self._admin.delete_topics([self.topic])[self.topic].result(30)
        self.ends = dict.fromkeys(range(self.partitions), 0)

    def migrate(self) -> None:
        """The tables and views."""
        migrations.apply(self.service, migrations.find(self.service))

    def append(self, partition: int, values: Iterable[bytes]) -> None:
        """Write journal records."""
        for value in values:
            self._producer.produce(self.topic, value, partition=partition)
            self.ends[partition] += 1
        assert self._producer.flush(30) == 0

    def publish(self, seed: int, records: int) -> list[Partition]:
        """A journal in every partition, with rivals and strays; returns what must come out."""
        made = []
        for number in range(self.partitions):
            chance = random.Random(seed + number)
            made.append(Partition(number, chance))
            self.append(number, chained(list(made[-1].records(records, 25)), chance))
        return made

    def committed(self) -> dict[int, int]:
        """The group's next offsets by partition; the admin client's way to ask crashes while a coordinator is new."""
        places = [TopicPartition(self.topic, p) for p in range(self.partitions)]
        try:
            return {place.partition: place.offset for place in self._group.committed(places, 10) if place.offset >= 0}
        except KafkaException:  # the group's coordinator is still starting
            return {}

    def commit(self, partition: int, offset: int, text: str) -> None:
        """An offset commit by somebody; the group must have no member."""
        place = TopicPartition(self.topic, partition, offset, metadata=text)
        (done,) = self._group.commit(offsets=[place], asynchronous=False)
        assert done.error is None, done.error

    def rebalance(self) -> None:
        """Somebody joins the sinks' group, gets a partition, and leaves."""
        given: list[TopicPartition] = []
        settings = {"partition.assignment.strategy": "range", "enable.auto.commit": False, "log_level": 0}
        # One whose leaving went astray is out by its session's end; the broker waits for it no longer than that.
        settings |= {"session.timeout.ms": GUEST_MS, "max.poll.interval.ms": GUEST_MS}
        guest = Consumer({"bootstrap.servers": self.kafka, "group.id": self.name, **settings})
        guest.subscribe([self.topic], on_assign=lambda _consumer, partitions: given.extend(partitions))

        def has_joined() -> bool:
            guest.poll(0.1)
            return bool(given)

        await_that(has_joined, lambda: "a guest in the group")
        guest.unsubscribe()  # leaves while it still polls: one that closes in the middle of a rebalance may stay
        guest.poll(1.0)
        guest.close()

    def members(self) -> str:
        """The sinks' group as the broker has it, for a failure's words."""
        group = self._admin.describe_consumer_groups([self.name])[self.name].result(10)
        given = {
            m.client_id: [f"{p.topic}-{p.partition}" for p in m.assignment.topic_partitions] for m in group.members
        }
        return f"the group is {group.state.name}: {given}"

    def await_all(self) -> None:
        """Until everything is inserted and committed as such."""
        await_that(lambda: self.committed() == self.ends, lambda: f"{self.ends}, there is {self.committed()}")

    @contextmanager
    def sink(self, **settings: str) -> Iterator[Running]:
        """A sink, ended with the block however it ends."""
        running = Running(self.settings | settings, self.folder / f"sink-{uuid.uuid4().hex[:6]}.log")
        try:
            yield running
        finally:
            running.end()

    def drop(self) -> None:
        """What the test leaves behind."""
        with suppress(Unavailable):  # the test ended its own engine
            self.service.command(f"DROP DATABASE IF EXISTS {self.name}")
        self.service.close()
        self._group.close()

    def assert_exact(self, made: Iterable[Partition]) -> None:
        """Every table has exactly the rows and every view the numbers; and the audit finds no difference."""
        made = list(made)
        assert self._rows("count(), sum(hits)", "events") == [
            (sum(len(p.events) + p.corrections for p in made), sum(len(p.events) for p in made))
        ]
        assert self._engagement() == {
            key: {name: n for name, n in numbers.items() if n} for p in made for key, numbers in p.engagement().items()
        }
        persons = self._rows("account_id, profile_id, person_id", "persons")
        assert {(a, p): who for a, p, who in persons} == {key: who for p in made for key, who in p.persons.items()}
        cycles = self._rows(
            "account_id, toUnixTimestamp(cycle_start), used_as_corrected, used_as_closed", "allowance_cycles"
        )
        assert {(a, at): numbers for a, at, *numbers in cycles} == {
            (a, int(at.timestamp())): [used, p.closed[a, at]] for p in made for (a, at), used in p.used.items()
        }
        self._assert_allowance(made)
        alerts = self._rows("account_id, toUnixTimestamp(cycle_start)", "allowance_alerts")
        assert sorted(alerts) == sorted((a, int(at.timestamp())) for p in made for a, at in p.alerts)
        letters = self._rows("topic, partition, offset, base64Decode(raw_base64) = raw", "dead_letters")
        assert sorted(letters) == sorted((r.topic, p.number, r.offset, 1) for p in made for r in p.rejects)
        assert recount.compare(self.service) == []

    def _assert_allowance(self, made: list[Partition]) -> None:
        """Plans, forecasts, and what used the allowance."""
        columns = "account_id, toUnixTimestamp(cycle_start)"
        burnt = self._rows(f"{columns}, campaign_id, channel, type, used", "allowance_burn")
        assert {tuple(key): n for *key, n in burnt} == dict(sum((p.burnt() for p in made), Counter()))
        plans = self._rows("account_id, plan, own_activities, activities", "allowance_plans")
        assert sorted(plans) == sorted(
            (account, 7 + n, bool(n % 2), ["email_opened"] * (n % 2)) for p in made for account, n in p.plans.items()
        )
        found = self._rows(f"{columns}, forecast, forecast_low, forecast_high, low_confidence", "allowance_cycles")
        assert {(a, at): numbers for a, at, *numbers in found} == {
            (a, int(at.timestamp())): [f.expected, f.low, f.high, not f.confident]
            for p in made
            for (a, at), f in p.forecasts.items()
        }

    def _rows(self, columns: str, table: str) -> list[tuple[Any, ...]]:
        return self.service.query(f"SELECT {columns} FROM {self.name}.{table}").rows

    def _engagement(self) -> dict[tuple[object, ...], dict[str, int]]:
        answer = self.service.query(f"SELECT * FROM {self.name}.engagement_daily")
        assert answer.columns[:4] == ["account_id", "campaign_id", "channel", "day"]
        return {
            row[:4]: {name: n for name, n in zip(answer.columns[4:], row[4:], strict=True) if n} for row in answer.rows
        }


SINK = ("-m", "pipeline.cli.app", "sink")


class Running:
    """A process: a sink, unless told otherwise what Python runs."""

    def __init__(self, settings: Mapping[str, str], log: Path, command: Sequence[str] = SINK) -> None:
        self._log = log
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
        with log.open("wb") as file:
            self.process = _spawn(plain | dict(settings), file, command)

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8")

    def await_line(self, text: str) -> None:
        """Until it says so."""
        await_that(lambda: text in self.log, lambda: f"{text!r} in the log, which has:\n{self.log}")

    def await_last_line(self, pattern: str) -> None:
        """Until the last line matches."""
        await_that(
            lambda: re.search(pattern, self.log.rstrip()[-200:]) is not None, lambda: f"{pattern} after:\n{self.log}"
        )

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def end(self) -> None:
        """Whatever it is doing."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()


def ready(kafka: str, clickhouse: str, tmp_path: Path) -> Iterator[World]:
    """With an empty journal and tables; a module's fixture: `world = pytest.fixture(ready)`."""
    found = World(kafka, clickhouse, tmp_path)
    found.make_topic()
    found.migrate()
    yield found
    found.drop()


def _spawn(environment: dict[str, str], log: IO[bytes], command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
    )


def await_that(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Until `holds()` is true.

    Raises:
        TimeoutError: it is not, in time.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {WAIT_SECONDS:g} s for {what()}")
        time.sleep(0.1)
