"""Rows a second and CPU µs a row of the sink and of its engine, on a backlog, on the real parts.

    python -m tests.bench.sink_bench [--rows 2000000] [--partitions 4] [--record-rows 20000]

Starts Kafka and the engine as `tally up` does, in a folder of its own, writes a journal of realistic records, runs one
`tally sink` over it, and waits until the engine has merged. CPU is read from /proc, of the sink's process and the
engine's.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.clickhouse import migrations
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import Target
from connectors.local import clickhouse, kafka
from connectors.local.keeper import Keeper
from connectors.local.processes import mark
from connectors.local.progress import silent
from connectors.local.service import Service as Running
from connectors.local.service import Wish
from pipeline.core import record as journal
from pipeline.core.event_schema import EVENTS
from tests.bench.measure import cpu_seconds

ROOT = Path(__file__).parents[2]
RULES = journal.Rules(1, 7, 5, 90, 50, 1)
VERBS = np.array(["sent", "delivered", "delivered", "opened", "opened", "clicked", "proxy_opened", "soft_bounced"])
BEGIN_US = 1_769_200_000_000_000  # January 2026
WAIT_SECONDS_MAX = 300


def events(rng: np.random.Generator, partition: int, n: int, offset: int) -> bytes:
    """Rows of `n` emails: 40 accounts, 200,000 profiles, 400 campaigns, two properties each; late by up to a day."""
    profile = rng.integers(0, 200_000, n)
    campaign = rng.integers(0, 400, n)
    verb = VERBS[rng.integers(0, len(VERBS), n)]
    arrived = BEGIN_US + (offset + np.arange(n)) * 50_000
    late = (rng.exponential(3_600e6, n) % 86_400e6).astype(np.int64)
    first = (rng.random(n) < 0.3) & (verb == "opened")
    clicked = verb == "clicked"
    stateful = np.isin(verb, ("delivered", "soft_bounced"))
    zeros, nulls = np.zeros(n, np.uint8), pa.nulls(n, pa.string())
    keys, values = pa.array(["ip", "agent"] * n), np.empty(2 * n, object)
    values[0::2] = [f"10.0.{x >> 8}.{x & 255}" for x in (profile % 65536).tolist()]
    values[1::2] = "Mozilla/5.0 (X11; Linux x86_64)"
    maps = pa.MapArray.from_arrays(np.arange(n + 1, dtype=np.int32) * 2, keys, pa.array(values, pa.string()))
    columns = {
        "account_id": [f"account-{partition}-{x}" for x in (profile % 40).tolist()],
        "channel": ["email"] * n,
        "type": np.char.add("email_", verb),
        "source": ["altcraft"] * n,
        "vendor_type": verb,
        "profile_id": [f"prof-{x:08x}" for x in profile.tolist()],
        "person_id": nulls,
        "message_id": [f"message-{x}" for x in campaign.tolist()],
        "campaign_id": [f"campaign-{x}" for x in (campaign // 4).tolist()],
        "link": pa.array([f"https://example.com/{x % 7}" for x in profile.tolist()], mask=~clicked),
        "identity": np.where(stateful, rng.integers(0, 1 << 63, n, np.uint64), 0).astype(np.uint64),
        "occurred_at": arrived - late,
        "arrived_at": arrived // 1000,
        "is_test": zeros.astype(bool),
        "hits": zeros + 1,
        "unique_open": first.astype(np.int8),
        "unique_click": (clicked & (rng.random(n) < 0.5)).astype(np.int8),
        "unique_link_click": (clicked & (rng.random(n) < 0.6)).astype(np.int8),
        "activity": (verb == "opened").astype(np.uint8),
        "cycle_start": pa.array(np.full(n, 1_767_225_600), pa.int64(), mask=verb != "opened"),
        "corrects": zeros.astype(np.uint64),
        "properties": maps,
        "attributes": pa.nulls(n, EVENTS.field("attributes").type),
        "origin_topic": ["events.email"] * n,
        "origin_offset": np.arange(offset, offset + n, dtype=np.uint64),
    }
    table = pa.table({name: pa.array(c) if not isinstance(c, pa.Array) else c for name, c in columns.items()})
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, EVENTS, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table.cast(EVENTS).combine_chunks())
    return bytes(out.getvalue())


def publish(address: str, topic: str, rows: int, partitions: int, record_rows: int) -> dict[int, int]:
    """Write the journal; returns the next offset by partition."""
    rng, chance = np.random.default_rng(1), random.Random(1)
    producer = Producer({"bootstrap.servers": address, "message.max.bytes": 16 << 20})
    last, ends = dict.fromkeys(range(partitions), 0), dict.fromkeys(range(partitions), 0)
    size = 0
    for number in range(rows // record_rows):
        p = number % partitions
        offset = ends[p] * record_rows
        record = journal.Record(
            RULES,
            BEGIN_US,
            [journal.Source("events.email", offset, offset + record_rows, record_rows)],
            persons=[journal.Person(f"account-{p}-1", f"prof-{x:08x}", "prof-00000001") for x in range(20)],
            allowance=[journal.Allowance(f"account-{p}-{x}", 0, BEGIN_US, offset, offset, None, ()) for x in range(40)],
            identities=rng.integers(0, 1 << 63, record_rows, np.uint64),
            payloads=rng.integers(0, 1 << 63, record_rows, np.uint64),
            origins=np.arange(record_rows, dtype=np.uint64),
            events=events(rng, p, record_rows, offset),
        )
        link = journal.Link(chance.getrandbits(64) or 1, last[p], "bench")
        value = journal.encode(record, link)
        size += len(value)
        producer.produce(topic, value, partition=p)
        producer.poll(0)
        last[p], ends[p] = link.id, ends[p] + 1
    producer.flush()
    say(f"journal: {sum(ends.values())} records, {size / rows:.0f} bytes a row")
    return ends


def next_offsets(group: Consumer, partitions: int) -> dict[int, int]:
    """What the sink has committed, by partition; the admin client's way to ask crashes while a coordinator is new."""
    try:
        found = group.committed([TopicPartition("journal", p) for p in range(partitions)], 5)
    except KafkaException:  # the group's coordinator is still starting
        return {}
    return {tp.partition: tp.offset for tp in found}


def say(line: str) -> None:
    """The bench's output."""
    sys.stdout.write(line + "\n")


def main() -> None:
    """See the module."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--partitions", type=int, default=4)
    options.add_argument("--record-rows", type=int, default=20_000)
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the sink and the folder too
    keeper = Keeper()
    with tempfile.TemporaryDirectory(prefix="tally-sink-bench-") as folder:
        wish = Wish(bound_to_parent=True, born=keeper.bind)
        broker = kafka.from_jars(Path(folder) / "kafka", wish, silent)
        engine = clickhouse.from_chdb(Path(folder) / "clickhouse", wish, silent)
        try:
            measure(chosen, broker.address, engine, Path(folder), keeper)
        finally:
            keeper.close()


def measure(chosen: argparse.Namespace, broker: str, engine: Running, home: Path, keeper: Keeper) -> None:
    """One run, printed."""
    assert engine.pid is not None, "the engine is a process of this machine"
    admin = AdminClient({"bootstrap.servers": broker})
    config = {"max.message.bytes": str(16 << 20)}
    admin.create_topics([NewTopic("journal", chosen.partitions, 1, config=config)])["journal"].result()
    group = Consumer({"bootstrap.servers": broker, "group.id": "tally-sink", "enable.auto.commit": False})
    ends = publish(broker, "journal", chosen.rows, chosen.partitions, chosen.record_rows)
    host, port = engine.address.removeprefix("http://").split(":")
    service = Service(Target(host, int(port), False, "default", "", "tally", None), 60)
    migrations.apply(service, migrations.find(service))
    before, begin = cpu_seconds(engine.pid), time.monotonic()
    environment = {**os.environ, "TALLY_HOME": str(home), "TALLY_KAFKA__BOOTSTRAP_SERVERS": broker}
    command = [sys.executable, "-m", "pipeline.cli.app", "--set", f"clickhouse.url={engine.address}", "sink"]
    sink = subprocess.Popen(command, cwd=ROOT, env=environment)
    keeper.bind(mark(sink.pid))
    try:
        while next_offsets(group, chosen.partitions) != ends and time.monotonic() - begin < WAIT_SECONDS_MAX:
            time.sleep(0.1)
        wall, sink_cpu, engine_cpu = time.monotonic() - begin, cpu_seconds(sink.pid), cpu_seconds(engine.pid) - before
    finally:
        sink.terminate()
        sink.wait(30)
        group.close()
    while service.query("SELECT count() FROM system.merges").rows[0][0]:
        time.sleep(0.2)
    merged_cpu = cpu_seconds(engine.pid) - before
    (rows,) = service.query("SELECT count() FROM tally.events").rows[0]
    parts = service.query("SELECT count() FROM system.parts WHERE active AND database = 'tally'").rows[0][0]
    say(f"{rows:,} rows in {wall:.1f} s: {rows / wall:,.0f} rows/s, start of the sink included; {parts} parts left")
    say(f"sink   {1e6 * sink_cpu / rows:.2f} µs CPU a row")
    say(f"engine {1e6 * engine_cpu / rows:.2f} µs CPU a row, {1e6 * merged_cpu / rows:.2f} once it has merged")
    say(f"both   {1e6 * (sink_cpu + merged_cpu) / rows:.2f} µs CPU a row")


if __name__ == "__main__":
    main()
