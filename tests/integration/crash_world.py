"""A worker and a sink that die at failpoints and are started anew, and what must be true whenever they are done."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from connectors.clickhouse import migrations, recount
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from connectors.local.keeper import Keeper
from connectors.local.processes import mark
from pipeline import topic_admin
from pipeline.core.record import Record
from pipeline.settings import load
from pipeline.settings_tree import JOURNAL_MESSAGE_BYTES_MIN
from pipeline.topic_bounds import held
from pipeline.topic_plan import compare, wanted
from tests.e2e import arrival, views
from tests.e2e.deployment import PARTITIONS
from tests.e2e.publishing import Publisher, Run
from tests.e2e.recent import RULES
from tests.events import SEED
from tests.torture.process import Crash, armed, last_words

ROOT = Path(__file__).parents[2]
LAUNCHER = (sys.executable, "-m", "tests.torture.process", "--listen")
START_SECONDS = 60.0  # from the start of a process to a line in its log; it takes 0.3 to 3 s alone
DRAIN_SECONDS = 60.0  # until all that was published is in ClickHouse, processes that start included; it takes 3 to 5 s
STOP_SECONDS = 15.0
LOOK_SECONDS = 0.05
FATES = ("read", "accepted", "duplicates", "rejected")


class Victim:
    """One process at a time, under one name: killed by a failpoint, started anew."""

    def __init__(
        self, name: str, environment: dict[str, str], folder: Path, command: Callable[[int], list[str]]
    ) -> None:
        self._name, self._environment, self._folder, self._command = name, environment, folder, command
        self._keeper = Keeper()
        self._started = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the process has said."""
        return self._path.read_text(encoding="utf-8")

    def start(self, crash: Crash | None = None) -> None:
        """Start it, armed or not."""
        self._started += 1
        crashes = ["--crash", str(crash)] if crash else []
        with self._path.open("ab") as log:
            self._process = subprocess.Popen(
                [*LAUNCHER, *crashes, "--", *self._command(self._started)],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        self._keeper.bind(mark(self._process.pid))

    def arm(self, crash: Crash) -> None:
        """The process that runs will die there; where none runs any more, after a step that failed, another."""
        assert self._process is not None
        if self._process.poll() is not None:
            self.start()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{crash}\n".encode())
        self._process.stdin.flush()
        self.await_line(armed(crash))

    def await_line(self, text: str) -> None:
        """Until it has said so."""
        await_that(lambda: text in self.log, START_SECONDS, lambda: f"{self._name} to say {text!r}:\n{self.log}")

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        assert self._process is not None
        self._process.terminate()

    def has_died(self, crash: Crash) -> bool:
        """Whether it was killed, there and nowhere else."""
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            return False
        assert code == -signal.SIGKILL, f"{self._name} ended with exit code {code}:\n{self.log}"
        assert last_words(crash.point) in self.log, f"{self._name} died elsewhere:\n{self.log}"
        return True

    def check(self) -> None:
        """It runs."""
        assert self._process is not None
        assert self._process.poll() is None, f"{self._name} ended:\n{self.log}"

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self._process is not None
        self.ask_to_stop()
        return self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End what runs."""
        self.kill()
        self._keeper.close()

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._name}-{self._started}.log"


class CrashWorld:
    """Topics, tables, a worker and a sink of a test's own. `published` counts the records in the source topics."""

    def __init__(self, kafka: str, clickhouse: str, home: Path, dice: random.Random) -> None:
        name = f"c{secrets.token_hex(5)}"
        variables = _variables(name, kafka, clickhouse, home)
        self.settings = load({}, variables, home)
        self.clickhouse = Service(target(self.settings), seconds_max=60)
        self._publisher = Publisher(kafka, self.settings.topics.prefix, dice)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("TALLY_")}
        environment = kept | variables | {"PYTHONUNBUFFERED": "1"}
        self._environment = environment
        # A new group for every worker: it need not wait until the group has noticed that the last one is dead.
        group = f"worker.group_id={name}.worker"
        self.worker = Victim("worker", environment, home, lambda n: ["--set", f"{group}-{n}", "worker", "--name", "w"])
        self.sink = Victim("sink", environment, home, lambda n: ["sink"])

    @property
    def published(self) -> int:
        """Records so far."""
        return self._publisher.published

    def begin(self) -> None:
        """Topics, tables, processes."""
        topics = wanted(self.settings)
        topic_admin.apply(self.settings, topics, compare(topics, {}))
        migrations.apply(self.clickhouse, migrations.find(self.clickhouse))
        self.worker.start()
        self.sink.start()

    def publish(self, waves: Sequence[list[Run]]) -> None:
        """One wave behind the other, each acknowledged."""
        for wave in waves:
            self._publisher.publish(wave)

    def await_sunk(self) -> None:
        """Until all that was published is decided and inserted."""
        await_that(
            self._is_sunk, DRAIN_SECONDS, lambda: f"{self.published} events, there are {self._sunk()}:\n{self.log()}"
        )
        assert self._sunk() == self.published, f"ClickHouse read {self._sunk()} of {self.published} events"

    def rows(self, view: str) -> list[dict[str, Any]]:
        """A view's rows, as `views.rows`."""
        return views.rows(self.clickhouse, view)

    def assert_exact(self) -> None:
        """The journal's chain and positions are valid and it decides every record once; ClickHouse has just that."""
        decided = self._decided()
        found = Counter(
            {(row["topic"], row["partition"], f): row[f] for row in self.rows("conservation") for f in FATES}
        )
        differences = [
            f"{place[0]}, partition {place[1]}: ClickHouse has {found[place]} {place[2]}, the journal {decided[place]}"
            for place in sorted(decided | found)
            if found[place] != decided[place]
        ]
        for expression, table, fate in (("sum(hits)", "events", "accepted"), ("count()", "dead_letters", "rejected")):
            has, n = self._number(expression, table), sum(n for (_, _, of), n in decided.items() if of == fate)
            differences += [f"{table} has {has} rows of {n} events that were {fate}"] if has != n else []
        differences += [str(difference) for difference in recount.compare(self.clickhouse)]
        assert differences == [], "\n".join(differences)

    def _decided(self) -> Counter[tuple[str, int, str]]:
        """How many records of each topic and partition the journal decided, by fate: every one once."""
        bounds = held(self.settings)
        assert sum(bounds.values()) == self.published, "the source topics lost records"
        fates: Counter[tuple[str, int, str]] = Counter()
        faults = []
        for number in range(PARTITIONS):
            journal = arrival.journal(self.settings, number)
            faults += journal.check.faults  # none: each record of a topic goes on where the one before it ended
            for _, record in journal.valid:
                fates.update(_fates(number, record))
        faults += [
            f"{topic}, partition {number}: {fates[topic, number, 'read']} records of {n} were decided"
            for (topic, number), n in bounds.items()
            if fates[topic, number, "read"] != n
        ]
        assert faults == [], "\n".join(faults)
        return fates

    def audit(self) -> subprocess.CompletedProcess[str]:
        """`tally audit`, of everything."""
        command = [sys.executable, "-m", "pipeline.cli.app", "audit"]
        return subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)

    def log(self) -> str:
        """What both processes have said last."""
        return f"{self.worker.log[-3000:]}\n{self.sink.log[-3000:]}"

    def end(self) -> None:
        """End the processes, drop the tables."""
        self.worker.close()
        self.sink.close()
        self.clickhouse.command(f"DROP DATABASE IF EXISTS {self.settings.clickhouse.database}")
        self.clickhouse.close()

    def _number(self, expression: str, table: str) -> int:
        database = self.settings.clickhouse.database
        return int(self.clickhouse.query(f"SELECT {expression} FROM {database}.{table}").rows[0][0])

    def _is_sunk(self) -> bool:
        self.worker.check()
        self.sink.check()
        return self._sunk() >= self.published

    def _sunk(self) -> int:
        return self._number("sum(read)", "conservation")


def _fates(number: int, record: Record) -> Counter[tuple[str, int, str]]:
    found: Counter[tuple[str, int, str]] = Counter()
    for source in record.sources:
        found[source.topic, number, "read"] += source.next - source.first
        found[source.topic, number, "accepted"] += source.accepted
    for duplicate in record.duplicates:
        found[duplicate.topic, number, "duplicates"] += duplicate.events
    for reject in record.rejects:
        found[reject.topic, number, "rejected"] += 1
    return found


def await_that(holds: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    """Until `holds()` is true; fails with `what()` after the time."""
    assert comes(holds, seconds), f"waited {seconds:g} s for {what()}"


def comes(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether `holds()` becomes true within the time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _variables(name: str, kafka: str, clickhouse: str, home: Path) -> dict[str, str]:
    chosen = {
        "HOME": str(home),
        "KAFKA__BOOTSTRAP_SERVERS": kafka,
        "CLICKHOUSE__URL": clickhouse,
        "CLICKHOUSE__DATABASE": name,
        "TOPICS__PREFIX": f"{name}.",
        "TOPICS__PARTITIONS": str(PARTITIONS),
        "TOPICS__JOURNAL_MESSAGE_BYTES": str(
            JOURNAL_MESSAGE_BYTES_MIN
        ),  # the least there is: a batch of large rejects is halved
        "HASH_SEED": f"{SEED:016x}",
        "WORKER__BATCH_EVENTS_MAX": "100",
        "WORKER__SNAPSHOT_EVENTS": "1000",  # the least there is
        "SINK__GROUP_ID": f"{name}.sink",
        "SINK__NAME": "sink",  # a member that comes back under its name gets its partitions at once
        "SINK__ROWS": "300",
        "SINK__LINGER_MS": "100",
        **{f"RULES__{rule.upper()}": str(value) for rule, value in RULES._asdict().items()},
    }
    return {f"TALLY_{key}": value for key, value in chosen.items()}
