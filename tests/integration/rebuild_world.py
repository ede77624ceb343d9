"""A deployment whose tables are rebuilt: `tally rebuild clickhouse` as a process, also one that is killed at a gap."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from connectors.clickhouse import migrations
from connectors.clickhouse.rows import Decided, translate
from connectors.clickhouse.service import Service
from connectors.clickhouse.statements import token
from pipeline.audit.run import audit
from pipeline.core.record import decode
from pipeline.settings import load
from tests.integration.audit_world import AuditWorld
from tests.integration.sink_world import ROOT, await_that

RUN_SECONDS = 90.0
RIVAL = 3  # the offset of the rival's record in every partition
# Runs the command line again and again, each time in a child that dies by SIGKILL in front of the exchange's step of a
# number; ends with 0 where every child died so. One process that imports everything saves a second for each of them.
_DYING = """
import os, signal, sys
from connectors.clickhouse.rebuild_exchange import Exchange
from pipeline.audit import run
from pipeline.cli.app import main

gaps, steps = [int(gap) for gap in sys.argv.pop(1).split(",")], Exchange.steps

def child(gap):
    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    Exchange.steps = lambda self, partitions: [*(found := steps(self, partitions))[:gap], die, *found[gap:]]
    main()

for gap in gaps:
    if (pid := os.fork()) == 0:
        child(gap)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != -signal.SIGKILL:
        sys.exit(f"it did not come to gap {gap}")
"""
# Columns of a table that have a text; the rest is the state of an aggregate. Two processes may note a migration twice.
_COMPARED = {
    "profile_state": "* EXCEPT three, finalizeAggregation(three)",
    "migrations": "DISTINCT number, name, sha256",
}


class Ended(NamedTuple):
    """A command's exit code and what it said."""

    code: int
    found: dict[str, Any]
    err: str


class RebuildWorld(AuditWorld):
    """Two partitions of 11 records each. `values` are the journals as they are to be published."""

    def __init__(self, kafka: str, clickhouse: str, folder: Path, seed: int) -> None:
        super().__init__(kafka, clickhouse, folder, seed)
        self.values = [[*made[:RIVAL], made[RIVAL - 1], *made[RIVAL:]] for made in self._journals]

    def publish_part(self, begin: int, end: int | None = None) -> None:
        """Some records of every partition."""
        for number, values in enumerate(self.values):
            self.append(number, values[begin:end])

    def rebuild(self, *options: str) -> Ended:
        """`tally rebuild clickhouse --format json`, to its end."""
        with self.rebuilding(*options) as process:
            out, err = process.communicate(timeout=RUN_SECONDS)
        return Ended(process.returncode, json.loads(out) if out.strip() else {}, err)

    def die_at(self, *gaps: int, options: Sequence[str] = ()) -> None:
        """The same once for each gap, killed in front of that step of the exchange."""
        with self.rebuilding(*options, gaps=gaps) as process:
            _, err = process.communicate(timeout=RUN_SECONDS)
        assert process.returncode == 0, err

    @contextmanager
    def rebuilding(self, *options: str, gaps: Sequence[int] = ()) -> Iterator[subprocess.Popen[str]]:
        """The same, begun; killed with the block."""
        program = ["-c", _DYING, ",".join(map(str, gaps))] if gaps else ["-m", "pipeline.cli.app"]
        command = [sys.executable, *program, "rebuild", "clickhouse", "--format", "json", *options]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=ROOT, env=plain | self.settings, stdout=pipe, stderr=pipe, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def kill_at(self, rows: int) -> None:
        """A rebuild that is killed when its fresh tables have so many events, or more."""
        with self.rebuilding():
            await_that(lambda: self.fresh_events() >= rows, lambda: f"{rows} events, there are {self.fresh_events()}")

    def fresh_events(self) -> int:
        """Rows of the fresh table of events; -1 where there is none yet."""
        names = self.databases("fresh")
        if not names or not self.service.query(f"EXISTS TABLE {names[0]}.events").rows[0][0]:
            return -1
        return int(self.service.query(f"SELECT count() FROM {names[0]}.events").rows[0][0])

    def databases(self, kind: str) -> list[str]:
        """This world's databases of a kind: fresh, exchange, former, reference."""
        found = self.service.query("SELECT name FROM system.databases ORDER BY name").rows
        return [name for (name,) in found if name.startswith(f"{self.name}_{kind}")]

    def groups(self) -> list[str]:
        """The consumer groups of this world's rebuilds."""
        admin = AdminClient({"bootstrap.servers": self.kafka})
        found = admin.list_consumer_groups(request_timeout=30).result().valid
        return sorted(one.group_id for one in found if one.group_id.startswith(f"{self.name}-rebuild"))

    @contextmanager
    def member(self, group: str) -> Iterator[None]:
        """Somebody is in a group."""
        given: list[object] = []
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": group, "log_level": 0})
        consumer.subscribe([self.topic], on_assign=lambda _, partitions: given.extend(partitions))

        def has_joined() -> bool:
            consumer.poll(0.1)
            return bool(given)

        await_that(has_joined, lambda: f"a member of {group}")
        try:
            yield
        finally:
            consumer.close()

    def uuids(self) -> list[tuple[Any, ...]]:
        """Which tables are live."""
        sql = f"SELECT name, uuid FROM system.tables WHERE database = '{self.name}' AND engine LIKE '%MergeTree'"
        return self.service.query(f"{sql} ORDER BY name").rows

    def assert_exact(self, *_: object) -> None:
        """The audit finds no difference, and every table is as one insert of the journal leaves it."""
        settings = load({}, self.settings, self.folder)
        found = audit(settings, self.service, (), RUN_SECONDS, lambda text: None)
        assert found.differences == []
        assert {part.partition: part.offset for part in found.parts} == self.ends
        with self._reference() as reference:
            for table in [name for name, _ in self.uuids()]:
                assert self._digest(self.name, table) == self._digest(reference, table), table

    def drop(self) -> None:
        """Also what rebuilds leave behind."""
        for kind in ("fresh", "exchange", "former"):
            for name in self.databases(kind):
                self.service.command(f"DROP DATABASE IF EXISTS {name}")
        super().drop()

    @contextmanager
    def _reference(self) -> Iterator[str]:
        """Tables of the journal so far, made by one insert a partition."""
        name = f"{self.name}_reference"
        service = Service(replace(self.service.target, database=name), 60)
        try:
            migrations.apply(service, migrations.find(service))
            for number, values in enumerate(self.values):
                valid = [at for at in range(self.ends[number]) if at != RIVAL]
                decided = [Decided(at, decode(values[at])[1]) for at in valid]
                for table, content in translate(number, decided).items():
                    service.insert(table, content.columns, content.stream, token(number, 0, valid[-1]))
            yield name
        finally:
            service.command(f"DROP DATABASE {name}")
            service.close()

    def _digest(self, database: str, table: str) -> list[tuple[Any, ...]]:
        final = "" if table in ("events", "plans", "forecasts", "alerts", "rejects", "migrations") else "FINAL"
        found = f"SELECT {_COMPARED.get(table, '*')} FROM {database}.{table} {final}"
        return self.service.query(f"SELECT count(), sum(cityHash64(toString(tuple(*)))) FROM ({found})").rows


def empty(kafka: str, clickhouse: str, tmp_path: Path, seed: int) -> Iterator[RebuildWorld]:
    """Tables without a row, a journal without a record; a module's fixture: `world = pytest.fixture(empty)`."""
    made = RebuildWorld(kafka, clickhouse, tmp_path, seed)
    made.make_topic()
    made.migrate()
    yield made
    made.drop()
