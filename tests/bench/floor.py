"""A floor that several benches share: the source topics read by confluent-kafka and decoded in bulk, nothing else."""

from __future__ import annotations

import json
import time
from typing import NamedTuple

import pyruhvro
from confluent_kafka import Consumer, KafkaException, TopicPartition

import schemas
from pipeline.core.framing import FRAME_BYTES
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings
from pipeline.topics import SOURCE_TOPICS, physical, schema_of

KINDS = ("channel", "profile", "account", "crm")
CONSUME = 20_000  # messages of one call
WAIT_SECONDS_MAX = 60.0  # without a message: the topics hold fewer than was said


class Floor(NamedTuple):
    """What reading and decoding alone cost."""

    events_s: float
    cpu_us: float  # an event, of this process with all its threads


def read_and_decode(settings: Settings, events: int) -> Floor:
    """Read so many events from the beginning of the source topics, decode them, forget them.

    Raises:
        KafkaException: the broker says so.
        AssertionError: the topics hold fewer events.
    """
    writers = {kind: json.dumps(schemas.avro(f"events/{kind}.v1.avsc")) for kind in KINDS}
    prefix, partitions = settings.topics.prefix, range(settings.topics.partitions)
    consumer = Consumer({**kafka_client(settings), "group.id": "floor", "enable.auto.commit": False})
    consumer.assign([TopicPartition(physical(prefix, t), p, 0) for t in SOURCE_TOPICS for p in partitions])
    began, cpu, read = time.monotonic(), time.process_time(), 0
    heard = began
    while read < events:
        bodies: dict[str, list[bytes]] = {}
        for message in consumer.consume(CONSUME, 1.0):
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            topic = (message.topic() or "").removeprefix(prefix)
            bodies.setdefault(schema_of(topic), []).append((message.value() or b"")[FRAME_BYTES:])
            heard = time.monotonic()
        for kind, values in bodies.items():
            pyruhvro.deserialize_array(values, writers[kind])
            read += len(values)
        assert time.monotonic() - heard < WAIT_SECONDS_MAX, f"only {read} of {events} events are there"
    seconds, used = time.monotonic() - began, time.process_time() - cpu
    consumer.close()
    return Floor(read / seconds, used / read * 1e6)
