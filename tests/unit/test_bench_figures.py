"""What benches make of what they counted: bytes on disk by event and profile, the collector beside its floor."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from pipeline.settings import load
from tests.bench import collect_bench, footprint_bench, freshness_bench, latency_bench, sink_bench, worker_bench
from tests.bench.aims import AIMS, CORES
from tests.bench.capacity_figures import SOURCES
from tests.bench.capacity_figures import found as found_figures
from tests.bench.collect_bench import COLLECTOR, FLOOR, Measured
from tests.bench.floor import Floor
from tests.bench.footprint_bench import Found, Journaled
from tests.bench.kept import Kept
from tests.bench.results import Figure, Outcome

TABLES = {"events": (800, 16_000), "intake": (10, 800), "profile_state": (50, 3_000), "person_map": (5, 1_000)}
FOUND = Found(Journaled(1_000, 800, 200, 40), 90_000, 120_000, TABLES, 400)


def test_bytes_are_told_by_what_they_grow_with() -> None:
    told = {one.name.removeprefix("bulk: "): one.values for one in footprint_bench.figures("bulk", [FOUND, FOUND])}
    assert told == {
        "source topics, bytes an event": (90, 90),
        "journal, bytes an event": (120, 120),
        "ClickHouse, table events, bytes a row": (20, 20),
        "ClickHouse, tables that grow with events, bytes an accepted event": (21, 21),
        "ClickHouse, tables that grow with profiles, bytes a profile": (10, 10),
        "facts an accepted event": (0.25, 0.25),
        "merged profiles a profile": (0.1, 0.1),
        "accepted of those read": (0.8, 0.8),
    }


def test_segments_are_counted_by_topic_without_indexes_and_logs(tmp_path: Path) -> None:
    settings = load({}, {"TALLY_TOPICS__PREFIX": "shop."}, tmp_path)
    written = {
        "shop.journal-0/00000000000000000000.log": 100,
        "shop.journal-1/00000000000000000100.log": 20,
        "shop.journal-1/00000000000000000100.index": 1_000,
        "shop.events.email-0/00000000000000000000.log": 3,
        "journal-0/00000000000000000000.log": 5_000,
        "kafka.log": 70_000,
    }
    for name, size in written.items():
        path = tmp_path / "kafka" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    assert footprint_bench.segments(tmp_path, settings, ("journal",)) == 120
    assert footprint_bench.segments(tmp_path, settings, ("events.email", "events.sms")) == 3
    with pytest.raises(AssertionError, match=r"no segment of shop\.events\.push"):
        footprint_bench.segments(tmp_path, settings, ("events.push",))


def test_each_figure_of_the_calculator_is_one_that_a_bench_makes() -> None:
    made = footprint_bench.figures("bulk", [FOUND]) + footprint_bench.figures("realistic", [FOUND])
    for workers in ("one worker", "2 workers on the broker's machine"):
        ran = worker_bench.Run(1.0, 2.0, 3.0, 0.5, 100.0, 10.0)
        made += worker_bench.figures(f"backlog, {workers}, 1 event", [ran], [Floor(1.0, 1.0)], workers == "one worker")
    for share in (0.1, 0.5, 0.9):
        pace = latency_bench.Pace(f"{1000 * share:,.0f} events/s ({share:.0%} of the maximum)", 1000 * share)
        made += latency_bench.paced(pace, [latency_bench.Waited(1.0, 2.0, 0.1, 0.1, 5.0, 1000 * share)])
    for pace in (latency_bench.LIGHT, latency_bench.Pace("25,000 events/s", latency_bench.NAMED_RATE)):
        made += latency_bench.paced(pace, [latency_bench.Waited(1.0, 2.0, 0.1, 0.1, 5.0, pace.rate)])
    waited = freshness_bench.Waits(np.ones(1), np.ones(1))
    light = latency_bench.Pace("1,000 events/s", 1_000.0)
    made += freshness_bench.figures(light, argparse.Namespace(partitions=12), [waited], [[0.1, 0.5]], [20.0])
    for size in (50_000, 100_000):
        made += sink_bench.figures(size, 1_000_000, *([sink_bench.Spent(1.0, 2.0, 3.0, 4.0, 5)],) * 2)
    fitting = {name: [one.name for one in made if source.fits(one)] for name, source in SOURCES.items()}
    of_aims = {name for name, source in SOURCES.items() if source.aim in AIMS}
    assert [name for name, found in fitting.items() if name not in of_aims and len(found) != 1] == []
    assert [source.aim for source in SOURCES.values() if source.aim and source.aim not in AIMS] == []
    assert all(found[0].startswith("realistic") for name, found in fitting.items() if name.endswith("_an_event"))


def test_a_paced_figure_says_the_load_at_which_it_was_measured() -> None:
    light = latency_bench.paced(latency_bench.LIGHT, [latency_bench.Waited(1.0, 2.0, 0.1, 0.3, 5.0, 1_000)])
    idle = Figure(
        "latency", f"idle, {latency_bench.LIGHT_PARTITIONS} partition numbers", CORES, (0.02,), aim="idle.cores"
    )
    found = dict(found_figures(Kept((Outcome("latency", (*light, idle)),))))
    assert {name: (one.value, one.rate, one.partitions) for name, one in found.items()} == {
        "worker_cores_light": (0.1, 1_000, 12),
        "broker_cores_light": (0.3, 1_000, 12),
        "latency_p99_light": (0.002, 1_000, 12),
        "worker_cores_idle": (0.02, 0, 12),
    }


def test_the_collector_stands_beside_kafka_alone_of_the_same_round_and_size() -> None:
    def of_round(times: float) -> list[Measured]:
        found = [Measured(COLLECTOR, size, 100.0 * times, 1.0, 2.0, 40.0 * times) for size in (1, 100)]
        return found + [Measured(FLOOR, size, 400.0 * times, 1.0, 2.0, 1e3 / size * times) for size in (1, 100)]

    told = {one.name: one for one in collect_bench.figures([of_round(1.0), of_round(2.0)])}
    cpu, rate = told[f"{COLLECTOR}, 100 events a request: CPU"], told[f"{COLLECTOR}, 1 events a request: rate"]
    assert (cpu.values, cpu.floor, cpu.to_floor) == ((40.0, 80.0), (10.0, 20.0), 4.0)
    assert (rate.values, rate.floor, rate.to_floor) == ((100.0, 200.0), (400.0, 800.0), 4.0)
    assert told[f"{FLOOR}, 1 events a request: CPU"].floor == ()


def test_the_collectors_table_has_the_medians_of_the_rounds() -> None:
    rows = [Measured("x", 1, value, 3 * value, 4 * value, 5 * value) for value in (1.0, 7.0, 2.0)]
    assert collect_bench.median_of(rows) == Measured("x", 1, 2.0, 6.0, 8.0, 10.0)
