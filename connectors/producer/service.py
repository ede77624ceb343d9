"""Sends events to Kafka: idempotent, acknowledged by all replicas in sync, keyed by account, murmur2 as Java has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from pipeline.kafka_cluster import connect, quiet
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings
from pipeline.topics import SOURCE_TOPICS, physical

LINGER_MS = 50  # full batches compress well; an acknowledgement that is 50 ms later hurts nobody here
BATCH_BYTES = 512 * 1024  # of one partition; below the broker's 1 MiB for a batch
QUEUE_EVENTS_MAX = 200_000  # not yet acknowledged; bounds memory together with the next
QUEUE_KBYTES_MAX = 128 * 1024
MESSAGE_BYTES_MAX = 4 << 20  # what the client lets pass; the broker and the pipeline have bounds of their own
DELIVERY_MS_MAX = 60_000  # a broker's restart takes some seconds; after that a person should know
_HEADER_SECONDS = 0.01  # precision of received_at where a line gives none: the clock is read that often
_FLUSH_SLICE_SECONDS = 0.5
_FULL_WAIT_SECONDS = 0.1
_BARRIER_SECONDS = 0.002  # more than the millisecond in which the broker's times are told

Headers = list[tuple[str, str | bytes | None]]  # as the client takes them


class NotReady(RuntimeError):
    """The topics are not as they must be before anything is sent; says what to do."""


class Undelivered(RuntimeError):
    """Kafka did not take all events; says how many and why."""


class Sender:
    """Events out, counted by topic; what failed is told by `close`."""

    def __init__(self, settings: Settings) -> None:
        """Checks that the topics are there.

        Raises:
            SettingsError: no address.
            KafkaAbsent: no answer.
            NotReady: a topic is missing, or their partitions differ.
        """
        self._prefix = settings.topics.prefix
        check_topics(settings)
        self._names = {topic: physical(self._prefix, topic) for topic in SOURCE_TOPICS}
        self._met: list[str] = []
        self._producer = Producer(_client(settings, self._met, self._delivered))
        self._header: Headers = []
        self._header_at = float("-inf")
        self.sent: dict[str, int] = {}
        self.failed = 0
        self._first_failure = ""

    def send(self, topic: str, key: bytes | None, value: bytes | None, received_at: int | None = None) -> None:
        """Queue one event; waits while the queue is full.

        Raises:
            Undelivered: Kafka has failed for good.
        """
        headers: Headers = self._now() if received_at is None else [("received_at", str(received_at).encode())]
        deadline = None
        while True:
            try:
                self._producer.produce(self._names[topic], value, key, headers=headers)
                break
            except BufferError:
                deadline = deadline or time.monotonic() + 2 * DELIVERY_MS_MAX / 1000
                if time.monotonic() > deadline:
                    raise Undelivered(self._why("the queue stays full")) from None
                self._producer.poll(_FULL_WAIT_SECONDS)
            except KafkaException as error:
                raise Undelivered(self._why(error.args[0].str())) from None
        self.sent[topic] = self.sent.get(topic, 0) + 1

    def send_batch(self, topic: str, messages: Sequence[dict[str, Any]]) -> None:
        """Queue many events of a topic at once, `key` and `value` each, without headers: half the cost of `send`.

        Raises:
            Undelivered: Kafka has failed for good.
        """
        left = list(messages)
        deadline = time.monotonic() + 2 * DELIVERY_MS_MAX / 1000
        while left:
            self._producer.produce_batch(self._names[topic], left)
            refused = [message for message in left if "_error" in message]
            for message in refused:
                error = message.pop("_error")
                if error.code() != KafkaError._QUEUE_FULL:
                    raise Undelivered(self._why(error.str()))
            self.sent[topic] = self.sent.get(topic, 0) + len(left) - len(refused)
            left = refused
            if left and time.monotonic() > deadline:
                raise Undelivered(self._why("the queue stays full"))
            self._producer.poll(_FULL_WAIT_SECONDS if left else 0)

    @property
    def waiting(self) -> int:
        """Events that Kafka has not answered for."""
        return len(self._producer)

    def flush(self, seconds: float = 2 * DELIVERY_MS_MAX / 1000) -> None:
        """Wait until Kafka has answered for all that was sent, for good or not; at most so long."""
        deadline = time.monotonic() + seconds
        while self._producer.flush(min(seconds, _FLUSH_SLICE_SECONDS)) and time.monotonic() < deadline:
            pass

    def barrier(self) -> None:
        """What was sent so far is in Kafka before anything sent later, whatever the topics: by a millisecond at least.

        Kafka keeps order within a topic's partition alone; between topics the broker's time decides.
        """
        self.flush()
        time.sleep(_BARRIER_SECONDS)

    def settle(self) -> None:
        """Wait for every acknowledgement of what was sent so far.

        Raises:
            Undelivered: Kafka did not take some events; this sender is of no more use.
        """
        self.flush()
        self.failed += len(self._producer)
        if self.failed:
            raise Undelivered(self._why(self._first_failure or "no acknowledgement"))

    def close(self) -> None:
        """Wait for every acknowledgement; nothing is sent after that.

        Raises:
            Undelivered: Kafka did not take some events.
        """
        self.settle()

    def _now(self) -> Headers:
        clock = time.monotonic()
        if clock - self._header_at > _HEADER_SECONDS:
            self._header = [("received_at", str(time.time_ns() // 1000).encode())]
            self._header_at = clock
            self._producer.poll(0)
        return self._header

    def _delivered(self, error: KafkaError | None, _message: Delivered) -> None:
        if error is not None:
            self.failed += 1
            self._first_failure = self._first_failure or error.str()

    def _why(self, reason: str) -> str:
        met = f" ({self._met[-1]})" if self._met else ""
        return f"{max(self.failed, 1)} events were not delivered: {reason}{met}"


def promised(settings: Settings) -> dict[str, Any]:
    """What a producer into the source topics is, whoever it is: none lost, none twice, an account on one partition."""
    compression = settings.topics.compression
    return {
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "compression.type": "zstd" if compression == "producer" else compression,
        "batch.size": BATCH_BYTES,
        "message.max.bytes": MESSAGE_BYTES_MAX,
    }


def _client(settings: Settings, met: list[str], on_delivery: Callable[..., None]) -> dict[str, Any]:
    return {
        **quiet(kafka_client(settings), met),
        **promised(settings),
        "linger.ms": LINGER_MS,
        "queue.buffering.max.messages": QUEUE_EVENTS_MAX,
        "queue.buffering.max.kbytes": QUEUE_KBYTES_MAX,
        "message.timeout.ms": DELIVERY_MS_MAX,
        "delivery.report.only.error": True,
        "on_delivery": on_delivery,
    }


def check_topics(settings: Settings) -> None:
    """That the source topics are there, each with as many partitions as the others.

    Raises:
        SettingsError: no address.
        KafkaAbsent: no answer.
        NotReady: a topic is missing, or their partitions differ.
    """
    _, cluster = connect(settings)
    names = [physical(settings.topics.prefix, topic) for topic in SOURCE_TOPICS]
    missing = [name for name in names if name not in cluster.topics]
    if missing:
        raise NotReady(f"{len(missing)} topics are missing, such as {missing[0]}: run `tally topics apply`")
    counts = {name: len(cluster.topics[name].partitions) for name in names}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise NotReady(
            f"the topics have different numbers of partitions ({told}), so an account's events would part: "
            "see `tally topics plan`"
        )
