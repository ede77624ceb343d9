"""A lane: one partition number, with what was fetched of all its topics and at most one batch handed out.

In:   slabs per topic, as fetched; the clock is passed in.  Out: batches in stream order.
Order: within a batch by the broker's time as a running maximum per topic, then by the topic's place in the flow; a
topic's own order never changes. So journal and topics together say in which order everything was decided.
Epochs: one ends at every revocation, assignment or failed append; batches of an older epoch are dead.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.core.batch import Slab
from pipeline.core.context import TOPIC_NUMBER
from pipeline.refusal import Refused

BUFFER_BATCHES = 2  # full batches that a lane holds ahead of the one at work: one ready, one forming
BUFFER_BYTES_MAX = 64 * 1024 * 1024  # of a lane, whatever the number of events; one drain of the fetches may go past it
BATCH_BYTES_MAX = 32 * 1024 * 1024  # of a batch, whatever the number of events: what one decision holds in memory
HELD_BYTES_MAX = 256 * 1024 * 1024  # of all lanes of a worker, however many: buffers and batches handed out


class Gap(NamedTuple):
    """Offsets of a topic that do not continue: another one came than was expected; none where both are the same."""

    topic: str
    expected: int
    found: int

    def refusal(self) -> Refused:
        """What is said when a second look found the same."""
        what = f"the broker does not give offset {self.expected}, which comes next"
        if self.found > self.expected:
            what = f"it has no offsets {self.expected} to {self.found - 1}: they were deleted before they were read"
        elif self.found < self.expected:
            what = f"it gives offset {self.found} again, where {self.expected} comes next"
        return Refused(
            f"{self.topic}: {what}, or the topic was made anew, is compacted or written in transactions. Going on "
            "would skip or recount events; nothing was skipped. Restore them, or recreate topics and journal"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What Faust carries as one message: slabs of one partition number, taken from a lane in one epoch."""

    lane: Lane
    epoch: int
    slabs: list[Slab]
    events: int
    size: int = 0  # bytes

    @property
    def partition(self) -> int:
        """The partition number."""
        return self.lane.partition

    def next_offsets(self) -> dict[str, int]:
        """Per topic the offset behind the batch."""
        return {slab.topic: slab.offset + len(slab.values) for slab in self.slabs}


class _Queued(NamedTuple):
    order: int  # running maximum of the broker's time, per topic
    slab: Slab
    size: int  # bytes


class Lane:
    """See the module. `idle` is set while no batch of any epoch is between its append and its apply."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.topics: frozenset[str] = frozenset()
        self.epoch = 0
        self.ready = False
        self.out: Batch | None = None
        self.idle = asyncio.Event()
        self.idle.set()
        self.gap: Gap | None = None
        self.events = 0
        self.size = 0
        self._queue: list[_Queued] = []
        self._sorted = True
        self._expected: dict[str, int] = {}
        self._highest: dict[str, int] = {}
        self._cut_at = -math.inf

    def close(self) -> None:
        """End the epoch: what is buffered or handed out is dead."""
        self.epoch += 1
        self.ready = False
        self.out = None
        self._queue = []
        self.events = self.size = 0

    def open(self, positions: Mapping[str, int]) -> None:
        """Take slabs from these offsets on; the caller has sought there."""
        self._expected = dict(positions)
        self._highest = {}
        self.ready = True

    @property
    def held(self) -> int:
        """Bytes buffered and handed out."""
        return self.size + (self.out.size if self.out is not None else 0)

    def full(self, events_max: int) -> bool:
        """Whether nothing more shall be fetched for now."""
        return self.events >= BUFFER_BATCHES * events_max or self.size >= BUFFER_BYTES_MAX

    def expected(self, topic: str) -> int:
        """The next offset of a topic."""
        return self._expected[topic]

    def feed(self, slab: Slab) -> Gap | None:
        """Buffer a slab, without what it holds from before the expected offset.

        One that does not reach up to that offset, or begins behind it, is no continuation: a gap is returned, and
        nothing is taken. The former happens where a topic was made anew, and its events must not vanish here.
        """
        expected = self._expected[slab.topic]
        if not slab.offset <= expected < slab.offset + len(slab.values):
            return Gap(slab.topic, expected, slab.offset)
        if slab.offset < expected:
            _, slab = slab.split(expected - slab.offset)
        self._expected[slab.topic] = slab.offset + len(slab.values)
        order = max(slab.arrived_ms, self._highest.get(slab.topic, 0))
        self._highest[slab.topic] = order
        self._put(_Queued(order, slab, slab.size))
        return None

    def wait(self, now: float, linger_s: float, events_max: int) -> float:
        """Seconds until the buffered slabs shall become a batch, `linger_s` after the last one; 0: now."""
        if self.events >= events_max or self.size >= BATCH_BYTES_MAX:
            return 0.0
        return max(0.0, self.due(linger_s) - now)

    def due(self, linger_s: float) -> float:
        """When the wait behind the last batch ends, whether or not there is anything to hand out."""
        return self._cut_at + linger_s

    def cut(self, events_max: int, now: float) -> Batch:
        """Hand out the next batch: at most `events_max` events and BATCH_BYTES_MAX bytes, at least one event."""
        if not self._sorted:
            self._queue.sort(key=_order)
            self._sorted = True
        slabs: list[Slab] = []
        events, room = events_max, BATCH_BYTES_MAX
        taken = 0
        for queued in self._queue:
            fits = _fitting(queued, events, room, first=not slabs)
            if fits < len(queued.slab.values):
                if fits:
                    slabs.append(self._split(taken, fits))
                break
            slabs.append(queued.slab)
            events -= fits
            room -= queued.size
            taken += 1
        self._queue = self._queue[taken:]
        self._cut_at = now
        count, before = sum(len(slab.values) for slab in slabs), self.size
        self.events -= count
        self.size = sum(queued.size for queued in self._queue)
        self.out = Batch(self, self.epoch, slabs, count, before - self.size)
        return self.out

    def waiting_since(self) -> dict[str, int]:
        """By topic, when the oldest event arrived that was fetched and is not decided, Unix milliseconds."""
        since: dict[str, int] = {}
        for slab in (*(self.out.slabs if self.out is not None else ()), *(queued.slab for queued in self._queue)):
            since[slab.topic] = min(slab.arrived_ms, since.get(slab.topic, slab.arrived_ms))
        return since

    def _put(self, queued: _Queued) -> None:
        self._queue.append(queued)
        self.events += len(queued.slab.values)
        self.size += queued.size
        self._sorted = False

    def _split(self, index: int, n: int) -> Slab:
        """The first `n` values of a queued slab; the rest stays in its place."""
        queued = self._queue[index]
        head, tail = queued.slab.split(n)
        self._queue[index] = queued._replace(slab=tail, size=tail.size)
        return head


def crowded(lanes: Iterable[Lane]) -> bool:
    """Whether a worker's lanes hold so much that nothing more shall be fetched for any."""
    return sum(lane.held for lane in lanes) >= HELD_BYTES_MAX


def _fitting(queued: _Queued, events: int, room: int, *, first: bool) -> int:
    """How many values of a slab fit into what is left of a batch; at least one of the first."""
    n = min(len(queued.slab.values), events)
    if queued.size > room:
        n = min(n, len(queued.slab.values) * room // queued.size)
    return max(n, 1) if first else n


def _order(queued: _Queued) -> tuple[int, int]:
    return queued.order, TOPIC_NUMBER[queued.slab.topic]
