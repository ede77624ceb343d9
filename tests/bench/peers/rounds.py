"""Interleaved rounds: every contestant once, then every one again, each run's output checked before its time counts."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from connectors.local.keeper import Keeper
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings
from tests.bench.peers import environments, ours
from tests.bench.peers.contestants import BY_KEY, OURS, Command, Start
from tests.bench.peers.data import DataSet, enriched
from tests.bench.peers.recount import compare, compare_sums
from tests.bench.peers.running import Child, Failed, Measured, Said, environment, watch
from tests.bench.peers.verdicts import Run

OURS_SECONDS_MAX = 120.0
SETTLED_SECONDS = 5.0  # without a change of the output's committed end: longer than any peer's commit interval
SETTLE_SECONDS_MAX = 30.0
POLL_SECONDS = 0.25


def say(line: str) -> None:
    """Progress."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


class Field:
    """Where the contestants run: broker, folder, data sets by number of events, what is to be started."""

    def __init__(self, broker: int, folder: Path, keeper: Keeper, data: Mapping[int, DataSet]) -> None:
        self._broker, self._folder, self._keeper, self._data = broker, folder, keeper, data
        self._job = folder / "job"

    def run(self, key: str, events: int, number: int, command: Command | None) -> Run:
        """One round of one contestant; `command` None: ours.

        Raises:
            Failed: it did not come to its end.
        """
        data = self._data[events]
        name = f"{key}-{number}"
        if command is None:
            return self._ours(name, data)
        return self._peer(name, data, command, BY_KEY[key].seconds_max)

    def _ours(self, name: str, data: DataSet) -> Run:
        ours.begin_anew(data)
        progress = ours.Progress(data.settings)
        more = environment(ours.environment(data, self._folder / name, f"peers-{name}"))
        child = Child(ours.command(), more, self._folder / f"{name}.log", data.events, OURS_SECONDS_MAX)
        try:
            measured = watch(child, progress, self._broker, self._keeper, lambda: None)
        finally:
            progress.close()
        return Run(measured, compare_sums(data.truth, ours.sums(data.settings)).words)

    def _peer(self, name: str, data: DataSet, command: Command, seconds_max: float) -> Run:
        out, settings = f"peers-out-{name}", data.settings
        admin = AdminClient(kafka_client(settings))
        admin.create_topics([NewTopic(out, settings.topics.partitions, 1)])[out].result()
        start = Start(data, self._job, self._folder / name, f"peers-{name}", out)
        log = self._folder / f"{name}.log"
        log.touch()
        more = environment(environments.environment({}))
        child = Child(command(start), more, log, data.events, seconds_max)
        measured: Measured = watch(child, Said(log), self._broker, self._keeper, lambda: _settle(admin, out, settings))
        wrong = compare(data.truth, enriched(settings, out)).words
        _delete(admin, name, out)
        return Run(measured, wrong)


def _settle(admin: AdminClient, topic: str, settings: Settings) -> None:
    """Until nothing more is committed to a topic."""
    places = [TopicPartition(topic, partition) for partition in range(settings.topics.partitions)]
    last: list[int] = []
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    since = time.monotonic()
    while time.monotonic() < min(deadline, since + SETTLED_SECONDS):
        asked = admin.list_offsets(
            dict.fromkeys(places, OffsetSpec.latest()), isolation_level=IsolationLevel.READ_COMMITTED
        )
        ends = [future.result().offset for future in asked.values()]
        if ends != last:
            last, since = ends, time.monotonic()
        time.sleep(POLL_SECONDS)


def _delete(admin: AdminClient, name: str, out: str) -> None:
    """A run's output and what its peer keeps in Kafka: the next one shall find the broker as this one did."""
    topics = [topic for topic in admin.list_topics(timeout=10).topics if f"peers-{name}" in topic or topic == out]
    for future in admin.delete_topics(topics).values():
        future.result()


def interleave(
    field: Field, wanted: Mapping[str, tuple[int, Command | None]], rounds: int
) -> tuple[dict[str, list[Run]], dict[str, str]]:
    """Runs by contestant, and why those failed that did: one that has failed is not started again.

    `wanted`: events and command by key, in the order of a round.
    """
    found: dict[str, list[Run]] = {key: [] for key in wanted}
    failed: dict[str, str] = {}
    for number in range(1, rounds + 1):
        for key, (events, command) in wanted.items():
            if key in failed:
                continue
            say(f"round {number} of {rounds}: {key}, {events:,} events")
            try:
                run = field.run(key, events, number, command)
            except Failed as error:
                failed[key] = str(error)
                say(f"{key} failed: {error}")
                continue
            found[key].append(run)
            say(f"{key}: {_words(run)}")
    return {key: runs for key, runs in found.items() if runs}, failed


def _words(run: Run) -> str:
    m = run.measured
    return (
        f"{m.cpu_us:.2f} µs client CPU, {m.broker_us:.2f} µs broker CPU, {m.events_s:,.0f} events/s, "
        f"{m.rss_mb:,.0f} MB, {run.wrong or 'exact'}"
    )


def order(keys: Sequence[str]) -> list[str]:
    """Ours first, then the peers in the order of the table."""
    return [key for key in (OURS, *BY_KEY) if key in keys]
