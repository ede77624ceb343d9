"""Messages into the source topics: a delivery's messages are acknowledged all together, or not. The only Kafka calls.

Kafka answers in a thread of its own; what came of a delivery reaches the event loop as one call. A delivery whose time
is over has failed; a copy of it that Kafka takes after that is the same event. How much may wait is `Room`'s.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from connectors.producer.rows import Message
from connectors.producer.service import MESSAGE_BYTES_MAX, NotReady, check_topics
from pipeline import metrics
from pipeline.kafka_cluster import KafkaAbsent, quiet
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings
from pipeline.topics import SOURCE_TOPICS, physical

LINGER_MS = 5  # a sender waits for the answer; batches fill by themselves under load
BATCH_BYTES = 512 * 1024  # of one partition; below the broker's 1 MiB for a batch
QUEUE_SLACK = 10_000  # messages and KiB beyond what `Room` lets in: the queue never refuses
PROBE_SECONDS = 5.0  # between two looks whether Kafka answers
PROBE_AWAY_SECONDS = 0.5  # the same while it does not
PROBE_ANSWER_SECONDS = 2.0  # a broker that works answers in milliseconds
_POLL_SECONDS = 0.1  # how long Kafka's thread sleeps at most
_LOOK_SECONDS = 0.02  # between two looks whether all is acknowledged, at the end
_MS = 1_000

log = logging.getLogger(__name__)


class Failed(RuntimeError):
    """Kafka's client is beyond repair; the process is to end and be started again."""


class Batch:
    """The messages of one delivery: done when Kafka has answered for each."""

    __slots__ = ("_answered", "_done", "_loop", "_refused", "_total", "error")

    def __init__(self, total: int, loop: asyncio.AbstractEventLoop, done: Callable[[Batch], None]) -> None:
        """`done` is called once, in the event loop."""
        self._total, self._loop, self._done = total, loop, done
        self._answered = 0  # counted by Kafka's thread alone
        self._refused = 0  # counted by the event loop alone
        self.error: str | None = None

    def delivered(self, error: KafkaError | None, _message: Delivered) -> None:
        """Kafka's answer for one message, in its thread."""
        if error is not None:
            self.error = error.name()
        self._answered += 1
        if self._answered + self._refused == self._total:
            self._loop.call_soon_threadsafe(self._finish)

    def refuse(self, count: int, error: str) -> None:
        """So many messages were never sent; called in the event loop."""
        self.error = error
        self._refused += count
        if self._answered + self._refused == self._total:
            self._loop.call_soon(self._finish)

    def _finish(self) -> None:
        done, self._done = self._done, _nothing  # both sides may have seen the last one
        done(self)


def _nothing(_: Batch) -> None:
    """It was told before."""


class Sink:
    """An idempotent producer, and whether Kafka answers. Everything public is for the event loop."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        """Connects in the background.

        Raises:
            SettingsError: no address.
        """
        self._settings, self._loop = settings, loop
        self._names = {topic: physical(settings.topics.prefix, topic) for topic in SOURCE_TOPICS}
        self._producer = Producer(_client(settings, self._trouble))
        self._doubt = asyncio.Event()
        self._fatal: str | None = None
        self._checked = False  # the topics' shape; it does not change while the process runs
        self.absence: str | None = "Kafka was not asked yet"
        self.unready: NotReady | None = None  # Kafka answered, and lacks what it must have
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="collect-kafka", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Messages that Kafka has not answered for."""
        return len(self._producer)

    def send(self, messages: Sequence[Message], done: Callable[[Batch], None]) -> Batch:
        """Send a delivery's messages, at least one; `done` gets the batch when Kafka has answered for all."""
        batch = Batch(len(messages), self._loop, done)
        produce, names, answered = self._producer.produce, self._names, batch.delivered
        at: int | None = None
        header: list[tuple[str, str | bytes | None]] = []
        for number, (topic, key, value, received_at) in enumerate(messages):
            if received_at != at:
                at, header = received_at, [("received_at", str(received_at).encode())]
            try:
                produce(names[topic], value, key, on_delivery=answered, headers=header)
            except (BufferError, KafkaException) as error:
                batch.refuse(len(messages) - number, type(error).__name__)
                self._doubt.set()
                break
        return batch

    def doubt(self) -> None:
        """A delivery failed: look at once whether Kafka answers."""
        self._doubt.set()

    async def watch(self) -> None:
        """Look, again and again, whether Kafka answers.

        Raises:
            Failed: the client cannot go on.
        """
        while True:
            await self.look()
            seconds = PROBE_SECONDS if self.absence is None else PROBE_AWAY_SECONDS
            try:
                async with asyncio.timeout(seconds):
                    await self._doubt.wait()
            except TimeoutError:
                continue
            self._doubt.clear()

    async def look(self) -> None:
        """Ask Kafka for a topic; the first time, for the shape of all.

        Raises:
            Failed: the client cannot go on.
        """
        absence = await asyncio.to_thread(self._probe)
        if self._fatal is not None:
            raise Failed(self._fatal)
        if absence != self.absence:
            if absence is None:
                log.info("Kafka answers at %s", self._settings.kafka_address())
            else:
                log.warning("deliveries are answered `try again`: %s", absence)
        self.absence = absence
        metrics.COLLECT_KAFKA_READY.set(absence is None)

    def close(self, seconds: float) -> int:
        """Wait for what is not acknowledged, at most so long, in a thread; returns how many messages are left."""
        deadline = time.monotonic() + seconds
        while self.waiting and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        self._ends.set()
        self._thread.join()
        return self.waiting

    def _poll(self) -> None:
        while not self._ends.is_set():
            self._producer.poll(_POLL_SECONDS)

    def _probe(self) -> str | None:
        """Why nothing can be sent, or None; in a thread."""
        try:
            if not self._checked:
                check_topics(self._settings)
                self._checked = True
                return None
            self._producer.list_topics(self._names[SOURCE_TOPICS[0]], timeout=PROBE_ANSWER_SECONDS)
        except KafkaAbsent as error:
            return str(error)
        except NotReady as error:
            self.unready = error
            return str(error)
        except KafkaException as error:
            return f"Kafka does not answer at {self._settings.kafka_address()}: {error.args[0].str()}"
        return None

    def _trouble(self, error: KafkaError) -> None:
        """The client's word, in its thread."""
        if error.fatal():
            self._fatal = f"Kafka's client cannot go on: {error.str()}"
        self._loop.call_soon_threadsafe(self._doubt.set)


def _client(settings: Settings, trouble: Callable[[KafkaError], None]) -> dict[str, Any]:
    compression, collect = settings.topics.compression, settings.collect
    return {
        **quiet(kafka_client(settings), []),
        "error_cb": trouble,
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "compression.type": "zstd" if compression == "producer" else compression,
        "linger.ms": LINGER_MS,
        "batch.size": BATCH_BYTES,
        "message.max.bytes": MESSAGE_BYTES_MAX,
        "queue.buffering.max.messages": collect.in_flight_events_max + QUEUE_SLACK,
        "queue.buffering.max.kbytes": collect.in_flight_bytes_max // 1024 + QUEUE_SLACK,
        "message.timeout.ms": collect.delivery_seconds * _MS,
        "reconnect.backoff.max.ms": _MS,  # a broker that is back is met within a second
    }
