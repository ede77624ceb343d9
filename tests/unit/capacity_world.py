"""Figures and a load made by hand, so that a plan can be calculated by hand: the calculator's tests share them."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.capacity.curves import Costs
from pipeline.capacity.figures import Figures, Measured
from pipeline.capacity.fleet import Fleet
from pipeline.capacity.load import Load
from pipeline.capacity.needs import Needs, needs

GIB = 1 << 30
VALUES = {
    "worker_us": 5.0,
    "broker_us": 0.5,
    "sink_rows_s": 200_000,
    "one_sink_rows_s": 100_000,
    "identity_bytes": 40,
    "fact_bytes": 75,
    "pair_bytes": 150,
    "label_bytes": 290,
    "sink_fixed_mib": 1024,
    "identities_measured": 30_000_000,
    "source_bytes": 100,
    "journal_bytes": 120,
    "row_bytes": 40,
    "profile_bytes": 80,
    "facts_an_event": 0.2,
    "pairs_a_profile": 0.1,
}
# By events/s and partitions. A worker's partition takes 0.01 cores and 5 µs an event, of the broker 0.02 and 0.5 µs.
AT: Mapping[str, tuple[float, str, float, int]] = {
    "worker_cores_idle": (0.12, "cores", 0, 12),
    "worker_cores_light": (0.125, "cores", 1_000, 12),
    "worker_cores_90": (0.54, "cores", 100_000, 4),
    "broker_cores_light": (0.2405, "cores", 1_000, 12),
    "broker_cores_90": (0.13, "cores", 100_000, 4),
    "worker_fixed_mib_4": (1_024, "MiB", 0, 4),
    "worker_fixed_mib_8": (2_048, "MiB", 0, 8),
    "latency_p99_light": (0.7, "s", 1_000, 12),
    "latency_p99_10": (80, "ms", 10_000, 4),
    "latency_p99_50": (150, "ms", 50_000, 4),
    "latency_p99_90": (400, "ms", 100_000, 4),
    "freshness_p99": (5, "s", 1_000, 12),
    "sink_cores": (0.1, "cores", 1_000, 12),
    "engine_cores": (0.5, "cores", 1_000, 12),
}
KNOWN = Figures(
    {name: Measured(value, "unit", "what", "by hand") for name, value in VALUES.items()}
    | {
        name: Measured(value, unit, "what", "by hand", rate=rate, partitions=partitions)
        for name, (value, unit, rate, partitions) in AT.items()
    }
)
COSTS = Costs.of(KNOWN)
# A hundred events a second at the mean, two hundred at the peak: what is expected is made by hand from these.
SMALL = Load(
    8_640_000, peak_factor=2, accounts=10, largest_account=0.5, profiles=1_000_000, campaigns=1_000_000, window_days=7,
    remember_days=10, retention_days=100, source_days=7, headroom=0.5, replicas=3, clickhouse_replicas=2,
)  # fmt: skip


def values(found: Needs) -> dict[str, float]:
    """Of a plan's rows, by what is needed."""
    return {row.what: row.value for row in found.rows}


def fast(rate: float, **more: float) -> Load:
    """So many events a second at the peak, nothing remembered that matters."""
    return Load(86_400, peak_factor=rate, headroom=0.5, **more)  # type: ignore[arg-type]


def fleet(load: Load) -> Fleet:
    """The fleet of a load by the figures made by hand."""
    return needs(load, KNOWN).plan.fleet
