"""What is aimed at, in one place: each aim by the key that a figure names.

Where an aim's sentence has no number ("flat", "as fast as one fold"), the number here is our reading of it, and `what`
says so. All aims hold with every rule on, and only for exact results.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Better(StrEnum):
    """Which way a figure should go."""

    LESS = "less"
    MORE = "more"


class Aim(NamedTuple):
    """A limit of a figure, in its unit; `beyond` are stricter limits that are wished for next, in their order."""

    key: str
    what: str
    unit: str
    limit: float
    better: Better = Better.LESS
    beyond: tuple[float, ...] = ()


US, MS, S, CORES, TIMES, BYTES = "µs/event", "ms", "s", "cores", "times", "bytes"
ROWS = "rows/CPU s"
LARGE = "10M identities, 5M facts"

_ALL = (
    Aim("core.2000", f"core with record encoding, {LARGE}, 0.1 % merges, 2,000 a batch", US, 4.5),
    Aim("core.10000", f"core with record encoding, {LARGE}, 0.1 % merges, 10,000 a batch", US, 3.3),
    Aim("core.flat", "core at 30M identities against 1M (flat, read as 1.15 times at most)", TIMES, 1.15),
    Aim("storm.2000", f"merge storm: core at 5 % merges and splits, {LARGE}, 2,000 a batch", US, 6.0),
    Aim("worker.cpu", f"worker, Kafka to journal, backlog, one process, {LARGE}", US, 5.0, beyond=(4.2, 3.5)),
    Aim("batch.fixed", "fixed cost of a batch in a live worker", MS, 2.0),
    Aim("latency.p50", "Kafka append to journal append at 25,000 events/s, p50", MS, 80.0),
    Aim("latency.p99", "Kafka append to journal append at 25,000 events/s, p99", MS, 250.0),
    Aim("latency.cores", "worker at 25,000 events/s", CORES, 0.4),
    Aim("light.p99", "light load, 1,000 events/s over 12 partition numbers in one worker, p99", S, 1.0),
    Aim("light.cores", "light load, 1,000 events/s over 12 partition numbers in one worker", CORES, 0.15),
    Aim("idle.cores", "idle worker, 12 partition numbers", CORES, 0.02),
    Aim(
        "sink.rows",
        "sink with all views attached, 50,000 rows an insert; client, engine, merges",
        ROWS,
        2e5,
        Better.MORE,
    ),
    Aim("freshness.p99", "Kafka append to the row in ClickHouse under light load, p99", S, 5.0),
    Aim("recovery.snapshot", f"start of a worker to its first batch from a snapshot, {LARGE}", S, 5.0),
    Aim("recovery.journal", "recovery from the journal alone against one fold (read as 1.2 times at most)", TIMES, 1.2),
    Aim("memory.identity", "memory of an identity, beside a fixed part", BYTES, 42.0),
    Aim("memory.fact", "memory of a fact, beside a fixed part", BYTES, 75.0),
    Aim("memory.pair", "memory of a merged pair, beside a fixed part", BYTES, 150.0),
    Aim(
        "memory.flat",
        "memory after 50 million events at constant state (flat, read as 1.05 times at most)",
        TIMES,
        1.05,
    ),
    Aim("pauses.worst", "the longest batch at constant load: tables grow, a day ends", MS, 250.0),
    Aim(
        "peers.streams",
        "client CPU of Kafka Streams (exactly_once_v2) against ours, same job, same run",
        TIMES,
        3.0,
        Better.MORE,
    ),
    Aim("peers.flink", "client CPU of Flink against ours, same job, same run", TIMES, 3.0, Better.MORE),
    Aim("peers.quix", "client CPU of Quix Streams against ours, same job, same run", TIMES, 13.0, Better.MORE),
    Aim(
        "peers.faust",
        "client CPU of stock Faust (agent and tables) against ours, same job, same run",
        TIMES,
        100.0,
        Better.MORE,
    ),
)
AIMS: dict[str, Aim] = {aim.key: aim for aim in _ALL}
assert len(AIMS) == len(_ALL), "two aims have one key"
