"""The thread in which Kafka's consumer runs."""

from __future__ import annotations

import logging
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from pipeline.transport.session import follow
from pipeline.transport.slabs import FETCH_WAIT_MS

FETCH_ANSWER_BYTES = 16 * 1024 * 1024  # of one broker's answer, in memory three times while it is taken apart


class SlabThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with smaller fetches; its first connection is tried again, its heartbeats followed."""

    logger = logging.getLogger("faust.transport.slabs")
    _known: tuple[object, frozenset[TP]] = (None, frozenset())  # aiokafka's assignment, and the same in Faust's words

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # at first; `slabs.fetch` keeps the pace
        consumer._fetch_max_bytes = FETCH_ANSWER_BYTES
        transport.reach.make_patient(consumer._client)
        follow(consumer._client, transport.reading.tenure)
        return consumer

    def assignment(self) -> set[TP]:
        """As Faust's, translated only when it changes: Faust asks once for each offset that it commits."""
        given = self._ensure_consumer().assignment()
        known, translated = self._known
        if given is not known:
            translated = frozenset(super().assignment())
            self._known = given, translated
        return set(translated)
