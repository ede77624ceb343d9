"""The thread in which Kafka's consumer runs."""

from __future__ import annotations

import logging
from typing import Any

from faust.transport.drivers import aiokafka as driver

from pipeline.transport.session import follow

FETCH_WAIT_MS = 50  # of the broker: Faust's 1500 let drained topics block the others (175,000 -> 243,000 events/s)
FETCH_ANSWER_BYTES = 16 * 1024 * 1024  # of one broker's answer, in memory three times while it is taken apart


class SlabThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with smaller fetches; its first connection is tried again, its heartbeats followed."""

    logger = logging.getLogger("faust.transport.slabs")

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._fetch_max_bytes = FETCH_ANSWER_BYTES
        transport.reach.make_patient(consumer._client)
        follow(consumer._client, transport.reading.tenure)
        return consumer
