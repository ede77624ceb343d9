"""How far ClickHouse is behind the journal, for the gauges of a sink; by partition, moved once a record or a range.

In:   what the sink reads, completes and refuses.  Out: lag in records and seconds, and up to when all is there.
Time: the broker's, of each journal record; this machine's, against it.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from time import time

from pipeline import metrics
from pipeline.core.record import UnknownFormat, decode

SECOND_US = 1_000_000


class Inserted:
    """See the module. Holds two numbers of each record that waits; the sink bounds those."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[tuple[int, int]]] = {}  # offset, and Unix milliseconds in the journal

    def forget(self) -> None:
        """A rebalance: the partitions that come back begin anew, the others are another sink's."""
        metrics.SINK_REBALANCES.inc()
        self._waiting.clear()
        for gauge in metrics.SINK_OF_PARTITION:
            gauge.clear()

    def begin(self, partition: int) -> None:
        """A partition is read from its last complete range on, be it again."""
        self._waiting.pop(partition, None)

    def find(self, partition: int, value: bytes | None) -> None:
        """The last valid record that was in ClickHouse already when the partition was begun."""
        with suppress(UnknownFormat):  # of a damaged body, which is none of this sink's any more
            self._tell(partition, decode(value or b"")[1].stream_time)

    def take(self, partition: int, offset: int, journaled_ms: int) -> None:
        """A record waits; offsets ascend."""
        self._waiting.setdefault(partition, deque()).append((offset, journaled_ms))

    def complete(self, partition: int, offset: int, stream_time: int | None) -> None:
        """All before `offset` is in ClickHouse; `stream_time` of the last valid record of it, UTC microseconds."""
        metrics.SINK_BATCHES.inc()
        waiting = self._waiting.get(partition, deque())
        while waiting and waiting[0][0] < offset:
            waiting.popleft()
        if stream_time is not None:
            self._tell(partition, stream_time)

    def refuse(self, partition: int) -> None:
        """The partition is not read any more."""
        self._waiting.pop(partition, None)
        metrics.SINK_PARTITION_REFUSED.labels(partition).set(1)

    def measure(self, partition: int, records: int) -> None:
        """Set the lag of a partition that is read: so many records are not in ClickHouse."""
        waiting = self._waiting.get(partition)
        since_ms = waiting[0][1] if waiting else None
        metrics.SINK_LAG_RECORDS.labels(partition).set(records)
        metrics.SINK_LAG_SECONDS.labels(partition).set(0 if since_ms is None else max(0.0, time() - since_ms / 1000))
        metrics.SINK_PARTITION_REFUSED.labels(partition).set(0)

    def _tell(self, partition: int, stream_time: int) -> None:
        metrics.SINK_COMPLETE_UNTIL_TIMESTAMP_SECONDS.labels(partition).set(stream_time / SECOND_US)
