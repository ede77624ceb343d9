"""The order of decision is in the journal and the topics, whatever the broker's clock does and however batches fall."""

from __future__ import annotations

from collections import Counter

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
# Milliseconds between a record batch and the one before it: mostly forwards, now and then far back, over midnight.
FORWARDS = (0, 0, 1, 1, 5, 1000, DAY_MS)
STEPS = (*FORWARDS, -1, -7, -2000, -DAY_MS)
CONTEXT = context()
NONE = np.zeros(0, np.uint64)

Place = tuple[str, int]


@st.composite
def fetches(draw: st.DrawFn) -> list[list[Slab]]:
    """What one fetch after another brings; in some histories the broker's clock goes back."""
    steps = st.sampled_from(draw(st.sampled_from((FORWARDS, STEPS, STEPS, STEPS))))
    offsets: Counter[str] = Counter()
    now_ms, found = NOON_MS, list[list[Slab]]()
    for _ in range(draw(st.integers(1, 4))):
        found.append([])
        for topic in draw(st.lists(st.sampled_from(TOPICS), min_size=1, max_size=4)):
            now_ms += draw(steps)
            values: list[bytes | None] = [b"junk"] * draw(st.integers(1, 3))
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
        for part in cut_days(self.stream_time, self.lane.cut(events_max).slabs):
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


def worked(fetched: list[list[Slab]], data: st.DataObject) -> Worker:
    """All that was fetched, decided in batches of any size."""
    worker = Worker()
    for slabs in fetched:
        for slab in slabs:
            assert worker.lane.feed(slab, 0.0) is None
        for _ in range(data.draw(st.integers(0, 2))):
            if worker.lane.events:
                worker.commit(data.draw(st.integers(1, 9)), data.draw(st.booleans()))
    while worker.lane.events:
        worker.commit(100, halved=False)
    return worker


@given(fetches(), st.data())
@examples()
def test_records_and_topics_alone_say_the_order_of_decision(fetched: list[list[Slab]], data: st.DataObject) -> None:
    worker = worked(fetched, data)
    arrived = {at: slab.arrived_ms for slabs in fetched for slab in slabs for at in places([slab])}
    records = [decode(value)[1] for value in worker.journal]
    assert [at for record in records for at in order(record, lambda *at: arrived[at])] == worker.decided
    times = [slab.arrived_ms for slabs in fetched for slab in slabs]
    for record in records:
        event("runs" if record.runs else "one entry a topic")
        topics = [source.topic for source in record.sources]
        assert record.runs or topics == sorted(set(topics), key=TOPICS.index)
        assert not record.runs or times != sorted(times), "runs are written only after the clock went back"
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
