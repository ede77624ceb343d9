"""The world of one round: topics, tables, workers, sinks and producers of its own over the run's broker and engine."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka.admin import AdminClient

from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.settings import Settings, load
from pipeline.topics import ALL_TOPICS, NOTIFY_TOPICS, logical, physical
from tests.e2e import recent
from tests.e2e.publishing import waves
from tests.e2e.recent import histories
from tests.events import SEED
from tests.property.running import Sent
from tests.torture import acknowledged, producer
from tests.torture.faults import PRODUCERS, SINKS, WORKERS
from tests.torture.processes import ROOT, TALLY, Processes
from tests.torture.stage import Stage

PARTITIONS = 4
# A clock that jumps by days must not come to the horizon of uniques, where their number may depend on the order.
RULES = recent.RULES._replace(unique_days=45)
ACCOUNTS, EVENTS = 8, 130  # of each of six shapes: 6,240 events, about 260 a second of load
QUERY_SECONDS = 60
PREPARE_SECONDS = 90

Places = dict[tuple[str, int], int]  # topic without prefix, partition: next offset


class World:
    """See the module. `seconds` is how long the load flows."""

    def __init__(self, stage: Stage, folder: Path, seed: int, seconds: float) -> None:
        self.folder, self.seed, self.seconds = folder, seed, seconds
        self.name = f"t{seed}x{time.time_ns() // 1_000_000 % 100_000_000}"
        self.stage = stage
        self.environment = self._environment()
        self.settings: Settings = load({}, self.environment, folder)
        self.processes = Processes(folder, self.environment)
        self.clickhouse = Service(target(self.settings), QUERY_SECONDS)
        self.histories = histories(seed, time.time_ns() // 1000, ACCOUNTS, EVENTS)
        self.began = 0.0

    def prepare(self) -> None:
        """Topics, tables and services; returns when every partition has a worker."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self.tally, (("topics", "apply"), ("migrate",))))
        for name in WORKERS:
            self.add_worker(name)
        for name in SINKS:
            self.processes.add(name, (*TALLY, "sink"), {"TALLY_SINK__NAME": name})

    def add_worker(self, name: str, group: str | None = None) -> None:
        """A worker with a state of its own, in another group where one is named."""
        own = {
            "TALLY_WORKER__NAME": name,
            "TALLY_WORKER__STATE_DIR": str(self.state_of(name)),
            "TALLY_WORKER__GROUP_ID": group or f"{self.name}.workers",
            "TALLY_KAFKA__BOOTSTRAP_SERVERS": self.stage.broker.proxied,
        }
        self.processes.add(name, (*TALLY, "worker"), own)

    def state_of(self, name: str) -> Path:
        """Where a worker keeps its snapshots."""
        return self.stage.state / self.name / name

    def publish(self) -> None:
        """Start the producers: the accounts are dealt out to them, each in its own order."""
        dice = random.Random(f"{self.seed} producers")
        dealt: list[dict[str, list[Sent]]] = [{} for _ in PRODUCERS]
        for account, history in self.histories.items():
            dice.choice(dealt)[account] = history
        self.began = time.time()
        for name, mine in zip(PRODUCERS, dealt, strict=True):
            runs = [run for wave in waves(mine, dice) for run in wave]
            prefix = self.settings.topics.prefix
            lines = [(f"{prefix}{sent.topic}", run.account, sent.value) for run in runs for sent in run.sent]
            producer.write(self._lines(name), lines)
            options = ("--address", self.stage.broker.address, "--seconds", str(self.seconds))
            command = ("-m", "tests.torture.producer", str(self._lines(name)), str(self._acknowledged(name)), *options)
            self.processes.add(name, (TALLY[0], *command, "--began", str(self.began)))

    @property
    def published(self) -> bool:
        """Whether every line was acknowledged."""
        return all(self.processes[name].finished for name in PRODUCERS)

    def acknowledged(self) -> dict[tuple[str, int, int], bytes | None]:
        """What the broker acknowledged, by topic without prefix, partition and offset; the values as published."""
        found: dict[tuple[str, int, int], bytes | None] = {}
        for name in PRODUCERS:
            sent = list(producer.lines(self._lines(name)))
            for said in acknowledged.read(self._acknowledged(name)):
                topic = logical(self.settings.topics.prefix, said.topic)
                found[topic, said.partition, said.offset] = sent[said.line][2]
        return found

    def acknowledged_places(self) -> Places:
        """The next offset behind what was acknowledged so far."""
        found: Places = {}
        for name in PRODUCERS:
            for said in acknowledged.read(self._acknowledged(name)):
                place = logical(self.settings.topics.prefix, said.topic), said.partition
                found[place] = max(found.get(place, 0), said.offset + 1)
        return found

    def tally(self, command: tuple[str, ...], seconds: float = PREPARE_SECONDS) -> str:
        """Run a `tally` command; returns what it printed.

        Raises:
            RuntimeError: it failed.
        """
        code, out = self.run(command, seconds)
        if code:
            raise RuntimeError(f"`tally {' '.join(command)}` ended with {code}:\n{out}")
        return out

    def run(self, command: tuple[str, ...], seconds: float = PREPARE_SECONDS) -> tuple[int, str]:
        """Run a `tally` command; returns its exit code and all that it printed."""
        done = subprocess.run(
            [*TALLY, *command],
            cwd=ROOT,
            env=self.processes.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        return done.returncode, done.stdout

    def end(self) -> None:
        """End what still runs, and drop the tables; topics and logs stay until `forget`."""
        self.processes.end()
        self.clickhouse.command(f"DROP DATABASE IF EXISTS {self.clickhouse.target.database}")
        self.clickhouse.close()

    def forget(self) -> None:
        """Delete the topics: with those of a hundred rounds a broker takes half a minute to come back.

        Raises:
            KafkaException: the broker does not do it.
        """
        admin = AdminClient({"bootstrap.servers": self.stage.broker.address})
        names = [physical(self.settings.topics.prefix, topic) for topic in (*ALL_TOPICS, *NOTIFY_TOPICS)]
        for deleted in admin.delete_topics(names).values():
            deleted.result(QUERY_SECONDS)

    def _lines(self, name: str) -> Path:
        return self.folder / f"{name}.lines"

    def _acknowledged(self, name: str) -> Path:
        return self.folder / f"{name}.acknowledged"

    def _environment(self) -> Mapping[str, str]:
        chosen = {
            "HOME": str(self.folder),
            "KAFKA__BOOTSTRAP_SERVERS": self.stage.broker.address,
            "CLICKHOUSE__URL": self.stage.engine.address,
            "CLICKHOUSE__DATABASE": self.name,
            "TOPICS__PREFIX": f"{self.name}.",
            "TOPICS__PARTITIONS": str(PARTITIONS),
            "HASH_SEED": f"{SEED:016x}",
            "WORKER__GROUP_ID": f"{self.name}.workers",
            "WORKER__BATCH_EVENTS_MAX": "100",  # full batches, and record batches that are split between two of them
            "WORKER__SNAPSHOT_EVENTS": "1000",
            "SINK__GROUP_ID": f"{self.name}.sinks",
            "SINK__ROWS": "300",
            "SINK__LINGER_MS": "200",
            **{f"RULES__{rule.upper()}": str(value) for rule, value in RULES._asdict().items()},
        }
        return {f"TALLY_{key}": value for key, value in chosen.items()}
