"""Worker processes over a real Kafka, with the counting core, and what their journal must say in the end."""

from __future__ import annotations

import asyncio
import functools
import os
import secrets
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from pipeline import topic_admin
from pipeline.journal.ports import Bounds, Place
from pipeline.journal.reader import KafkaReader, KafkaSession
from pipeline.journal.verify import Check, Seen
from pipeline.settings import Settings, load
from pipeline.topic_plan import compare, wanted
from pipeline.topics import JOURNAL, SOURCE_TOPICS, physical

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "tests.contract.counting")
START_S = 60.0  # from starting a worker to its partitions' being ready: 3 s alone, more on a busy machine
POLL_S = 0.05

TopicPartition = tuple[str, int]


class Found(NamedTuple):
    """What the journal's partitions hold: their checks, and the numbers read, by topic and partition."""

    checks: list[Check]
    numbers: dict[TopicPartition, list[int]]

    @property
    def faults(self) -> list[str]:
        """All faults."""
        return [f"{check.partition}: {fault}" for check in self.checks for fault in check.faults]

    @property
    def rivals(self) -> int:
        """Records outside the chain."""
        return sum(check.rivals for check in self.checks)


class Deployment:
    """Topics of one prefix, what was produced into them, and the worker processes over them."""

    def __init__(self, address: str, prefix: str, home: Path, overrides: Mapping[str, object] | None = None) -> None:
        # A broker that an address names outlives the run: its topics and groups must be this run's own.
        prefix = f"{prefix}{secrets.token_hex(4)}."
        self.address, self.prefix, self.home = address, prefix, home
        given = {"home": str(home), "kafka.bootstrap_servers": address, "topics.prefix": prefix}
        self.settings: Settings = load({**given, **(overrides or {})}, environ={})
        self.produced: dict[TopicPartition, int] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.log = home / "workers.log"

    def create_topics(self) -> None:
        """As `tally topics apply`."""
        topics = wanted(self.settings)
        topic_admin.apply(self.settings, topics, compare(topics, {}))

    @functools.cached_property
    def admin(self) -> AdminClient:
        """For what a test does to the cluster."""
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})

    def produce(self, n: int, places: Iterator[TopicPartition] | None = None) -> None:
        """The next `n` numbers of each place; all of them by default."""
        producer = Producer({"bootstrap.servers": self.address, "enable.idempotence": True, "log_level": 0})
        for place in places or self.places():
            first = self.produced.get(place, 0)
            for number in range(first, first + n):
                producer.produce(physical(self.prefix, place[0]), struct.pack(">q", number), partition=place[1])
            self.produced[place] = first + n
            producer.poll(0)
        assert producer.flush(60) == 0

    def places(self) -> Iterator[TopicPartition]:
        """Every partition of every source topic."""
        return ((topic, number) for number in range(self.settings.topics.partitions) for topic in SOURCE_TOPICS)

    def start(self, **variables: str) -> subprocess.Popen[bytes]:
        """Start a worker."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
        set_ = {
            "TALLY_HOME": str(self.home),
            "TALLY_KAFKA__BOOTSTRAP_SERVERS": self.address,
            "TALLY_TOPICS__PREFIX": self.prefix,
            "TALLY_TOPICS__PARTITIONS": str(self.settings.topics.partitions),
            "TALLY_WORKER__GROUP_ID": f"{self.prefix}workers",
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen(PROGRAM, cwd=ROOT, env={**kept, **set_, **variables}, stderr=log, stdout=log)
        self.processes.append(process)
        return process

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()

    def told(self) -> str:
        """What the workers wrote to standard error."""
        return self.log.read_text() if self.log.exists() else ""

    def wait_told(self, text: str, times: int = 1, seconds: float = START_S) -> None:
        """Return when a text stands in the log that often."""
        wait_until(lambda: self.told().count(text) >= times, seconds, lambda: f"{text!r} not in:\n{self.told()}")

    def found(self) -> Found:
        """What the journal holds now."""
        return asyncio.run(self._found())

    def wait_complete(self, seconds: float) -> Found:
        """Return what the journal holds once it has read all that was produced, and hold it to be exact."""
        found = self.found()
        deadline = time.monotonic() + seconds
        while self._events(found) < sum(self.produced.values()) and time.monotonic() < deadline:
            time.sleep(0.2)
            found = self.found()
        assert found.faults == []
        assert found.numbers == {place: list(range(n)) for place, n in self.produced.items()}, self.told()[-5000:]
        return found

    @staticmethod
    def _events(found: Found) -> int:
        return sum(check.events for check in found.checks)

    async def _found(self) -> Found:
        found = Found([], {})
        checks = (self._checked(number, found.numbers) for number in range(self.settings.topics.partitions))
        found.checks.extend(await asyncio.gather(*checks))
        return found

    async def _checked(self, number: int, numbers: dict[TopicPartition, list[int]]) -> Check:
        reader = KafkaReader({"bootstrap_servers": self.address}, self.settings.topics.journal_message_bytes)
        async with reader.session() as session:
            place = Place(physical(self.prefix, JOURNAL), number)
            held = (await session.bounds([place]))[place]
            check = Check(number, held.first)
            async for entries in session.read(place, held.first, held.next):
                for entry in entries:
                    _note(numbers, check, check.take(entry))
            check.end(await self._held(session, number))
        return check

    async def _held(self, session: KafkaSession, number: int) -> dict[str, Bounds]:
        places = {Place(physical(self.prefix, topic), number): topic for topic in SOURCE_TOPICS}
        bounds = await session.bounds(list(places))
        return {places[place]: held for place, held in bounds.items()}


def _note(numbers: dict[TopicPartition, list[int]], check: Check, seen: Seen) -> None:
    """The numbers of a valid record, source by source."""
    record = seen.record
    if not seen.valid or record is None:
        return
    values = struct.unpack(f">{len(record.events) // 8}q", record.events)
    at = 0
    for source in record.sources:
        count = source.next - source.first
        numbers.setdefault((source.topic, check.partition), []).extend(values[at : at + count])
        at += count


def wait_until(done: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Return when `done`; fails with `otherwise` after the time."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(POLL_S)


def stopped(
    process: subprocess.Popen[bytes], signal_: int = signal.SIGTERM, seconds: float = 20.0
) -> tuple[int, float]:
    """Stop a worker with a signal; its exit code, and how long it took."""
    began = time.monotonic()
    process.send_signal(signal_)
    code = process.wait(seconds)
    return code, time.monotonic() - began
