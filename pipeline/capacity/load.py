"""What is to be carried, and what may be used for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

SECONDS = 86_400


@dataclass(frozen=True)
class Load:
    """What is to be carried. Shares are 0 to 1. Days that are defaults of settings are theirs."""

    events_per_day: int
    peak_factor: float = 4.0  # the busiest minutes against the day's mean
    accounts: int = 300
    largest_account: float = 0.1  # its share of all events
    profiles: int = 0  # 0: as many as events a day
    campaigns: int = 0  # that ever had an open or a click, by channel; 0: one a day and account, for retention_days
    window_days: int = 7
    remember_days: int = 90
    retention_days: int = 365  # of journal and ClickHouse; both keep all unless something deletes
    source_days: float = 7
    headroom: float = 0.4  # share of cores and disks that stays free at the peak
    latency_ms: float | None = None  # p99, Kafka append to journal append
    freshness_s: float = 30.0  # p99, Kafka append to the row in ClickHouse
    worker_memory_gib: float = 32.0
    replicas: int = 3  # of each Kafka partition
    clickhouse_replicas: int = 1

    @property
    def people(self) -> int:
        """Profiles."""
        return self.profiles or self.events_per_day

    @property
    def labels(self) -> int:
        """Campaigns in a channel that have a unique: remembered for ever."""
        return self.campaigns or min(self.accounts, self.events_per_day) * self.retention_days

    @cached_property
    def largest(self) -> float:
        """The largest account's share: never below an even one."""
        return max(self.largest_account, 1 / self.accounts)

    @cached_property
    def other(self) -> float:
        """The share of each account beside the largest: they have the rest evenly."""
        return (1 - self.largest) / (self.accounts - 1) if self.accounts > 1 else 0.0

    @cached_property
    def peak(self) -> float:
        """Events a second in the busiest minutes."""
        return self.events_per_day / SECONDS * self.peak_factor

    @property
    def use(self) -> float:
        """Share of a core that may be in use at the peak."""
        return 1 - self.headroom
