"""What is to be carried, and how much of a core may be in use for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.capacity.figures import Figures

SECONDS = 86_400
LATENCY_SHARES = (10, 50, 90)  # per cent of a worker's maximum at which latency was measured


@dataclass(frozen=True)
class Load:
    """What is to be carried. Shares are 0 to 1. Days that are defaults of settings are theirs."""

    events_per_day: int
    peak_factor: float = 4.0  # the busiest minutes against the day's mean
    accounts: int = 300
    largest_account: float = 0.1  # its share of all events
    profiles: int = 0  # 0: as many as events a day
    window_days: int = 7
    remember_days: int = 90
    retention_days: int = 365  # of journal and ClickHouse; both keep all unless something deletes
    source_days: int = 7
    headroom: float = 0.4  # share of cores and disks that stays free at the peak
    latency_ms: float | None = None  # p99, Kafka append to journal append
    worker_memory_gib: float = 32.0
    replicas: int = 3  # of each Kafka partition
    clickhouse_replicas: int = 1

    @property
    def people(self) -> int:
        """Profiles."""
        return self.profiles or self.events_per_day

    @property
    def largest(self) -> float:
        """The largest account's share: never below an even one."""
        return max(self.largest_account, 1 / self.accounts)

    @property
    def peak(self) -> float:
        """Events a second in the busiest minutes."""
        return self.events_per_day / SECONDS * self.peak_factor


def usable(load: Load, figures: Figures) -> tuple[float, str]:
    """Share of a core that may be in use at the peak, and what sets it.

    Raises:
        NotMeasured: a latency is asked for, and none was measured.
    """
    use, why = 1 - load.headroom, f"{load.headroom:.0%} headroom"
    if load.latency_ms is None:
        return use, why
    found = {share: figures.of(f"latency_p99_{share}") for share in LATENCY_SHARES}
    share = max((share for share, p99 in found.items() if p99 <= load.latency_ms), default=LATENCY_SHARES[0])
    if share / 100 >= use:
        return use, why
    told = f"p99 was {found[share]:,.0f} ms at {share} % of the maximum"
    lacks = f", and nothing measured keeps {load.latency_ms:g} ms" if found[share] > load.latency_ms else ""
    return share / 100, told + lacks
