"""Messages into the source topics: a delivery's messages are acknowledged all together, or not. The only Kafka calls.

The client's answers are fetched by the event loop itself, every millisecond while some are due: a thread for them would
wait for the interpreter's lock once for each message, five milliseconds at worst. A delivery whose time is over has
failed; a copy of it that Kafka takes after that is the same event. How much may wait is `Room`'s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from connectors.producer.rows import Message
from connectors.producer.service import NotReady, check_topics, promised
from pipeline import metrics
from pipeline.kafka_cluster import KafkaAbsent, quiet
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings
from pipeline.topics import SOURCE_TOPICS, physical

LINGER_MS = 5  # a sender waits for the answer; batches fill by themselves under load
QUEUE_SLACK = 10_000  # messages and KiB beyond what `Room` lets in: the queue never refuses
PROBE_SECONDS = 5.0  # between two looks whether Kafka answers
PROBE_AWAY_SECONDS = 0.5  # the same while it does not
PROBE_ANSWER_SECONDS = 2.0  # a broker that works answers in milliseconds
_BUSY_SECONDS = 0.001  # between two looks for answers while some are due; less than the linger
_IDLE_SECONDS = 0.1  # the same while none is: for the client's word that brokers are gone
_MS = 1_000

log = logging.getLogger(__name__)


class Failed(RuntimeError):
    """Kafka's client is beyond repair; the process is to end and be started again."""


class Batch:
    """The messages of one delivery: done when Kafka has answered for each."""

    __slots__ = ("_done", "_left", "_loop", "error")

    def __init__(self, total: int, loop: asyncio.AbstractEventLoop, done: Callable[[Batch], None]) -> None:
        """`done` is called once, by the event loop, never before `Sink.send` has returned."""
        self._left, self._loop, self._done = total, loop, done
        self.error: str | None = None

    def delivered(self, error: KafkaError | None, _message: Delivered) -> None:
        """Kafka's answer for one message."""
        if error is not None:
            self.error = error.name()
        self._less(1)

    def refuse(self, count: int, error: str) -> None:
        """So many messages were never sent."""
        self.error = error
        self._less(count)

    def _less(self, count: int) -> None:
        self._left -= count
        if self._left == 0:
            self._loop.call_soon(self._done, self)


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
        self._is_busy = False
        self._timer = loop.call_later(_IDLE_SECONDS, self._serve)

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
        if not self._is_busy:
            self._is_busy = True
            self._timer.cancel()
            self._timer = self._loop.call_later(_BUSY_SECONDS, self._serve)
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

    async def close(self, seconds: float) -> int:
        """Wait for what is not acknowledged, at most about so long; returns how many messages are left."""
        deadline = time.monotonic() + seconds
        for _ in range(int(seconds / _BUSY_SECONDS)):
            if not self.waiting or time.monotonic() >= deadline:
                break
            await asyncio.sleep(_BUSY_SECONDS)
        self._timer.cancel()
        return self.waiting

    def _serve(self) -> None:
        """Take the client's answers, and look again soon."""
        self._producer.poll(0)
        self._is_busy = self.waiting > 0
        self._timer = self._loop.call_later(_BUSY_SECONDS if self._is_busy else _IDLE_SECONDS, self._serve)

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
        """The client's word."""
        if error.fatal():
            self._fatal = f"Kafka's client cannot go on: {error.str()}"
        self._loop.call_soon_threadsafe(self._doubt.set)


def _client(settings: Settings, trouble: Callable[[KafkaError], None]) -> dict[str, Any]:
    collect = settings.collect
    return {
        **quiet(kafka_client(settings), []),
        **promised(settings),
        "error_cb": trouble,
        "linger.ms": LINGER_MS,
        "queue.buffering.max.messages": collect.in_flight_events_max + QUEUE_SLACK,
        "queue.buffering.max.kbytes": collect.in_flight_bytes_max // 1024 + QUEUE_SLACK,
        "message.timeout.ms": collect.delivery_seconds * _MS,
        "reconnect.backoff.max.ms": _MS,  # a broker that is back is met within a second
    }
