"""Events a second and CPU µs an event of the worker and of the broker, on a full backlog, on a real Kafka.

    python -m tests.bench.worker_bench [--events 2000000] [--accounts 300] [--set worker.batch_events_max=20000]

Publishes the simulator's bulk traffic (5 % duplicates, 0.1 % merges), then runs one `tally worker` over it. Figures are
over the last two thirds, read from /proc; the floor beside them reads the same topics with confluent-kafka and decodes
in bulk, and does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pyruhvro
from confluent_kafka import Consumer, TopicPartition

import schemas
from connectors.local import stack
from pipeline.core.framing import FRAME_BYTES
from pipeline.demo.run import prepare
from pipeline.demo.services import Services
from pipeline.demo.tail import JournalTail
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings, load
from pipeline.topics import SOURCE_TOPICS, physical, schema_of
from tests.bench.measure import cpu_seconds

WAIT_SECONDS_MAX = 600
LOOK_SECONDS = 0.5
FLOOR_CONSUME = 20_000  # messages of one call


class Sample(NamedTuple):
    """How far the worker was, and what it and the broker had used."""

    at: float
    events: int
    worker_cpu: float
    broker_cpu: float


def publish(events: int, accounts: int) -> int:
    """The backlog; returns how many events."""
    command = ["simulate", "--traffic", "bulk", "--events", str(events), "--accounts", str(accounts)]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.app", *command, "--format", "json"], stdout=subprocess.PIPE, check=True
    )
    return int(json.loads(done.stdout)["published"])


def watch(settings: Settings, services: Services, broker: int, published: int) -> tuple[list[Sample], int]:
    """Samples until all is in the journal, and the worker's peak of memory in bytes."""
    tail = JournalTail(settings)
    services.start("worker", ["worker", "--name", "bench"])
    worker = services.marks()["worker"].pid
    samples: list[Sample] = []
    peak = 0
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not samples or samples[-1].events < published:
        services.check()
        read = tail.look().read
        samples.append(Sample(time.monotonic(), read, cpu_seconds(worker), cpu_seconds(broker)))
        peak = max(peak, psutil.Process(worker).memory_info().rss)
        if time.monotonic() > deadline:
            raise SystemExit(f"after {WAIT_SECONDS_MAX} s only {read} of {published} events are read")
        time.sleep(LOOK_SECONDS)
    tail.close()
    return samples, peak


def floor(settings: Settings, published: int) -> dict[str, float]:
    """The same events read by confluent-kafka and decoded by pyruhvro, nothing else."""
    writers = {
        kind: json.dumps(schemas.avro(f"events/{kind}.v1.avsc")) for kind in ("channel", "profile", "account", "crm")
    }
    consumer = Consumer({**kafka_client(settings), "group.id": "floor", "enable.auto.commit": False})
    prefix, partitions = settings.topics.prefix, range(settings.topics.partitions)
    consumer.assign([TopicPartition(physical(prefix, t), p, 0) for t in SOURCE_TOPICS for p in partitions])
    began, cpu, read = time.monotonic(), time.process_time(), 0
    while read < published:
        bodies: dict[str, list[bytes]] = {}
        for message in consumer.consume(FLOOR_CONSUME, 1.0):
            topic = (message.topic() or "").removeprefix(prefix)
            bodies.setdefault(schema_of(topic), []).append((message.value() or b"")[FRAME_BYTES:])
            read += 1
        for kind, values in bodies.items():
            pyruhvro.deserialize_array(values, writers[kind])
    seconds, used = time.monotonic() - began, time.process_time() - cpu
    consumer.close()
    return {"events_s": round(read / seconds), "cpu_us": round(used / read * 1e6, 2)}


def figures(samples: list[Sample], published: int, peak: int) -> dict[str, float]:
    """Over the last two thirds of the events."""
    first = next(s for s in samples if s.events >= published / 3)
    last = next(s for s in samples if s.events >= published)
    events = last.events - first.events
    return {
        "events_s": round(events / (last.at - first.at)),
        "cpu_us": round((last.worker_cpu - first.worker_cpu) / events * 1e6, 2),
        "broker_us": round((last.broker_cpu - first.broker_cpu) / events * 1e6, 2),
        "cores": round((last.worker_cpu - first.worker_cpu) / (last.at - first.at), 2),
        "rss_mb": round(peak / 2**20),
    }


def main() -> None:
    """See the module."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, default=2_000_000)
    options.add_argument("--accounts", type=int, default=300)
    options.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="tally-bench-") as folder:
        os.environ["TALLY_HOME"] = folder
        for name, _, value in (pair.partition("=") for pair in chosen.set):
            os.environ["TALLY_" + name.upper().replace(".", "__")] = value
        running = stack.start(load(), bound_to_parent=True)
        services = Services(Path(folder), bound_to_parent=True)
        try:
            prepare()
            settings = load()
            published = publish(chosen.events, chosen.accounts)
            assert running.kafka.pid is not None, "the broker runs here, not in a container"
            samples, peak = watch(settings, services, running.kafka.pid, published)
            services.stop()
            found = {
                "events": published,
                "worker": figures(samples, published, peak),
                "floor": floor(settings, published),
            }
            sys.stdout.write(json.dumps(found, indent=2) + "\n")
        finally:
            services.stop()
            running.stop()


if __name__ == "__main__":
    main()
