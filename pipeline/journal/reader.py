"""Reading journals and topics' bounds from Kafka, through a consumer without a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.journal.ports import Bounds, Entry, Place

REQUEST_S = 10.0  # a broker that answers at all answers within that
STALL_S = 30.0  # without a single record where there must be some
POLL_MS = 1_000
FETCH_WAIT_MS = 50
STOP_AGAIN_S = 0.5  # a stop takes FETCH_WAIT_MS at most; one that takes longer has lost its cancellation


class KafkaReader:
    """Opens sessions. `client` are aiokafka's keyword arguments; a fetch holds the largest record."""

    def __init__(self, client: Mapping[str, Any], message_bytes: int) -> None:
        self._client = dict(client)
        self._message_bytes = message_bytes

    @asynccontextmanager
    async def session(self) -> AsyncIterator[KafkaSession]:
        """A session over one consumer, stopped at the end of the block.

        Raises:
            KafkaError: the broker cannot be reached.
        """
        consumer = AIOKafkaConsumer(
            **self._client,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_uncommitted",
            max_partition_fetch_bytes=self._message_bytes,
            fetch_max_bytes=max(self._message_bytes, 50 * 1024 * 1024),
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=int(REQUEST_S * 1000),
        )
        try:
            await asyncio.wait_for(consumer.start(), REQUEST_S)
            yield KafkaSession(consumer)
        finally:
            await asyncio.shield(asyncio.ensure_future(_stop(consumer)))


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Stop it. aiokafka's fetcher swallows a cancellation that comes while it goes from one assignment to the next, and
    is waited for in vain then: it is cancelled again.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    while not (await asyncio.wait({stopping}, timeout=STOP_AGAIN_S))[0]:
        if consumer._fetcher is not None:  # it has begun
            consumer._fetcher._fetch_task.cancel()
    await stopping


class KafkaSession:
    """See `ports.Session`."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._topics: set[str] = set()

    async def bounds(self, places: Collection[Place]) -> dict[Place, Bounds]:
        """See `ports.Session`."""
        partitions = [TopicPartition(*place) for place in places]
        await asyncio.wait_for(self._know({place.topic for place in places}), REQUEST_S)
        asked = self._consumer.beginning_offsets(partitions), self._consumer.end_offsets(partitions)
        first, end = await asyncio.wait_for(asyncio.gather(*asked), REQUEST_S)
        return {place: Bounds(first[tp], end[tp]) for place, tp in zip(places, partitions, strict=True)}

    async def _know(self, topics: set[str]) -> None:
        """Ask for the leaders of all topics at once: aiokafka asks topic by topic, 0.1 s each."""
        self._topics |= topics
        await self._consumer._client.set_topics(self._topics)

    async def read(self, place: Place, offset: int, end: int) -> AsyncIterator[list[Entry]]:
        """See `ports.Session`."""
        if offset >= end:
            return
        partition = TopicPartition(*place)
        self._consumer.assign([partition])
        self._consumer.seek(partition, offset)
        deadline = monotonic() + STALL_S
        while offset < end:
            fetched = await self._consumer.getmany(partition, timeout_ms=POLL_MS)
            entries = [Entry(r.offset, r.value) for r in fetched.get(partition, []) if r.offset < end]
            if entries:
                yield entries
                offset = entries[-1].offset + 1
                deadline = monotonic() + STALL_S
            elif monotonic() > deadline:
                raise TimeoutError(f"{place.topic}, partition {place.partition}: no record from offset {offset} on")
