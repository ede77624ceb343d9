"""How far a round's views have come, looked at by a thread of its own, and how long each fault kept them back.

A fault is recovered from when everything that was acknowledged before it is in ClickHouse; that takes in the fault's
own duration and whatever else was done meanwhile.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from connectors.clickhouse.service import Refused, Service, Unavailable
from connectors.clickhouse.settings import Target
from tests.torture.faults import Kind
from tests.torture.world import Places

LOOK_SECONDS = 0.3
QUERY_SECONDS = 5  # an engine that is stopped or full is looked at again later


@dataclass
class Recovery:
    """A fault that is watched: since when, what must be there, and after how many seconds it was (None: not yet)."""

    kind: Kind
    since: float
    wanted: Places
    seconds: float | None = None


class Progress:
    """See the module."""

    def __init__(self, target: Target) -> None:
        self._service = Service(target, QUERY_SECONDS)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.sunk: Places = {}
        self.recoveries: list[Recovery] = []
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def watch(self, kind: Kind, wanted: Places) -> None:
        """From now on, until everything of `wanted` is there."""
        with self._lock:
            self.recoveries.append(Recovery(kind, time.monotonic(), wanted))

    def has(self, wanted: Places) -> bool:
        """Whether everything of `wanted` is in ClickHouse."""
        return all(self.sunk.get(place, 0) >= offset for place, offset in wanted.items())

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()
        self._service.close()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self._look()
            except (Unavailable, Refused):  # it was killed, or its disk is full
                continue

    def _look(self) -> None:
        database = self._service.target.database
        found = self._service.query(f"SELECT topic, partition, read FROM {database}.conservation").rows
        self.sunk = {(topic, partition): read for topic, partition, read in found}
        with self._lock:
            for recovery in self.recoveries:
                if recovery.seconds is None and self.has(recovery.wanted):
                    recovery.seconds = time.monotonic() - recovery.since
