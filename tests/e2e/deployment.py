"""Topics, tables, two workers and a sink of a test's own, all as processes, and what its views say."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.demo import run
from pipeline.demo.services import Services
from pipeline.settings import load
from tests.e2e import views
from tests.e2e.recent import RULES
from tests.events import SEED

PARTITIONS = 4
WORKERS = ("worker-1", "worker-2")
SINK = "sink"
START_SECONDS = 60.0
DRAIN_SECONDS = 60.0  # from the last record published until it is in ClickHouse; it takes 2 to 5, 15 after kills
LOOK_SECONDS = 0.2
QUERY_SECONDS = 60


class Deployment:
    """See the module. Made by `deployed`."""

    def __init__(self, home: Path) -> None:
        self.settings = load()
        self.clickhouse = Service(target(self.settings), QUERY_SECONDS)
        self.services = Services(home, bound_to_parent=True)

    def start(self) -> None:
        """Topics, tables and processes; returns when every partition has a worker."""
        run.prepare()
        for name in WORKERS:
            self.services.start(name, ["worker", "--name", name])
        self.services.start(SINK, ["sink"])
        self._await(self._is_ready, START_SECONDS, "workers that are ready")

    def await_sunk(self, events: int) -> None:
        """Until so many events have been read, decided and inserted."""
        self._await(lambda: self._sunk() >= events, DRAIN_SECONDS, f"{events} events in ClickHouse")
        assert self._sunk() == events

    def rows(self, view: str) -> list[dict[str, Any]]:
        """A view's rows, as `views.rows`."""
        return views.rows(self.clickhouse, view)

    def end(self) -> None:
        """Stop the processes, drop the tables."""
        self.services.stop()
        self.clickhouse.command(f"DROP DATABASE IF EXISTS {self.clickhouse.target.database}")
        self.clickhouse.close()

    def log(self, names: Iterable[str] = (*WORKERS, SINK)) -> str:
        """What the processes have said, its end."""
        return "\n".join(self.services.log(name).read_text(encoding="utf-8")[-2000:] for name in names)

    def _sunk(self) -> int:
        (row,) = self.clickhouse.query(f"SELECT sum(read) FROM {self.clickhouse.target.database}.conservation").rows
        return int(row[0])

    def _is_ready(self) -> bool:
        logs = [self.services.log(name).read_text(encoding="utf-8") for name in WORKERS]
        return all("is ready" in log for log in logs)

    def _await(self, holds: Any, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            self.services.check()
            assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}; the logs end with\n{self.log()}"
            time.sleep(LOOK_SECONDS)


@contextmanager
def deployed(kafka: str, clickhouse: str, home: Path) -> Iterator[Deployment]:
    """A deployment that ends with the block, however it ends."""
    name = f"e{secrets.token_hex(5)}"
    chosen = {
        "HOME": str(home),
        "KAFKA__BOOTSTRAP_SERVERS": kafka,
        "CLICKHOUSE__URL": clickhouse,
        "CLICKHOUSE__DATABASE": name,
        "TOPICS__PREFIX": f"{name}.",
        "TOPICS__PARTITIONS": str(PARTITIONS),
        "HASH_SEED": f"{SEED:016x}",
        "WORKER__GROUP_ID": f"{name}.workers",
        "WORKER__BATCH_EVENTS_MAX": "100",  # full batches, and record batches that are split between two of them
        "WORKER__SNAPSHOT_EVENTS": "1000",
        "SINK__GROUP_ID": f"{name}.sink",
        "SINK__NAME": SINK,
        "SINK__ROWS": "300",
        "SINK__LINGER_MS": "200",
        **{f"RULES__{rule.upper()}": str(value) for rule, value in RULES._asdict().items()},
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TALLY_")}
    variables = kept | {f"TALLY_{key}": value for key, value in chosen.items()}
    with mock.patch.dict(os.environ, variables, clear=True):
        made = Deployment(home)
        try:
            made.start()
            yield made
        finally:
            made.end()
