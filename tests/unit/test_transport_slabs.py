"""Slabs: record batches as aiokafka's fetcher holds them, taken whole."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchError, FetchResult, PartitionRecords
from aiokafka.errors import (
    CorruptRecordException,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from pipeline.core.batch import Slab
from pipeline.transport import slabs as module
from pipeline.transport.slabs import ANSWER_BYTES, FETCH_WAIT_MS, IDLE_WAIT_MS, TAKE_BYTES, NotPlain, OutOfRange, take

TP = TopicPartition("x.events.email", 2)
TOPIC = "events.email"


def record_batch(
    base: int, values: list[bytes | None], arrived_ms: int = 1000, transactional: bool = False
) -> bytearray:
    builder = DefaultRecordBatchBuilder(2, 0, transactional, -1, -1, -1, 1 << 20)
    for i, value in enumerate(values):
        builder.append(i, timestamp=arrived_ms, key=b"k", value=value, headers=[])
    built = bytearray(builder.build())
    built[0:8] = base.to_bytes(8, "big")  # the broker's part of the header; outside of the checksum
    return built


def result(batches: list[bytearray], offset: int, position: int | None = None) -> Any:
    """A fetch's answer of one topic partition."""
    state = SimpleNamespace(paused=False, position=offset if position is None else position)
    state.consumed_to = lambda to: setattr(state, "position", to)
    assignment = SimpleNamespace(active=True, state_value=lambda _tp: state)
    records = PartitionRecords(TP, MemoryRecords(b"".join(batches)), [], offset, None, None, True, 0)
    return FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)


def test_a_record_batch_becomes_one_slab() -> None:
    fetched = result([record_batch(5, [b"a", None, b"c"], 42)], 5)
    assert take(TOPIC, fetched, 100) == [Slab(TOPIC, 5, 42, [b"a", None, b"c"])]
    assert not fetched.has_more()


def test_it_stops_behind_the_record_batch_that_fills_the_budget() -> None:
    fetched = result([record_batch(0, [b"a", b"b"]), record_batch(2, [b"c"])], 0)
    assert [s.offset for s in take(TOPIC, fetched, 1)] == [0]
    assert [s.offset for s in take(TOPIC, fetched, 1)] == [2]


def test_it_stops_behind_the_record_batch_that_fills_its_bytes_however_few_values_that_are() -> None:
    half = b"x" * (TAKE_BYTES // 2)
    fetched = result([record_batch(at, [half]) for at in range(4)], 0)
    assert [s.offset for s in take(TOPIC, fetched, 100)] == [0, 1]
    fetched = result([record_batch(at, [value]) for at, value in enumerate((half, half[1:], b"y", b"z"))], 0)
    assert [s.offset for s in take(TOPIC, fetched, 100)] == [0, 1, 2]


def fetcher(results: dict[TopicPartition, Any]) -> Any:
    return SimpleNamespace(
        _records=OrderedDict(results),
        _subscriptions=SimpleNamespace(is_assigned=lambda _tp: True),
        _notify=lambda _future: None,
        _wait_consume_future=None,
    )


def test_all_partitions_together_give_no_more_than_a_drain_holds_and_each_has_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "DRAIN_BYTES", 3)
    monkeypatch.setattr(module, "TAKE_BYTES", 1)
    places = [TopicPartition("x.events.email", number) for number in range(5)]
    held = fetcher({tp: result([record_batch(at, [b"a"]) for at in range(2)], 0) for tp in places})
    names, wanted = {"x.events.email": TOPIC}, set(range(5))
    turns = [[tp.partition for tp in module._drain(held, names, wanted)] for _ in range(4)]
    assert turns == [[0, 1, 2], [3, 4, 0], [1, 2, 3], [4]]
    assert not held._records


def test_a_record_batch_that_begins_before_the_position_is_cut() -> None:
    fetched = result([record_batch(0, [b"a", b"b", b"c"])], 2)
    assert take(TOPIC, fetched, 100) == [Slab(TOPIC, 2, 1000, [b"c"])]


def test_what_was_fetched_before_a_seek_is_dropped() -> None:
    assert take(TOPIC, result([record_batch(0, [b"a"])], 0, position=7), 100) == []


def test_a_wrong_checksum_is_an_error() -> None:
    broken = record_batch(0, [b"abcdef"])
    broken[-3] ^= 1
    with pytest.raises(CorruptRecordException, match=r"x\.events\.email, partition 2, offset 0: wrong checksum"):
        take(TOPIC, result([broken], 0), 100)


def test_a_transactions_record_is_refused_by_name() -> None:
    with pytest.raises(NotPlain, match=r"x\.events\.email, partition 2, offset 3: a record of a transaction"):
        take(TOPIC, result([record_batch(3, [b"a"], transactional=True)], 3), 100)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OffsetOutOfRangeError({TP: 5}), OutOfRange),
        (NoOffsetForPartitionError(TP), OutOfRange),
        (TopicAuthorizationFailedError("x"), TopicAuthorizationFailedError),
    ],
)
def test_an_offset_that_the_broker_has_not_is_told_by_its_place(error: KafkaError, raised: type[Exception]) -> None:
    held = fetcher({TP: FetchError(error=error, backoff=0)})
    with pytest.raises(raised) as met:
        module._drain(held, {TP.topic: TOPIC}, {2})
    assert not isinstance(met.value, OutOfRange) or met.value.tp == TP


def test_an_error_of_a_partition_that_is_not_wanted_waits() -> None:
    held = fetcher({TP: FetchError(error=OffsetOutOfRangeError({TP: 5}), backoff=0)})
    assert module._drain(held, {TP.topic: TOPIC}, {3}) == {}
    assert TP in held._records


class Waiting:
    """As much of aiokafka's consumer and fetcher as a fetch needs; each wait brings the next of `arrivals`."""

    def __init__(self, arrivals: list[dict[TopicPartition, Any]]) -> None:
        self._closed, self._fetcher, self.arrivals = False, self, arrivals
        self._subscriptions = SimpleNamespace(
            fetch_context=nullcontext, reassignment_in_progress=False, is_assigned=lambda _tp: True
        )
        self._records: OrderedDict[TopicPartition, Any] = OrderedDict()
        self._wait_consume_future = None
        self._max_partition_fetch_bytes = 4 * ANSWER_BYTES
        self._fetch_min_bytes, self._fetch_max_wait_ms = 1, FETCH_WAIT_MS
        self._client = SimpleNamespace(cluster=SimpleNamespace(brokers=lambda: {0}))

    def _notify(self, _future: Any) -> None:
        return

    def _create_fetch_waiter(self) -> asyncio.Future[None]:
        waiter = asyncio.get_running_loop().create_future()
        if self.arrivals:
            self._records.update(self.arrivals.pop(0))
            waiter.set_result(None)
        return waiter


def fetched(consumer: Any, pace_s: float, full: frozenset[int] = frozenset()) -> list[int]:
    """The offsets that a fetch brings."""
    names = {TP.topic: TOPIC}
    fetch = module.fetch(consumer, names, {TP.partition}, set(full), 0.01, lambda _now, _brokers: pace_s)
    found = asyncio.run(fetch)
    return [slab.offset for slabs in found.values() for slab in slabs]


def test_while_events_come_the_broker_gathers_them_for_the_pace_and_not_when_none_do() -> None:
    consumer = Waiting([{TP: result([record_batch(0, [b"a"])], 0)}])
    assert fetched(consumer, pace_s=0.06) == [0]
    assert (consumer._fetch_min_bytes, consumer._fetch_max_wait_ms) == (ANSWER_BYTES, 60)
    assert fetched(consumer, pace_s=0.06) == []
    assert (consumer._fetch_min_bytes, consumer._fetch_max_wait_ms) == (1, IDLE_WAIT_MS)


def test_without_a_pace_the_broker_answers_with_the_first_event() -> None:
    consumer = Waiting([{TP: result([record_batch(0, [b"a"])], 0)}])
    assert fetched(consumer, pace_s=0.0) == [0]
    assert (consumer._fetch_min_bytes, consumer._fetch_max_wait_ms) == (1, FETCH_WAIT_MS)


def test_while_events_are_left_behind_no_fetch_is_held_back() -> None:
    many = [b"a"] * (module.TAKE_EVENTS - 1)
    consumer = Waiting([{TP: result([record_batch(0, many), record_batch(len(many), many)], 0)}])
    assert fetched(consumer, pace_s=0.06) == [0, len(many)]
    assert (consumer._fetch_min_bytes, consumer._fetch_max_wait_ms) == (ANSWER_BYTES, 60)
    consumer = Waiting([{TP: result([record_batch(n * len(many), many) for n in range(3)], 0)}])
    assert fetched(consumer, pace_s=0.06) == [0, len(many)]
    assert (consumer._fetch_min_bytes, consumer._fetch_max_wait_ms) == (1, FETCH_WAIT_MS)
    assert fetched(consumer, pace_s=0.06) == [2 * len(many)]
    assert (consumer._fetch_min_bytes, consumer._fetch_max_wait_ms) == (ANSWER_BYTES, 60)


def test_while_a_lane_has_no_room_the_broker_answers_for_the_others_with_the_first_event() -> None:
    consumer, of_full = Waiting([]), TopicPartition(TP.topic, TP.partition + 1)
    consumer._records[of_full] = result([record_batch(0, [b"a"])], 0)
    consumer._fetch_min_bytes, consumer._fetch_max_wait_ms = ANSWER_BYTES, 700
    assert fetched(consumer, pace_s=0.06, full=frozenset({of_full.partition})) == []
    assert (consumer._fetch_min_bytes, consumer._fetch_max_wait_ms) == (1, FETCH_WAIT_MS)


def test_what_is_held_of_a_partition_that_is_refused_or_folds_changes_no_pace() -> None:
    consumer, of_refused = Waiting([{TP: result([record_batch(0, [b"a"])], 0)}]), TopicPartition(TP.topic, 7)
    consumer._records[of_refused] = result([record_batch(0, [b"a"])], 0)
    assert fetched(consumer, pace_s=0.06) == [0]
    assert (consumer._fetch_min_bytes, consumer._fetch_max_wait_ms) == (ANSWER_BYTES, 60)
    assert fetched(consumer, pace_s=0.06) == []
    assert (consumer._fetch_min_bytes, consumer._fetch_max_wait_ms) == (1, IDLE_WAIT_MS)


def test_a_fetch_never_waits_for_more_than_one_topic_partition_may_give() -> None:
    consumer = Waiting([{TP: result([record_batch(0, [b"a"])], 0)}])
    consumer._max_partition_fetch_bytes = 64 * 1024
    fetched(consumer, pace_s=0.06)
    assert consumer._fetch_min_bytes == 16 * 1024
