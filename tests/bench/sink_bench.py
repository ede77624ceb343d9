"""Rows a CPU second of the sink on a backlog, all views attached: client, engine and merges, by rows an insert.

    python -m tests.bench.sink_bench [--rows 2000000] [--sizes 20000 50000 100000] [--partitions 4] [--profile]

Starts Kafka and the engine as `tally up` does, in a folder of its own, writes a journal, and in every round runs one
`tally sink` over it for each size, into a database of its own, until the engine has merged what it wants to. The floor
of the same round inserts the same rows in the same sizes, as one Arrow stream each by `raw_insert`, into a table of the
same columns without views, codecs and deduplication. CPU is read from /proc: of the sink from the moment at which it
begins to read, and of the engine. What is there must be what the journal says (sink_traffic.py), else there is no
figure. --profile says instead what each view and each table's merges cost (sink_profile.py).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import clickhouse_connect
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.clickhouse import migrations, rebuild_statements, rows
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import Target
from connectors.local import clickhouse, kafka
from connectors.local.keeper import Keeper
from connectors.local.processes import mark
from connectors.local.progress import silent
from connectors.local.service import Wish
from tests.bench import sink_profile
from tests.bench.aims import ROWS, Better
from tests.bench.measure import cpu_seconds
from tests.bench.results import Figure, options, run
from tests.bench.sink_traffic import Totals, Written, differences, ranges, records
from tests.options import whole

ROOT = Path(__file__).parents[2]
WAIT_SECONDS_MAX = 300.0
LOOK_SECONDS = 0.05
QUIET_SECONDS = 1.0  # without a merge: the engine looks for the next one about as often
NAMED_SIZE = 50_000  # of the aim
RECORD_ROWS = 10_000  # so that all sizes are whole records
QUICK_ROWS, QUICK_SIZES = 200_000, [50_000]
BEGINS = "reading the journal"  # of the sink's log
US = "µs/row"
QUIET = {"enable.auto.commit": False, "log_level": 0}  # of a consumer that asks alone
PLAIN = "plain"  # a database with the tables and no rows
BARE = """CREATE TABLE {bare}.bare ENGINE = MergeTree ORDER BY (account_id, type, toDate(occurred_at), profile_id)
AS SELECT * FROM {plain}.events WHERE 0"""


class World(NamedTuple):
    """Kafka with the journal, the engine, and what the journal holds."""

    broker: str
    engine: int  # its process
    host: str
    port: int
    folder: Path
    keeper: Keeper
    totals: Totals
    chosen: argparse.Namespace

    def service(self, database: str) -> Service:
        """A connection to one database of the engine."""
        return Service(Target(self.host, self.port, False, "default", "", database, None), 120)


class Spent(NamedTuple):
    """CPU seconds of a run, its wall seconds without the last merges, and rows merged."""

    client: float
    inserting: float  # of the engine while rows came, merges of that time included
    merging: float  # of the engine afterwards
    wall: float
    merged: int

    @property
    def cpu(self) -> float:
        """All of it."""
        return self.client + self.inserting + self.merging


@contextmanager
def world(chosen: argparse.Namespace) -> Iterator[World]:
    """The parts, and the journal written."""
    keeper = Keeper()
    with tempfile.TemporaryDirectory(prefix="tally-sink-bench-") as folder:
        wish = Wish(bound_to_parent=True, born=keeper.bind)
        try:
            broker = kafka.from_jars(Path(folder) / "kafka", wish, silent)
            engine = clickhouse.from_chdb(Path(folder) / "clickhouse", wish, silent)
            assert engine.pid is not None, "the engine is a process of this machine"
            host, port = engine.address.removeprefix("http://").split(":")
            totals = Totals(RECORD_ROWS)
            _publish(broker.address, chosen.partitions, records(chosen.rows, chosen.partitions, totals))
            here = World(broker.address, engine.pid, host, int(port), Path(folder), keeper, totals, chosen)
            plain = here.service(PLAIN)
            migrations.apply(plain, migrations.find(plain))
            plain.close()
            yield here
        finally:
            keeper.close()


def _publish(address: str, partitions: int, written: Iterator[Written]) -> None:
    config = {"max.message.bytes": str(16 << 20)}
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic("journal", partitions, 1, config=config)])["journal"].result()
    producer = Producer({"bootstrap.servers": address, "message.max.bytes": 16 << 20})
    for one in written:
        producer.produce("journal", one.value, partition=one.partition)
        producer.poll(0)
    assert producer.flush(60) == 0, "the journal is not written"


def of_sink(here: World, size: int, name: str) -> Spent:
    """One sink over the whole journal.

    Raises:
        AssertionError: ClickHouse says something else than the journal.
    """
    service = here.service(name)
    migrations.apply(service, migrations.find(service))
    merged, log = _merged(service), here.folder / f"{name}.log"
    more = {
        "TALLY_HOME": str(here.folder),
        "TALLY_KAFKA__BOOTSTRAP_SERVERS": here.broker,
        "TALLY_CLICKHOUSE__URL": f"http://{here.host}:{here.port}",
        "TALLY_CLICKHOUSE__DATABASE": name,
        "TALLY_SINK__GROUP_ID": name,
        "TALLY_SINK__ROWS": str(size),
    }
    with log.open("wb") as out:
        command = [sys.executable, "-m", "pipeline.cli.app", "sink"]
        sink = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **more}, stderr=out, stdout=out)
    here.keeper.bind(mark(sink.pid))
    try:
        _wait(lambda: BEGINS in log.read_text("utf-8", "replace"), sink, log)
        begun, of_sink, of_engine = time.monotonic(), cpu_seconds(sink.pid), cpu_seconds(here.engine)
        group = Consumer({**QUIET, "bootstrap.servers": here.broker, "group.id": name})
        expected = {p: end // RECORD_ROWS for p, end in here.totals.ends.items()}
        _wait(lambda: _committed(group, here.chosen.partitions) == expected, sink, log)
        wall, client, inserted = time.monotonic() - begun, cpu_seconds(sink.pid), cpu_seconds(here.engine)
        group.close()
    finally:
        sink.terminate()
        sink.wait(30)
    _quiet(service)
    spent = (client - of_sink, inserted - of_engine, cpu_seconds(here.engine) - inserted)
    found = Spent(*spent, wall, _merged(service) - merged)
    wrong = differences(service, here.totals)
    assert not wrong, f"ClickHouse is not what the journal says ({'; '.join(wrong)}): no figures"
    service.command(rebuild_statements.drop(service.target, name))
    service.close()
    return found


def of_floor(here: World, size: int, name: str) -> Spent:
    """The rows of events alone, into a bare table."""
    service = here.service(name)
    service.command(f"CREATE DATABASE {name}")
    service.command(BARE.format(bare=name, plain=PLAIN))
    merged, before = _merged(service), cpu_seconds(here.engine)
    client = clickhouse_connect.get_client(host=here.host, port=here.port, autogenerate_session_id=False)
    used, wall = 0.0, 0.0
    again = records(here.chosen.rows, here.chosen.partitions, Totals(RECORD_ROWS))
    for partition, decided in ranges(again, size // RECORD_ROWS):
        content = rows.translate(partition, decided)["events"]
        begun, cpu = time.monotonic(), time.process_time()
        client.raw_insert(f"{name}.bare", content.columns, content.stream, fmt="ArrowStream")
        used, wall = used + time.process_time() - cpu, wall + time.monotonic() - begun
    inserted = cpu_seconds(here.engine)
    _quiet(service)
    found = Spent(used, inserted - before, cpu_seconds(here.engine) - inserted, wall, _merged(service) - merged)
    (count,) = service.query(f"SELECT count() FROM {name}.bare").rows[0]
    assert count == here.totals.rows, f"{count} rows are in the bare table, not {here.totals.rows}"
    service.command(rebuild_statements.drop(service.target, name))
    service.close()
    client.close()
    return found


def _committed(group: Consumer, partitions: int) -> dict[int, int]:
    """What the sink has committed, by partition; the admin client's way to ask crashes while a coordinator is new."""
    try:
        found = group.committed([TopicPartition("journal", p) for p in range(partitions)], 5)
    except KafkaException:  # the group's coordinator is still starting
        return {}
    return {tp.partition: tp.offset for tp in found}


def _wait(is_so: Callable[[], bool], sink: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not is_so():
        words = log.read_text("utf-8", "replace")[-2000:]
        assert sink.poll() is None, f"the sink ended:\n{words}"
        assert time.monotonic() < deadline, f"the sink is not through after {WAIT_SECONDS_MAX:.0f} s:\n{words}"
        time.sleep(LOOK_SECONDS)


def _quiet(service: Service) -> None:
    """Return when the engine has merged what it wants to."""
    last, deadline = time.monotonic(), time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() - last < QUIET_SECONDS:
        if service.query("SELECT count() FROM system.merges").rows[0][0]:
            last = time.monotonic()
        assert time.monotonic() < deadline, "the engine merges without an end"
        time.sleep(LOOK_SECONDS)


def _merged(service: Service) -> int:
    """Rows that the engine has merged since it began."""
    return int(service.query("SELECT sum(value) FROM system.events WHERE event = 'MergedRows'").rows[0][0])


def figures(size: int, rows: int, sinks: list[Spent], floors: list[Spent]) -> list[Figure]:
    """Of one size."""
    name = f"{size:,} rows an insert, all views"
    whole = tuple(rows / one.cpu for one in sinks)
    parts = {
        "the sink's own CPU": [one.client for one in sinks],
        "the engine's CPU while rows come, merges of that time included": [one.inserting for one in sinks],
        "the engine's CPU for merges afterwards": [one.merging for one in sinks],
    }
    return [
        Figure(
            "sink",
            f"{name}: client, engine and merges",
            ROWS,
            whole,
            Better.MORE,
            tuple(rows / one.cpu for one in floors),
            "the same rows by raw_insert into a bare table",
            "sink.rows" if size == NAMED_SIZE else None,
        ),
        Figure(
            "sink", f"{name}: rows a second of one sink", "rows/s", tuple(rows / s.wall for s in sinks), Better.MORE
        ),
        *(Figure("sink", f"{name}: {what}", US, tuple(1e6 * s / rows for s in used)) for what, used in parts.items()),
        Figure("sink", f"{name}: rows merged, of all tables, a row", "times", tuple(s.merged / rows for s in sinks)),
    ]


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """All sizes, in turn."""
    if chosen.quick:
        chosen.rows, chosen.sizes = QUICK_ROWS, QUICK_SIZES
    if chosen.profile:
        return sink_profile.measure(chosen.rows, chosen.partitions, NAMED_SIZE // RECORD_ROWS, RECORD_ROWS)
    sinks: dict[int, list[Spent]] = {size: [] for size in chosen.sizes}
    floors: dict[int, list[Spent]] = {size: [] for size in chosen.sizes}
    with world(chosen) as here:
        for number in range(chosen.rounds):
            for size in chosen.sizes:
                sinks[size].append(of_sink(here, size, f"round{number}_{size}"))
                floors[size].append(of_floor(here, size, f"floor{number}_{size}"))
        rows_ = here.totals.rows
    return [figure for size in chosen.sizes for figure in figures(size, rows_, sinks[size], floors[size])]


def main() -> None:
    """See the module."""
    parser = options(__doc__)
    parser.add_argument("--rows", type=whole(1, 10**9, "rows"), default=2_000_000)
    parser.add_argument(
        "--sizes", type=whole(1, 10**7, "rows"), nargs="+", default=[20_000, 50_000, 100_000], help="rows of an insert"
    )
    parser.add_argument("--partitions", type=whole(1, 1_000, "partitions"), default=4)
    parser.add_argument("--profile", action="store_true", help="what each view and each table's merges cost")
    run("sink", measure, parser)


if __name__ == "__main__":
    main()
