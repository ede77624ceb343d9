"""Load: seeded events at a steady rate, from a thread of its own, acknowledged by the broker or still on their way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from confluent_kafka import Producer

from connectors.producer.settings import schema_ids
from connectors.simulator.bulk import Bulk
from connectors.simulator.settings import Traffic
from connectors.simulator.truth import Truth
from pipeline.settings import Settings
from pipeline.topics import physical

FLUSH_SECONDS = 120
SLICES = 20  # parts of a block that are sent evenly over its time
_FULL_SECONDS = 0.05


class Load:
    """`events` of bulk traffic at `rate` a second (0: as fast as it goes). What was sent stands in `truth`."""

    def __init__(self, settings: Settings, seed: int, events: int, rate: int) -> None:
        now = time.time_ns() // 1000
        self._traffic = Traffic(seed, events, 300, now, rate, settings.rules)
        self._settings, self._rate = settings, rate
        self._producer = Producer({**_client(settings), "on_delivery": self._told})
        self.truth = Truth()
        self.sent = self.acknowledged = 0
        self.failed: Counter[str] = Counter()
        self._began = 0.0
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        """Begin, in a thread."""
        self._began = time.monotonic()
        self._thread.start()

    def due(self) -> int:
        """Events that should have been sent by now, were nothing down."""
        assert self._traffic.events is not None, "a load has an end"
        if not self._rate:
            return self._traffic.events
        return min(self._traffic.events, int(self._rate * (time.monotonic() - self._began)))

    @property
    def goes_on(self) -> bool:
        """Whether something is still to be sent or acknowledged."""
        return self._thread.is_alive()

    def _run(self) -> None:
        for block in Bulk(self._traffic, schema_ids(self._settings)).blocks():
            block.count(self.truth)
            for part in range(SLICES):
                for topic, records in block.topics.items():
                    self._send(topic, _slice(records, part))
                self._pace()
        left = self._producer.flush(FLUSH_SECONDS)
        if left:
            self.failed["not acknowledged in time"] += left
        self.acknowledged = self.sent - self.failed.total()

    def _send(self, topic: str, records: list[dict[str, Any]]) -> None:
        name = physical(self._settings.topics.prefix, topic)
        left = [dict(record) for record in records]
        while left:
            self._producer.produce_batch(name, left)
            refused = [record for record in left if record.pop("_error", None) is not None]  # its queue is full
            self.sent += len(left) - len(refused)
            self._producer.poll(_FULL_SECONDS if refused else 0)
            left = refused

    def _pace(self) -> None:
        while self._rate and (ahead := self.sent / self._rate - (time.monotonic() - self._began)) > 0:
            self._producer.poll(min(ahead, _FULL_SECONDS))

    def _told(self, error: Any, _message: Any) -> None:
        self.failed[error.str()] += 1


def _slice(records: list[dict[str, bytes]], part: int) -> list[dict[str, bytes]]:
    """A part of the records that follow each other: a copy must not overtake its event."""
    size = -(-len(records) // SLICES)
    return records[part * size : (part + 1) * size]


def _client(settings: Settings) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.kafka_address(),
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "compression.type": "zstd",
        "linger.ms": 50,
        "batch.size": 512 * 1024,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 512 * 1024,
        "message.timeout.ms": 0,  # it waits for its broker as long as that takes
        "reconnect.backoff.max.ms": 1_000,
        "delivery.report.only.error": True,
        "log_level": 0,
    }
