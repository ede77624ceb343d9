"""Appending to the journal: one producer, one append in flight per lane, no pipelining.

A lane does not append again before it knows where its last record lies; on any error the producer is replaced, so
that no wedged sequence number is left behind, and the lane folds. Idempotence is not needed for correctness, since a
record that was sent twice extends the chain once; it saves the fold.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from pipeline.failpoints import Failpoint, reached
from pipeline.journal.ports import AppendUnknown, Place

log = logging.getLogger(__name__)

APPEND_S = 8.0  # an append that is not acknowledged by then is ambiguous; below Faust's session and stop times
RECORD_OVERHEAD_BYTES = 1024  # of the record batch around one value: 61 + 21 bytes, and a margin
STOP_S = 10.0  # of a producer that is replaced; it is not waited for


class KafkaWriter:
    """See `ports.Appends`. `client` are aiokafka's keyword arguments."""

    def __init__(self, client: Mapping[str, Any], message_bytes: int) -> None:
        self._settings = dict(
            client,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_request_size=message_bytes,
            max_batch_size=message_bytes,
            request_timeout_ms=int(APPEND_S * 1000),
        )
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    async def append(self, place: Place, value: bytes) -> int:
        """See `ports.Appends`.

        Raises:
            MessageSizeTooLargeError: the value is larger than the topic or this producer allows.
        """
        reached(Failpoint.BEFORE_APPEND)
        producer = None
        try:
            producer = await self._started()
            appended = await asyncio.wait_for(_sent(producer, place, value), APPEND_S)
        except MessageSizeTooLargeError:
            raise  # trying again changes nothing; at the next start the topic's limit is compared with the setting
        except (TimeoutError, KafkaError, OSError) as error:
            if producer is not None and producer is self._producer:
                self._producer = None
                self._retire(producer)
            raise AppendUnknown(f"{type(error).__name__} {error}".strip()) from error
        reached(Failpoint.AFTER_APPEND)
        return int(appended.offset)

    async def stop(self) -> None:
        """Let go of the broker."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._retire(producer)
        if self._stopping:
            await asyncio.wait(self._stopping)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(**self._settings)
                try:
                    await asyncio.wait_for(producer.start(), APPEND_S)
                except BaseException:
                    self._retire(producer)
                    raise
                self._producer = producer
            return self._producer

    def _retire(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.ensure_future(_stop(producer))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


async def _sent(producer: AIOKafkaProducer, place: Place, value: bytes) -> Any:
    acknowledged = await producer.send(place.topic, value, partition=place.partition)
    reached(Failpoint.IN_FLIGHT)
    return await acknowledged


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        await asyncio.wait_for(producer.stop(), STOP_S)
    except (TimeoutError, KafkaError, OSError) as error:
        log.info("a producer of the journal did not stop cleanly: %s", type(error).__name__)
