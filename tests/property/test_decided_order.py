"""The order of decision is in the journal and the topics, whatever the broker's clock does and however batches fall."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st

from pipeline.core.batch import Slab, halves
from pipeline.core.decide import decide
from pipeline.core.fates import sources
from pipeline.core.record import Link, Record, decode, encode
from pipeline.core.state import State
from pipeline.core.window import DAY_US, cut_days, stream_times
from pipeline.journal.ports import Bounds, Entry
from pipeline.journal.verify import Check
from pipeline.state.store import PartitionStore
from pipeline.transport.lanes import Lane
from tests.contract.counting import CountingCore
from tests.e2e.arrival import order
from tests.events import NOON_MS, context, frame
from tests.events import event as made
from tests.property.budget import examples

TOPICS = ("events.email", "events.sms", "events.crm")  # in the order of the flow
DAY_MS = DAY_US // 1000
# Milliseconds between a record batch and the one before it: forwards, or far back too, also over midnight.
FORWARDS = (0, 1, 1, 5, 1000, DAY_MS)
STEPS = (0, 1, 5, -1, -7, -2000, 1000, -DAY_MS)
CORRECTED = (0, 1, 2, 3, 4, 5, -20)  # as a clock that is set right now and then, and overtakes itself again
CONTEXT = context()
NONE = np.zeros(0, np.uint64)

Place = tuple[str, int]


def fetches(rng: Random) -> list[list[Slab]]:
    """What one fetch after another brings; in most histories the broker's clock goes back."""
    steps = rng.choice((FORWARDS, STEPS, CORRECTED, CORRECTED))
    offsets: Counter[str] = Counter()
    now_ms, found = NOON_MS, list[list[Slab]]()
    for _ in range(rng.randint(1, 5)):
        found.append([])
        for _ in range(rng.randint(1, 10)):
            topic = rng.choice(TOPICS)
            now_ms += rng.choice(steps)
            values: list[bytes | None] = [b"junk"] * rng.randint(1, 3)
            found[-1].append(Slab(topic, offsets[topic], now_ms, values))
            offsets[topic] += len(values)
    return found


def places(slabs: list[Slab]) -> list[Place]:
    return [(slab.topic, slab.offset + n) for slab in slabs for n in range(len(slab.values))]


class Worker:
    """A lane, its batches cut by days and in halves as the agent cuts them; `decided` is the true order."""

    def __init__(self) -> None:
        self.lane, self.stream_time = Lane(0), 0
        self.lane.open(dict.fromkeys(TOPICS, 0))
        self.decided: list[Place] = []
        self.journal: list[bytes] = []

    def commit(self, events_max: int, halved: bool) -> None:
        """One batch."""
        for part in cut_days(self.stream_time, self.lane.cut(events_max, 0.0).slabs):
            for slabs in halves(part) if halved else (part,):
                if slabs:
                    self._decide(slabs)

    def _decide(self, slabs: list[Slab]) -> None:
        number = len(self.journal)
        read, runs = sources(slabs, NONE)  # as `decide` does
        self.stream_time = int(stream_times(self.stream_time, np.array([s.arrived_ms * 1000 for s in slabs]))[-1])
        record = Record(CONTEXT.rules, self.stream_time, read, runs=runs)
        self.decided += places(slabs)
        self.journal.append(encode(record, Link(number + 1, number, "w")))


def worked(fetched: list[list[Slab]], rng: Random) -> Worker:
    """All that was fetched, decided in batches of any size."""
    worker = Worker()
    for slabs in fetched:
        for slab in slabs:
            assert worker.lane.feed(slab) is None
        for _ in range(rng.randint(0, 2)):
            if worker.lane.events:
                worker.commit(rng.randint(1, 12), rng.random() < 0.3)
    while worker.lane.events:
        worker.commit(100, halved=False)
    return worker


@given(st.integers(0, (1 << 64) - 1))
@examples()
def test_records_and_topics_alone_say_the_order_of_decision(case: int) -> None:
    rng = Random(case)
    fetched = fetches(rng)
    worker = worked(fetched, rng)
    arrived = {at: slab.arrived_ms for slabs in fetched for slab in slabs for at in places([slab])}
    records = [decode(value)[1] for value in worker.journal]
    assert [at for record in records for at in order(record, lambda *at: arrived[at])] == worker.decided
    times = [slab.arrived_ms for slabs in fetched for slab in slabs]
    for record in records:
        topics = [source.topic for source in record.sources]
        assert record.runs or topics == sorted(set(topics), key=TOPICS.index)
        assert not record.runs or times != sorted(times), "runs are written only after the clock went back"
        event(f"runs: {record.runs}, several of a topic: {len(topics) > len(set(topics))}")
    _assert_readers_take(worker)


def _assert_readers_take(worker: Worker) -> None:
    read = dict(Counter(topic for topic, _ in worker.decided))
    check, store = Check(0, 0), PartitionStore(0, _Positions(CONTEXT.rules))
    entries = [Entry(offset, value) for offset, value in enumerate(worker.journal)]
    assert all(check.take(entry).valid for entry in entries)
    check.end({topic: Bounds(0, n) for topic, n in read.items()})
    assert (check.faults, check.positions) == ([], read)
    assert store.accept_all(entries) == len(entries)
    assert store.positions == read


class _Positions(CountingCore):
    """A core without a state: only positions matter here."""

    def apply(self, state: object, record: Record) -> None:
        assert record.sources


def test_accepted_events_are_counted_run_by_run() -> None:
    emails = [frame(made("email_sent", event_id=str(n))) for n in range(4)]
    sms = frame(made("sms_sent", event_id="sms"))
    slabs = [
        Slab("events.sms", 0, NOON_MS + 9, [sms, b"junk"]),
        Slab("events.email", 5, NOON_MS, [emails[0], b"junk"]),
        Slab("events.sms", 2, NOON_MS, [b"junk"]),
        Slab("events.email", 7, NOON_MS, [*emails[1:], emails[1]]),
    ]
    record = decide(State(), slabs, CONTEXT)
    assert record.runs
    assert [tuple(source) for source in record.sources] == [
        ("events.sms", 0, 2, 1),
        ("events.email", 5, 7, 1),
        ("events.sms", 2, 3, 0),
        ("events.email", 7, 11, 3),
    ]
    assert (record.read, record.accepted, len(record.rejects), record.duplicates[0].events) == (9, 5, 3, 1)
