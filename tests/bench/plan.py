"""The benches that `make bench` runs, in their order: floors and cores first, what needs a JVM last."""

from __future__ import annotations

from typing import NamedTuple


class Bench(NamedTuple):
    """A bench: its module, what it is about, how long it may take before it is ended as hanging, options of its own."""

    module: str
    about: str
    minutes_max: float
    words: tuple[str, ...] = ()


BENCHES: dict[str, Bench] = {
    "core": Bench("tests.bench.core_bench", "the core, stage by stage, over batch and state sizes", 12),
    "memory": Bench("tests.bench.memory_bench", "bytes an identity, a fact and a merged pair; growth", 12),
    "pauses": Bench("tests.bench.pauses_bench", "the longest batch while tables grow and a day ends", 12),
    "recovery": Bench("tests.bench.recovery_bench", "from a snapshot, and from the journal alone", 12),
    "worker": Bench("tests.bench.worker_bench", "Kafka to journal on a backlog, one worker and two", 15),
    "latency": Bench("tests.bench.latency_bench", "Kafka append to journal append, light load, idle", 15),
    "sink": Bench("tests.bench.sink_bench", "journal to ClickHouse with all views", 12),
    "sink-profile": Bench("tests.bench.sink_bench", "what tables, views and merges cost", 8, ("--profile",)),
    "freshness": Bench("tests.bench.freshness_bench", "Kafka append to the row in ClickHouse", 10),
    "collect": Bench("tests.bench.collect_bench", "vendors' deliveries over HTTP to Kafka", 8),
    "footprint": Bench("tests.bench.footprint_bench", "bytes on disk in Kafka and ClickHouse", 8),
    "peers": Bench("tests.bench.peers", "the same job by Faust, Quix Streams, Bytewax, Kafka Streams, Flink", 45),
}
