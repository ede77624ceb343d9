"""Bytes on disk: an event in Kafka's source topics and in the journal, an event and a profile in ClickHouse.

    python -m tests.bench.footprint_bench [--events 1000000] [--realistic 200000] [--rounds 1] [--json FILE]

Publishes the simulator's traffic on a fresh stack, runs worker and sink until all is in ClickHouse and merged, then
looks at Kafka's segments and ClickHouse's active parts: one copy of each, no replication. The journal says beside it
what share of events leaves a fact, and how many pairs are merged. Bulk traffic is what the other benches run on;
realistic traffic has the vendors' attributes, links and bad bytes, and takes more.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from connectors.local import stack
from pipeline.core.record import decode
from pipeline.demo.run import prepare
from pipeline.demo.services import Services
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings, load
from pipeline.topics import JOURNAL, SOURCE_TOPICS, physical
from tests.bench.results import Figure, options, run
from tests.options import whole

WAIT_SECONDS = 240  # from the last event published to the last one in ClickHouse
MERGE_SECONDS_MAX = 60.0  # then parts that would still merge are left as they are
SEGMENT = re.compile(r"^\d{20}\.log$")  # its index beside it is 0.1 % of it, and preallocated in a segment at work
BY_PROFILE = ("profile_seen", "profile_state", "person_map", "person_members")  # tables that grow with the profiles
TICKS = "SELECT count() FROM system.merges"
PARTS = "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = '{}' GROUP BY table"


class Journaled(NamedTuple):
    """What the journal says of all events."""

    read: int
    accepted: int
    facts: int
    pairs: int


class Found(NamedTuple):
    """Bytes on disk after one run, and what they are of."""

    journaled: Journaled
    source_bytes: int
    journal_bytes: int
    tables: dict[str, tuple[int, int]]  # rows and bytes
    profiles: int


@contextmanager
def running() -> Iterator[tuple[Settings, Path]]:
    """A fresh stack with topics, tables, a worker and a sink."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="tally-footprint-bench-") as folder:
        os.environ["TALLY_HOME"] = folder
        started = stack.start(load(), bound_to_parent=True)
        services = Services(Path(folder), bound_to_parent=True)
        try:
            prepare()
            for name in ("worker", "sink"):
                services.start(name, [name])
            yield load(), Path(folder)
        finally:
            services.stop()
            started.stop()
            os.environ.clear()
            os.environ |= before


def once(traffic: str, events: int) -> Found:
    """Publish, wait until all is merged, look."""
    with running() as (settings, folder):
        _tally("simulate", "--traffic", traffic, "--events", str(events), "--accounts", "300")
        _tally("wait", "--timeout", str(WAIT_SECONDS))
        service = Service(target(settings), WAIT_SECONDS)
        _await_merges(service)
        database = settings.clickhouse.database
        tables = {str(table): (rows, size) for table, rows, size in service.query(PARTS.format(database)).rows}
        ((profiles,),) = service.query(f"SELECT uniqExact(account_id, profile_id) FROM {database}.events").rows
        service.close()
        return Found(
            journaled(settings),
            segments(folder, settings, SOURCE_TOPICS),
            segments(folder, settings, (JOURNAL,)),
            tables,
            profiles,
        )


def _tally(*words: str) -> None:
    command = [sys.executable, "-m", "pipeline.cli.app", *words, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"tally {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}"
    json.loads(done.stdout)


def _await_merges(service: Service) -> None:
    """Until two looks in a row find no merge at work."""
    ends, still = time.monotonic() + MERGE_SECONDS_MAX, 0
    while still < 2 and time.monotonic() < ends:
        still = 0 if service.query(TICKS).rows[0][0] else still + 1
        time.sleep(1.0)


def segments(folder: Path, settings: Settings, topics: tuple[str, ...]) -> int:
    """Bytes of the topics' segments."""
    wanted = {physical(settings.topics.prefix, topic) for topic in topics}
    found = [path for path in (folder / "kafka").rglob("*.log") if SEGMENT.match(path.name)]
    sizes = [path.stat().st_size for path in found if path.parent.name.rpartition("-")[0] in wanted]
    assert sizes, f"no segment of {', '.join(wanted)} in {folder / 'kafka'}"
    return sum(sizes)


def journaled(settings: Settings) -> Journaled:
    """What the whole journal adds up to; one worker wrote it, so every record is valid."""
    topic, client = physical(settings.topics.prefix, JOURNAL), kafka_client(settings)
    size = {"fetch.message.max.bytes": settings.topics.journal_message_bytes}
    consumer = Consumer({**client, **size, "group.id": "footprint", "enable.auto.commit": False})
    places = [TopicPartition(topic, p, 0) for p in range(settings.topics.partitions)]
    left = sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
    consumer.assign(places)
    total, merged = Journaled(0, 0, 0, 0), set[Any]()
    deadline = time.monotonic() + WAIT_SECONDS
    while left:
        assert time.monotonic() < deadline, f"{left} records of the journal do not come"
        for message in consumer.consume(100, 1.0):
            if message.error() is not None:
                raise KafkaException(message.error())
            _, record = decode(message.value() or b"")
            left -= 1
            read, accepted, facts = record.read, record.accepted, len(record.facts)
            total = Journaled(total.read + read, total.accepted + accepted, total.facts + facts, 0)
            merged |= {one[:2] for one in record.persons if one.person_id != one.profile_id}
    consumer.close()
    return total._replace(pairs=len(merged))


def figures(traffic: str, found: list[Found]) -> list[Figure]:
    """Of the rounds of one kind of traffic."""
    of_events = [sum(size for table, (_, size) in one.tables.items() if table not in BY_PROFILE) for one in found]
    of_profiles = [sum(one.tables.get(table, (0, 0))[1] for table in BY_PROFILE) for one in found]
    rows = {
        ("source topics, bytes an event", "bytes"): [one.source_bytes / one.journaled.read for one in found],
        ("journal, bytes an event", "bytes"): [one.journal_bytes / one.journaled.read for one in found],
        ("ClickHouse, table events, bytes a row", "bytes"): [_a_row(one, "events") for one in found],
        ("ClickHouse, tables that grow with events, bytes an accepted event", "bytes"): [
            size / one.journaled.accepted for size, one in zip(of_events, found, strict=True)
        ],
        ("ClickHouse, tables that grow with profiles, bytes a profile", "bytes"): [
            size / one.profiles for size, one in zip(of_profiles, found, strict=True)
        ],
        ("facts an accepted event", "facts"): [one.journaled.facts / one.journaled.accepted for one in found],
        ("merged profiles a profile", "pairs"): [one.journaled.pairs / one.profiles for one in found],
        ("accepted of those read", "share"): [one.journaled.accepted / one.journaled.read for one in found],
    }
    first = found[0]
    note = f"{traffic}: {first.journaled.read:,} events read, {first.profiles:,} profiles; one copy, no replication."
    return [
        Figure("footprint", f"{traffic}: {what}", unit, tuple(values), note=note)
        for (what, unit), values in rows.items()
    ]


def _a_row(found: Found, table: str) -> float:
    rows, size = found.tables[table]
    return size / rows


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Both kinds of traffic."""
    wanted = {"bulk": chosen.events, "realistic": chosen.realistic}
    if chosen.quick:
        wanted = dict.fromkeys(wanted, 20_000)
    made: list[Figure] = []
    for traffic, events in wanted.items():
        found = []
        for number in range(chosen.rounds):
            sys.stdout.write(f"{traffic}: {events:,} events, round {number + 1} of {chosen.rounds}\n")
            sys.stdout.flush()
            found.append(once(traffic, events))
        made += figures(traffic, found)
    return made


if __name__ == "__main__":
    parser = options(__doc__)
    parser.set_defaults(rounds=1)  # sizes hardly differ between rounds
    parser.add_argument("--events", type=whole(1, 10**9, "events"), default=1_000_000, help="of bulk traffic")
    parser.add_argument("--realistic", type=whole(1, 10**9, "events"), default=200_000, help="of realistic traffic")
    run("footprint", measure, parser)
