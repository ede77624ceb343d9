"""Events a second and CPU µs an event of the worker and of the broker, on a full backlog, on a real Kafka.

    python -m tests.bench.worker_bench [--events 1500000] [--identities 10000000] [--facts 5000000] [--workers 1 2]

Publishes the simulator's bulk traffic (5 % copies, 0.1 % merges, 60 % of it in one account) once; each round begins a
journal anew, behind snapshots that remember so much, and runs `tally worker` over the whole. Figures are over the last
two thirds of the events. CPU is read from /proc, time is the broker's, of each journal record. A run counts only when
its journal says of every event published what must become of it. The floor reads the same topics with
confluent-kafka and decodes in bulk, and does nothing else; it runs once a round.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

from pipeline.topics import SOURCE_TOPICS
from tests.bench.aims import CORES, US, Better
from tests.bench.core_world import Size
from tests.bench.floor import Floor, read_and_decode
from tests.bench.results import Figure, options, run
from tests.bench.worker_journal import Entry, Fates
from tests.bench.worker_world import Sample, World, used_between, world
from tests.options import whole

FLOOR = "confluent-kafka reads, pyruhvro decodes, nothing else"
LARGE = Size(10_000_000, 5_000_000)
WARM_PART = 1 / 3  # of the events: imports, the first touch of the tables, the JVM's compiler


class Run(NamedTuple):
    """What one run of the worker over the backlog was."""

    events_s: float
    cpu_us: float
    broker_us: float
    cores: float
    rss_mb: float
    batch_events: float  # mean


def measured(entries: list[Entry], samples: list[Sample], rss_mb: float) -> Run:
    """Over the events behind the first WARM_PART, by the journal's times."""
    whole, so_far, first = sum(entry.read for entry in entries), 0, 0
    while so_far < WARM_PART * whole:
        so_far += entries[first].read
        first += 1
    began, ended = entries[first - 1].at_ms / 1000, entries[-1].at_ms / 1000
    workers, broker = used_between(samples, began, ended)
    events, seconds = whole - so_far, max(ended - began, 0.001)
    batches = len(entries) - first
    us = 1e6 / events
    return Run(events / seconds, workers * us, broker * us, workers / seconds, rss_mb, events / batches)


def one_run(here: World, workers: int, expected: Fates) -> Run:
    """A worker, or several, over the whole backlog from the state given.

    Raises:
        AssertionError: the journal says something else than what was published.
    """
    here.begin_journal()
    with here.workers(workers) as running:
        running.wait_all(expected.read)
        samples, rss_mb = running.samples, running.rss_mb()
    found = here.journaled()
    assert found.fates == expected, f"the journal says {found.fates}, published were {expected}: no figures"
    return measured([entry for entry in found.entries if entry.read], samples, rss_mb)


def figures(name: str, runs: list[Run], floors: list[Floor], aimed: bool) -> list[Figure]:
    """Of the rounds of one number of workers."""
    cpu_floor, rate_floor = tuple(one.cpu_us for one in floors), tuple(one.events_s for one in floors)
    events_core = tuple(1e6 / one.cpu_us for one in runs)

    def of(what: str, unit: str, field: str, better: Better = Better.LESS) -> Figure:
        return Figure("worker", f"{name}: {what}", unit, tuple(getattr(one, field) for one in runs), better)

    cpu = tuple(one.cpu_us for one in runs)
    return [
        Figure("worker", f"{name}: CPU", US, cpu, floor=cpu_floor, floor_of=FLOOR, aim="worker.cpu" if aimed else None),
        Figure("worker", f"{name}: rate a core of the worker's", "events/s", events_core, Better.MORE),
        Figure(
            "worker", f"{name}: rate", "events/s", tuple(one.events_s for one in runs), Better.MORE, rate_floor, FLOOR
        ),
        of("the broker's CPU", US, "broker_us"),
        of("cores in use by the worker", CORES, "cores", Better.MORE),
        of("events of a batch, mean", "events", "batch_events", Better.MORE),
        of("memory of a worker at its peak", "MB", "rss_mb"),
    ]


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """All figures; rounds of different numbers of workers take turns."""
    events = 200_000 if chosen.quick else chosen.events
    size = Size(100_000, 50_000, 1_000) if chosen.quick else Size(chosen.identities, chosen.facts)
    with world(chosen.partitions, dict(pair.split("=", 1) for pair in chosen.env)) as here:
        expected = here.publish(events, chosen.accounts)
        assert sum(here.ends(SOURCE_TOPICS).values()) == expected.read
        here.preload(size)
        runs: dict[int, list[Run]] = {count: [] for count in chosen.workers}
        floors = []
        for _ in range(chosen.rounds):
            floors.append(read_and_decode(here.settings, expected.read))
            for count, of_count in runs.items():
                of_count.append(one_run(here, count, expected))
    told = f"{size.identities:,} identities and {size.facts:,} facts remembered, {expected.read:,} events"
    found = []
    for count, of_count in runs.items():
        workers = "one worker" if count == 1 else f"{count} workers on the broker's machine"
        is_aim = count == 1 and size.identities >= LARGE.identities and size.facts >= LARGE.facts
        found += figures(f"backlog, {workers}, {told}", of_count, floors, is_aim)
    return found


def main() -> None:
    """See the module."""
    parser = options(__doc__)
    parser.add_argument("--events", type=whole(1, 10**9, "events"), default=1_500_000)
    parser.add_argument("--accounts", type=whole(1, 10**6, "accounts"), default=300)
    parser.add_argument("--partitions", type=whole(1, 1_000, "partitions"), default=4)
    parser.add_argument("--identities", type=whole(0, 10**9, "identities"), default=LARGE.identities)
    parser.add_argument("--facts", type=whole(0, 10**9, "facts"), default=LARGE.facts)
    parser.add_argument(
        "--workers", type=whole(1, 100, "workers"), nargs="+", default=[1, 2], help="numbers of workers to compare"
    )
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="of the settings")
    run("worker", measure, parser)


if __name__ == "__main__":
    main()
