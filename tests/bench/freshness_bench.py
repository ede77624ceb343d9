"""How long a row waits for ClickHouse under light load, and what sink and engine use meanwhile.

    python -m tests.bench.freshness_bench [--rate 1000] [--seconds 12] [--partitions 12]

Events come at a pace, through a real worker and one sink with the default settings, all on this machine. A row is there
once a query of `events` finds its journal record, asked every LOOK_SECONDS: up to so much is the bench's own. Kafka's
appends are by the broker's clock (LogAppendTime of event and journal record). Every pace is held twice: looked at, for
the times, and left alone, for the CPU. In the end ClickHouse must have exactly the events that were published.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Self

import numpy as np

from connectors.clickhouse import migrations
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from connectors.local import clickhouse
from connectors.local.keeper import Keeper
from connectors.local.progress import silent
from connectors.local.service import Wish
from pipeline.core.record import decode
from pipeline.demo.services import Services
from pipeline.settings import load
from pipeline.topics import JOURNAL, SOURCE_TOPICS
from tests.bench.aims import CORES, S
from tests.bench.latency_bench import Loaded, Pace, Window
from tests.bench.measure import cpu_seconds
from tests.bench.results import Figure, options, run
from tests.bench.worker_world import Sample, World, used_between, world
from tests.options import number, whole

LOOK_SECONDS = 0.05
WAIT_SECONDS_MAX = 120.0
QUERY_SECONDS = 60
WARM_RATE, WARM_SECONDS = 5_000.0, 3.0
QUICK_SECONDS = 4.0
SEEN = "SELECT journal_partition, max(journal_offset) FROM events GROUP BY journal_partition"
ROWS = (  # what must be the number of accepted events once all is there
    "SELECT sum(hits) FROM events",
    "SELECT sum(accepted) FROM intake",
    "SELECT sum(read) - sum(duplicates) - sum(rejected) FROM intake",
    "SELECT sum(accepted) FROM engagement",
)
INSERTS = "SELECT sum(value) FROM system.events WHERE event = 'InsertQuery'"


class Look(NamedTuple):
    """A question that was answered: when, and the last journal offset of each partition that it found."""

    at: float
    last: dict[int, int]


class Waits(NamedTuple):
    """Seconds that each event waited, from its own append and from its journal record's."""

    event: np.ndarray
    record: np.ndarray


class Watch:
    """CPU of sink and engine, always; how far ClickHouse is, while it is looked at."""

    def __init__(self, service: Service, sink: int, engine: int) -> None:
        self._service, self._pids = service, (sink, engine)
        self.samples: list[Sample] = []
        self.looks: list[Look] = []
        self.looking = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self.samples.append(Sample(time.time(), *map(cpu_seconds, self._pids)))
            except (FileNotFoundError, ProcessLookupError):  # whoever waits for rows says that one has ended
                return
            if self.looking.is_set():
                last = {int(partition): int(offset) for partition, offset in self._service.query(SEEN).rows}
                self.looks.append(Look(time.time(), last))


@contextmanager
def watched(here: World) -> Iterator[tuple[Watch, Service]]:
    """An engine with its tables, and one sink that reads the journal into it."""
    keeper, services = Keeper(), Services(here.folder, bound_to_parent=True)
    try:
        engine = clickhouse.from_chdb(here.folder / "clickhouse", Wish(bound_to_parent=True, born=keeper.bind), silent)
        assert engine.pid is not None, "the engine is a process of this machine"
        os.environ["TALLY_CLICKHOUSE__URL"] = engine.address
        place = target(load())
        first = Service(place, QUERY_SECONDS)
        migrations.apply(first, migrations.find(first))
        first.close()
        asked, asking = (Service(place, QUERY_SECONDS, place.database) for _ in range(2))
        services.start("sink", ["sink"])
        with Watch(asked, services.marks()["sink"].pid, engine.pid) as watch:
            yield watch, asking
            services.check()
    finally:
        services.stop()
        keeper.close()


def waits(here: World, looks: Sequence[Look], window: Window) -> Waits:
    """Of the events that Kafka took within the window.

    Raises:
        AssertionError: one of them was never seen.
    """
    names = {here.name(topic): topic for topic in SOURCE_TOPICS}
    arrived: dict[tuple[str, int], list[int]] = {}
    for message in here.messages(SOURCE_TOPICS):
        arrived.setdefault((names[message.topic()], message.partition()), []).append(message.timestamp()[1])
    at = np.array([look.at for look in looks])
    reached = {p: np.array([look.last.get(p, -1) for look in looks]) for p in here.partitions}
    of_event, of_record = [np.zeros(0)], [np.zeros(0)]
    for message in here.messages([JOURNAL]):
        partition, (_, record) = message.partition(), decode(message.value())
        if not record.accepted:
            continue  # copies alone: it has no row
        for source in record.sources:
            times = np.array(arrived[source.topic, partition][source.first : source.next]) / 1000
            inside = times[(times >= window.first) & (times < window.last)]
            if not len(inside):
                continue
            number = int(np.searchsorted(reached[partition], message.offset()))
            assert number < len(at), f"record {message.offset()} of partition {partition} was never seen"
            of_event.append(at[number] - inside)
            of_record.append(np.full(len(inside), at[number] - message.timestamp()[1] / 1000))
    return Waits(np.concatenate(of_event), np.concatenate(of_record))


def wait_rows(service: Service, expected: int) -> None:
    """Until ClickHouse has so many events.

    Raises:
        AssertionError: it does not get them, or has more.
    """
    deadline, found = time.monotonic() + WAIT_SECONDS_MAX, [0]
    while set(found) != {expected}:
        assert time.monotonic() < deadline, f"ClickHouse has {found} events, not {expected}: no figures"
        time.sleep(10 * LOOK_SECONDS)
        found = [int(service.query(question).rows[0][0]) for question in ROWS]


def held(pace: Pace, chosen: argparse.Namespace) -> list[Figure]:
    """All rounds of a pace."""
    seen, cores, inserts = [], [], []
    with world(chosen.partitions, dict(pair.split("=", 1) for pair in chosen.env)) as here:
        here.begin_journal()
        with here.workers() as running, watched(here) as (watch, service):
            running.wait_ready()
            loaded = Loaded(here, running)
            loaded.run(Pace("warm", WARM_RATE), WARM_SECONDS)
            windows = []
            for _ in range(chosen.rounds):
                watch.looking.set()
                loaded.run(pace, chosen.seconds)
                wait_rows(service, loaded.published.accepted)
                watch.looking.clear()
                windows.append(loaded.windows[-1][1])
                before = int(service.query(INSERTS).rows[0][0])
                loaded.run(pace, chosen.seconds)
                alone = loaded.windows[-1][1]
                seconds = alone.last - alone.first
                cores.append([used / seconds for used in used_between(watch.samples, alone.first, alone.last)])
                wait_rows(service, loaded.published.accepted)
                inserts.append((int(service.query(INSERTS).rows[0][0]) - before) / chosen.seconds)
            seen = [waits(here, watch.looks, window) for window in windows]
    return figures(pace, chosen, seen, cores, inserts)


def figures(
    pace: Pace, chosen: argparse.Namespace, seen: list[Waits], cores: list[list[float]], inserts: list[float]
) -> list[Figure]:
    """Of a pace."""
    name = f"{pace.rate:,.0f} events/s, {chosen.partitions} partition numbers, one worker and one sink"

    def of(part: str, percent: int) -> tuple[float, ...]:
        return tuple(float(np.percentile(getattr(one, part), percent)) for one in seen)

    whole = "Kafka append to the row in ClickHouse"
    part = "journal append to the row in ClickHouse"
    aim = "freshness.p99" if pace.rate == 1_000 else None
    return [
        Figure("freshness", f"{name}: p50 of {part}", S, of("record", 50)),
        Figure("freshness", f"{name}: p99 of {part}", S, of("record", 99)),
        Figure("freshness", f"{name}: p50 of {whole}", S, of("event", 50)),
        Figure("freshness", f"{name}: p99 of {whole}", S, of("event", 99), aim=aim),
        Figure("freshness", f"{name}: cores of the sink", CORES, tuple(one for one, _ in cores)),
        Figure("freshness", f"{name}: cores of the engine", CORES, tuple(one for _, one in cores)),
        Figure("freshness", f"{name}: inserts of all tables", "inserts/s", tuple(inserts)),
    ]


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """All figures."""
    if chosen.quick:
        chosen.seconds, chosen.rounds = QUICK_SECONDS, 1
    return held(Pace(f"{chosen.rate:,.0f} events/s", chosen.rate), chosen)


def main() -> None:
    """See the module."""
    parser = options(__doc__)
    parser.add_argument("--rate", type=number(1, 10**7, "events/s"), default=1_000.0, help="events a second")
    parser.add_argument("--seconds", type=number(0.5, 3_600, "seconds"), default=12.0, help="of each pace and round")
    parser.add_argument("--partitions", type=whole(1, 1_000, "partitions"), default=12, help="partition numbers")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="of the settings")
    run("freshness", measure, parser)


if __name__ == "__main__":
    main()
