"""What this worker may speak for: its partitions, as long as nobody else can have them.

A partition is held while its lane is ready and the group's coordinator confirmed this member within LEASE: so long
after a heartbeat it gives the partition to nobody else. A worker that was stopped (SIGSTOP, a frozen machine) does not
know what happened meanwhile, but its clock went on: it holds nothing until its next heartbeat is answered.
Written by the event loop and the consumer's thread, read by the thread that serves metrics: every change replaces.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from time import monotonic
from typing import Protocol

from pipeline import metrics


class Waits(Protocol):
    """A lane, as far as its lag goes."""

    partition: int
    epoch: int

    def waiting_since(self) -> dict[str, int]:
        """By topic, when the oldest event arrived that was fetched and is not decided, Unix milliseconds."""


class Tenure:
    """See the module. `lease_s`: the least of what the group waits for a member that says nothing."""

    def __init__(self, lease_s: float, clock: Callable[[], float] = monotonic) -> None:
        self._lease_s, self._clock = lease_s, clock
        self._confirmed = float("-inf")
        self._assigned: frozenset[int] = frozenset()
        self._met: set[int] = set()  # partitions that ever were this worker's
        self._ready: Mapping[int, Waits] = {}
        self._opened: Callable[[], None] = lambda: None

    def confirm(self, sent_at: float) -> None:
        """A heartbeat that was sent then (monotonic) was answered: the session is alive, and no rebalance goes on."""
        self._confirmed = sent_at

    def assign(self, partitions: Collection[int]) -> None:
        """A rebalance ended with these partitions here."""
        metrics.REBALANCES.inc()
        self._assigned = frozenset(partitions)
        self._met |= self._assigned
        self._ready = {partition: lane for partition, lane in self._ready.items() if partition in self._assigned}
        self.sweep()

    def open(self, lane: Waits) -> None:
        """A lane became ready."""
        self._ready = {**self._ready, lane.partition: lane}
        metrics.LANE_READY.labels(lane.partition).set(1)
        metrics.PARTITION_REFUSED.labels(lane.partition).set(0)
        self._opened()

    def close(self, partition: int) -> None:
        """A lane is not ready any more."""
        self._ready = {number: lane for number, lane in self._ready.items() if number != partition}
        metrics.LANE_READY.labels(partition).set(0)

    def leave(self) -> None:
        """This worker leaves the group next."""
        for partition in list(self._ready):
            self.close(partition)

    def on_open(self, call: Callable[[], None]) -> None:
        """Call this whenever a lane became ready."""
        self._opened = call

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions that the group gave to this worker, ready or not."""
        return self._assigned

    @property
    def ready(self) -> Mapping[int, Waits]:
        """The lanes that are ready, whether the lease is over or not."""
        return self._ready

    def epochs(self) -> dict[int, int]:
        """The partitions that are held now, with the epoch of each one's lane."""
        if self._clock() - self._confirmed >= self._lease_s:
            return {}
        return {partition: lane.epoch for partition, lane in self._ready.items()}

    def sweep(self) -> None:
        """Drop the gauges of partitions that are another worker's."""
        for partition in self._met - self._assigned:
            for gauge in metrics.OF_PARTITION:
                gauge.remove_by_labels({"partition": str(partition)})
