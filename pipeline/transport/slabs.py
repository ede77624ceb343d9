"""Kafka's record batches, taken whole out of aiokafka's fetcher: one Python object a batch instead of one a record.

In:   the fetcher of Faust's consumer, in the consumer's thread.  Out: slabs by topic partition.
It stands on aiokafka's internals; `tests/contract/test_pins.py` says when they change.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from pipeline.core.batch import Slab

TAKE_EVENTS = 2_000  # taken of one topic partition at a time: keeps the topics near each other in time
TAKE_BYTES = 1024 * 1024  # the same, whatever the number of events: 2,000 of 1 MB are 2 GB, out of 4 MiB compressed
DRAIN_BYTES = 32 * 1024 * 1024  # taken of all at a time, and one record batch more: what lanes may go past their bounds
FETCH_WAIT_MS = 50  # of the broker: Faust's 1500 let drained topics block the others (175,000 -> 243,000 events/s)
IDLE_WAIT_MS = 1_000  # the same where nothing has come for a while: each answer costs 3 ms with 132 topic partitions
ANSWER_BYTES = 1024 * 1024  # a fetch is answered at once when so much is there, whatever the pace


Fetched = dict[TopicPartition, list[Slab]]
Pace = Callable[[float, int], float]  # seconds that the next fetch is held back; from the clock and the brokers' number


class NotPlain(Exception):
    """A source topic holds what only a transaction or a compaction writes: its offsets have holes."""

    def __init__(self, tp: TopicPartition, offset: int, what: str) -> None:
        self.tp = tp
        super().__init__(
            f"{tp.topic}, partition {tp.partition}, offset {offset}: {what}. Source topics must be written without "
            "transactions and not be compacted: mend the producer and `tally topics apply`, then recreate the topic"
        )


class OutOfRange(Exception):
    """The broker has not, or not any more, the offset that was asked for."""

    def __init__(self, tp: TopicPartition) -> None:
        self.tp = tp
        super().__init__(f"{tp.topic}, partition {tp.partition}: the broker does not have the next offset")


def take(topic: str, result: Any, budget: int) -> list[Slab]:
    """What `FetchResult.getall` does, by record batch: stops once `budget` values or TAKE_BYTES are taken; the rest
    stays as it was fetched, compressed.

    Raises:
        CorruptRecordException: a record batch does not match its checksum.
        NotPlain: a control record, a transaction's record, or a hole.
    """
    if not result.check_assignment(result._topic_partition) or not result.has_more():
        return []
    fetched = result._partition_records
    slabs: list[Slab] = []
    room = TAKE_BYTES
    while budget > 0 and room > 0 and fetched._records.has_next():
        batch = fetched._records.next_batch()
        slab = _slab(topic, fetched, batch)
        fetched.next_fetch_offset = batch.next_offset
        if slab.values:
            slabs.append(slab)
            budget -= len(slab.values)
            room -= slab.size
    result._update_position()
    if not fetched._records.has_next():
        result._partition_records = None
    return slabs


def _slab(topic: str, fetched: Any, batch: Any) -> Slab:
    tp, base = fetched._tp, batch.base_offset
    if fetched._check_crcs and not batch.validate_crc():
        raise CorruptRecordException(f"{tp.topic}, partition {tp.partition}, offset {base}: wrong checksum")
    if batch.is_control_batch or batch.is_transactional:
        raise NotPlain(tp, base, "a record of a transaction")
    values = [record.value for record in batch]
    if len(values) != batch.last_offset_delta + 1:
        raise NotPlain(tp, base, "records are missing, as after a compaction")
    slab = Slab(topic, base, batch.max_timestamp, values)
    if base < fetched.next_fetch_offset:
        _, slab = slab.split(fetched.next_fetch_offset - base)
    return slab


async def fetch(
    consumer: AIOKafkaConsumer,
    topics: Mapping[str, str],
    wanted: set[int],
    full: set[int],
    timeout_s: float,
    pace: Pace,
) -> Fetched:
    """What has been fetched of the wanted partition numbers, as `Fetcher.fetched_records`, by record batch.

    `topics` maps names in Kafka to those without a prefix. Waits at most `timeout_s` for the first slab. While events
    come, the broker is asked to gather them (`pace`); while none do, to answer with the first one. Where some are left
    behind, too many or of `full` partition numbers, what is asked for drained topics must not hold up the others' next
    fetch. What is held of any other number waits for its seek, which may be hours away, and says nothing.

    Raises:
        ConsumerStoppedError: the consumer is closed.
        NotPlain, CorruptRecordException: see `take`.
        OutOfRange: of a topic partition.
        KafkaError: what the broker said of a topic partition.
    """
    fetcher = consumer._fetcher
    if consumer._closed or fetcher._closed:
        raise ConsumerStoppedError
    deadline = time.monotonic() + timeout_s
    with fetcher._subscriptions.fetch_context():
        while True:
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
            slabs = _drain(fetcher, topics, wanted)
            is_behind = any(tp.partition in wanted or tp.partition in full for tp in fetcher._records)
            _keep_pace(fetcher, is_behind, bool(slabs), pace)
            if slabs:
                return slabs
            left = deadline - time.monotonic()
            if left <= 0 or not await _more(fetcher, left):
                _rest(fetcher, is_behind)
                return {}


def _keep_pace(fetcher: Any, is_behind: bool, is_something: bool, pace: Pace) -> None:
    """Say how the fetch that aiokafka sends next shall wait, from what there was to take of the ones before."""
    if is_behind:
        _gather(fetcher, 0.0)
    elif is_something:
        _gather(fetcher, pace(time.monotonic(), len(fetcher._client.cluster.brokers())))


def _rest(fetcher: Any, is_behind: bool) -> None:
    """Nothing came of what is wanted; nor of anything else where nothing was left behind."""
    if not is_behind:
        fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = 1, IDLE_WAIT_MS


def _gather(fetcher: Any, seconds: float) -> None:
    """Ask at that pace, or as soon as much is there: a fetch costs 3 ms with 132 topic partitions, whatever it brings.

    No more is waited for than a quarter of what one topic partition may give, so that one alone fills a fetch.
    """
    fetcher._fetch_min_bytes = min(ANSWER_BYTES, fetcher._max_partition_fetch_bytes // 4) if seconds else 1
    fetcher._fetch_max_wait_ms = math.ceil(1000 * seconds) if seconds else FETCH_WAIT_MS


def _drain(fetcher: Any, topics: Mapping[str, str], wanted: set[int]) -> Fetched:
    """From the partition that was fetched first on; one that still has something comes last the next time."""
    drained: Fetched = {}
    room = DRAIN_BYTES
    for tp in list(fetcher._records):
        if room <= 0:
            return drained
        if tp.partition not in wanted:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        result = fetcher._records[tp]
        if type(result) is not FetchResult:
            if drained:  # the error is met at the next call
                return drained
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
            _raise(tp, result)
        slabs = take(topics[tp.topic], result, TAKE_EVENTS)
        if result.has_more():
            fetcher._records.move_to_end(tp)
        else:
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
        if slabs:
            drained[tp] = slabs
            room -= sum(slab.size for slab in slabs)
    return drained


def _raise(tp: TopicPartition, error: Any) -> None:
    try:
        error.check_raise()
    except (OffsetOutOfRangeError, NoOffsetForPartitionError) as unknown:
        raise OutOfRange(tp) from unknown


async def _more(fetcher: Any, timeout_s: float) -> bool:
    """Wait until something more is fetched; False after the time, or when the fetcher was closed."""
    waiter = fetcher._create_fetch_waiter()
    done, _ = await asyncio.wait([waiter], timeout=timeout_s)
    if not done or fetcher._closed:
        waiter.cancel()
        return False
    waiter.result()
    return True
