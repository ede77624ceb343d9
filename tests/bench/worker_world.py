"""A real Kafka with a backlog, and workers that go on from a state of given size: what the worker's benches share.

A state is given as journal and snapshot: one record opens each partition's journal, and a snapshot says what was
remembered when it was decided. So a worker recovers as it always does. What a run has done is read from its journal
afterwards, by its chain; a run whose journal does not say exactly what was published has no figures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.local import kafka
from connectors.local.faults import tail
from connectors.local.keeper import Keeper
from connectors.local.progress import silent
from connectors.local.service import Wish
from pipeline import schema_ids, topic_admin, topic_plan
from pipeline.context import rules_in_force
from pipeline.core import vocabulary
from pipeline.core.context import Context
from pipeline.demo.services import ServiceDied, Services
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings, load
from pipeline.topics import JOURNAL, SOURCE_TOPICS, physical
from tests.bench.core_world import Size, snapshot
from tests.bench.measure import cpu_seconds, peak_rss_bytes
from tests.bench.worker_journal import Fates, Journaled, fold

SEED = "5eed0f0be0c0ffee"
SAMPLE_SECONDS = 0.05  # between two looks at the CPU of worker and broker; 10 ms are its ticks
LOOK_SECONDS = 0.3  # between two questions how long the journal is
WAIT_SECONDS_MAX = 300.0
GONE_SECONDS_MAX = 30.0  # until a topic that is deleted is gone
CONSUME = 20_000  # messages of one call
READER_BYTES = 64 * 1024 * 1024  # fetched ahead of what reads a topic again


class Sample(NamedTuple):
    """CPU seconds used at a time (Unix seconds): of all workers, and of the broker."""

    at: float
    workers: float
    broker: float


class World:
    """Kafka and a home of its own; settings are those of the environment that `World` sets for its processes."""

    def __init__(self, folder: Path, partitions: int, more: Mapping[str, str]) -> None:
        self._keeper = Keeper()
        self.folder = folder
        broker = kafka.from_jars(folder / "kafka", Wish(bound_to_parent=True, born=self._keeper.bind), silent)
        assert broker.pid is not None
        self.broker = broker.pid
        os.environ |= {
            "TALLY_HOME": str(folder),
            "TALLY_HASH_SEED": SEED,
            "TALLY_KAFKA__BOOTSTRAP_SERVERS": broker.address,
            "TALLY_TOPICS__PARTITIONS": str(partitions),
            **more,
        }
        self.settings: Settings = load()
        self._firsts: dict[int, bytes] = {}
        self.group = ""  # of the workers that run; each time a new one, so that nothing is committed yet
        self._client = {**kafka_client(self.settings), "log_level": 0}
        self._admin = AdminClient(self._client)
        self._make(topic_plan.wanted(self.settings))

    def close(self) -> None:
        """End Kafka."""
        del self._admin
        self._keeper.close()

    def name(self, topic: str) -> str:
        """Of a topic, in Kafka."""
        return physical(self.settings.topics.prefix, topic)

    def publish(self, events: int, accounts: int, seed: int = 1) -> Fates:
        """Bulk traffic (5 % copies, 0.1 % merges); what must become of it."""
        command = ["simulate", "--traffic", "bulk", "--events", str(events), "--accounts", str(accounts)]
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli.app", *command, "--seed", str(seed), "--format", "json"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"the backlog was not published:\n{done.stderr}"
        expected = json.loads(done.stdout)["expected"]
        return Fates(expected["accepted"], expected["duplicates"], sum(expected["rejected"].values()))

    def preload(self, size: Size) -> None:
        """Let the partitions remember so much, by their shares of what is published, and begin the journal."""
        ids = schema_ids.resolve(self.settings)
        schemas, folder = schema_ids.writer_schemas(ids), self.settings.state_dir() / self.name(JOURNAL)
        context = Context(rules_in_force(self.settings), self.settings.seed(), schemas, vocabulary.load())
        ends = self.ends(SOURCE_TOPICS)
        whole = sum(ends.values())
        for partition, events in ends.items():
            share = events / whole if whole else 1 / len(ends)
            part = Size(*(round(share * number) for number in size))
            self._firsts[partition] = snapshot(folder, partition, part, context, time.time_ns() // 1000).value
        self.begin_journal()

    def begin_journal(self) -> None:
        """A journal in which nothing is decided, but the record of each partition that its snapshot goes up to."""
        name = self.name(JOURNAL)
        self._admin.delete_topics([name])[name].result()
        deadline = time.monotonic() + GONE_SECONDS_MAX
        while name in self._admin.list_topics(timeout=10).topics:
            assert time.monotonic() < deadline, f"{name} is still there {GONE_SECONDS_MAX:.0f} s after it was deleted"
            time.sleep(0.05)
        journal = [topic for topic in topic_plan.wanted(self.settings) if topic.name == name]
        # The broker's time on both sides, so that a difference of them means something; a worker does not look at it.
        configs = {"message.timestamp.type": "LogAppendTime"}
        self._make([replace(topic, configs={**topic.configs, **configs}) for topic in journal])
        producer = Producer(self._client)
        for partition, value in self._firsts.items():
            producer.produce(name, value, partition=partition)
        assert producer.flush(10) == 0

    @contextmanager
    def workers(self, count: int = 1, more: Mapping[str, str] | None = None) -> Iterator[Workers]:
        """Workers that run during the block; `more` of the environment for them alone."""
        services = Services(self.folder, bound_to_parent=True)
        before, self.group = dict(os.environ), f"bench-{time.monotonic_ns()}"
        os.environ |= {"TALLY_WORKER__GROUP_ID": self.group, **(more or {})}
        try:
            for number in range(count):
                services.start(f"worker-{number}", ["worker", "--name", f"bench-{number}"])
            pids = [mark.pid for mark in services.marks().values()]
            with Workers(self, services, pids) as running:
                yield running
        finally:
            os.environ.clear()
            os.environ |= before
            services.stop()

    def ends(self, topics: Sequence[str]) -> dict[int, int]:
        """Records by partition, summed over topics."""
        consumer = self.consumer("bench-ends")
        places = [TopicPartition(self.name(topic), p) for topic in topics for p in self.partitions]
        found: dict[int, int] = {}
        for place in places:
            found[place.partition] = (
                found.get(place.partition, 0) + consumer.get_watermark_offsets(place, timeout=10)[1]
            )
        consumer.close()
        return found

    def journaled(self) -> Journaled:
        """The whole journal, by its chain; see `worker_journal.fold`."""
        return fold((one.partition(), one.timestamp()[1], one.value()) for one in self.messages([JOURNAL]))

    def messages(self, topics: Sequence[str]) -> Iterator[Any]:
        """All records of topics, up to their ends of now."""
        left = sum(self.ends(topics).values())
        bounds = {"fetch.message.max.bytes": READER_BYTES, "queued.max.messages.kbytes": 4 * READER_BYTES // 1024}
        consumer = self.consumer("bench", **bounds)
        consumer.assign([TopicPartition(self.name(t), p, 0) for t in topics for p in self.partitions])
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while left > 0:
            assert time.monotonic() < deadline, f"{left} records of {', '.join(topics)} do not come"
            for message in consumer.consume(CONSUME, 1.0):
                if message.error() is not None:
                    raise KafkaException(message.error())
                left -= 1
                yield message
        consumer.close()

    def consumer(self, group: str, **more: Any) -> Consumer:
        """A quiet one that commits nothing."""
        return Consumer({**self._client, "group.id": group, "enable.auto.commit": False, **more})

    @property
    def partitions(self) -> range:
        """The partition numbers."""
        return range(self.settings.topics.partitions)

    @property
    def _count(self) -> int:
        return self.settings.topics.partitions

    def _make(self, topics: list[topic_plan.Topic]) -> None:
        topic_admin.apply(self.settings, topics, topic_plan.compare(topics, topic_admin.read(self.settings, topics)))


class Workers:
    """Workers that run, and the CPU that they and the broker use."""

    def __init__(self, world: World, services: Services, pids: Sequence[int]) -> None:
        self._world, self._services, self.pids = world, services, pids
        self.samples: list[Sample] = []
        self._over = threading.Event()
        self._sampling = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._sampling.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._sampling.join()

    def wait(self, is_done: Callable[[], bool], what: str) -> None:
        """Until something is so; a worker that ends meanwhile ends the bench."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not is_done():
            self._check()
            if time.monotonic() > deadline:
                self._tell_logs()
                raise AssertionError(f"after {WAIT_SECONDS_MAX:.0f} s not {what}")
            time.sleep(LOOK_SECONDS)

    def wait_ready(self) -> None:
        """Until all partitions are read: the log of one of the workers says so of each."""
        logs = [self._services.log(f"worker-{number}") for number in range(len(self.pids))]
        count = self._world.settings.topics.partitions
        self.wait(lambda: sum(log.read_text("utf-8").count(" is ready") for log in logs) >= count, "all are ready")

    def wait_all(self, events: int) -> None:
        """Until the workers have committed the offsets of so many events, which they do a second after deciding."""
        client = self._world.consumer(self._world.group)
        places = [TopicPartition(self._world.name(topic), p) for topic in SOURCE_TOPICS for p in self._world.partitions]

        def committed() -> int:
            return sum(max(place.offset, 0) for place in client.committed(places, timeout=10))

        self.wait(lambda: committed() >= events, f"{events} events are decided")
        client.close()

    def _check(self) -> None:
        try:
            self._services.check()
        except ServiceDied:
            self._tell_logs()
            raise

    def _tell_logs(self) -> None:
        for number in range(len(self.pids)):
            sys.stderr.write(tail(self._services.log(f"worker-{number}")) + "\n")

    def rss_mb(self) -> float:
        """The most memory that one of the workers has had."""
        return max(map(peak_rss_bytes, self.pids)) / 2**20

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            try:
                used = sum(map(cpu_seconds, self.pids)), cpu_seconds(self._world.broker)
            except (FileNotFoundError, ProcessLookupError):  # `wait` says which one has ended
                return
            self.samples.append(Sample(time.time(), *used))


def used_between(samples: Sequence[Sample], first: float, last: float) -> tuple[float, float]:
    """CPU seconds of workers and broker between two times (Unix seconds), interpolated."""
    at, workers, broker = (np.array(column) for column in zip(*samples, strict=True))
    of_workers, of_broker = (np.diff(np.interp([first, last], at, used))[0] for used in (workers, broker))
    return float(of_workers), float(of_broker)


@contextmanager
def world(partitions: int = 4, more: Mapping[str, str] | None = None) -> Iterator[World]:
    """A world that is gone behind the block."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="tally-bench-") as folder:
        made = None
        try:
            made = World(Path(folder), partitions, more or {})
            yield made
        finally:
            if made is not None:
                made.close()
            os.environ.clear()
            os.environ |= before
