"""The real parts of a run as processes of their own: Kafka, the engine, one worker, one sink; and what became of it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from connectors.clickhouse.service import Service, Unavailable
from connectors.clickhouse.settings import target
from connectors.local.keeper import Keeper
from pipeline import topic_bounds
from pipeline.demo import run
from pipeline.demo.services import Services
from pipeline.demo.tail import JournalTail
from pipeline.settings import Settings, load
from tests.torture.broker import Broker
from tests.torture.engine import Engine

WORKER, SINK = "worker", "sink"
QUERY_SECONDS = 60
LOOK_SECONDS = 0.25
READY_SECONDS = 90.0
JOURNAL_SECONDS = 120.0  # to read the journal back: a gigabyte takes seconds


class Late(RuntimeError):
    """Something did not happen in time; says what, and where the logs are."""


class Fates(NamedTuple):
    """Events by fate."""

    read: int
    accepted: int
    duplicates: int
    rejected: int


class Tail(JournalTail):
    """The journal so far, and the bytes of its largest record."""

    largest_record_bytes = 0

    def _take(self, partition: int, offset: int, value: bytes) -> None:
        self.largest_record_bytes = max(self.largest_record_bytes, len(value))
        super()._take(partition, offset, value)


class Stage:
    """See the module. Made by `staged`."""

    def __init__(self, home: Path, keeper: Keeper) -> None:
        self.home = home
        self.broker = Broker(home / "kafka", keeper)
        self.engine = Engine(home / "clickhouse", keeper)
        self.services = Services(home, bound_to_parent=True)
        self.settings: Settings = load({}, {}, home)

    def start(self) -> None:
        """Kafka, the engine, topics and tables."""
        self.broker.start()
        self.engine.start()
        os.environ["TALLY_KAFKA__BOOTSTRAP_SERVERS"] = self.broker.address
        os.environ["TALLY_CLICKHOUSE__URL"] = self.engine.address
        self.settings = load()
        self.clickhouse = Service(target(self.settings), QUERY_SECONDS)
        run.prepare()
        self.tail = Tail(self.settings)

    def start_worker(self) -> None:
        """The worker; returns at once."""
        self.services.start(WORKER, ["worker", "--name", WORKER])

    def start_sink(self) -> None:
        """The sink; returns at once."""
        self.services.start(SINK, ["sink"])

    def await_ready(self) -> None:
        """Until every partition of the worker is ready, and the sink reads."""
        partitions = self.settings.topics.partitions
        self.until(lambda: self.log(WORKER).count("is ready") >= partitions, READY_SECONDS, "a worker that is ready")
        self.until(lambda: "partitions now: 0" in self.log(SINK), READY_SECONDS, "a sink that reads")

    def pids(self) -> dict[str, int]:
        """The processes whose memory is bounded."""
        return {name: marked.pid for name, marked in self.services.marks().items()}

    def log(self, name: str) -> str:
        """What a process has said."""
        return self.services.log(name).read_text(encoding="utf-8", errors="replace")

    def until(self, holds: Callable[[], bool], seconds: float, what: str) -> float:
        """Wait; returns how long it took.

        Raises:
            Late: it did not happen.
            ServiceDied: a process ended meanwhile.
        """
        began = time.monotonic()
        while not holds():
            self.services.check()
            if time.monotonic() - began > seconds:
                ends = "\n".join(f"{name}: {self.log(name)[-1500:]}" for name in self.services.marks())
                raise Late(f"waited {seconds:.0f} s for {what}; the logs end with\n{ends}")
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - began

    def published(self) -> int:
        """Events that the source topics hold."""
        return sum(topic_bounds.held(self.settings).values())

    def in_clickhouse(self) -> Fates:
        """What the views say; nothing while the engine is away."""
        columns = "sum(read), sum(accepted), sum(duplicates), sum(rejected)"
        try:
            (row,) = self.clickhouse.query(
                f"SELECT {columns} FROM {self.settings.clickhouse.database}.conservation"
            ).rows
        except Unavailable:
            return Fates(0, 0, 0, 0)
        return Fates(*map(int, row))

    def in_journal(self, events: int) -> Fates:
        """What the valid records say, once they tell of so many events or JOURNAL_SECONDS have passed."""
        deadline = time.monotonic() + JOURNAL_SECONDS
        while self.tail.look().read < events and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        totals = self.tail.totals
        return Fates(totals.read, totals.accepted, totals.duplicates, sum(totals.rejected.values()))

    def end(self) -> None:
        """Stop everything."""
        self.services.stop()
        with contextlib.suppress(AttributeError):  # the start failed before
            self.tail.close()
            self.clickhouse.close()
        self.broker.stop()
        self.engine.stop()


@contextlib.contextmanager
def staged(home: Path, overrides: dict[str, str] | None = None) -> Iterator[Stage]:
    """A started stage with settings of its own, ended with the block however it ends."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    chosen = {"TALLY_HOME": str(home), "TALLY_HASH_SEED": "9f86d081884c7d65", **(overrides or {})}
    keeper = Keeper()
    with mock.patch.dict(os.environ, kept | chosen, clear=True):
        stage = Stage(home, keeper)
        try:
            stage.start()
            yield stage
        finally:
            stage.end()
            keeper.close()
