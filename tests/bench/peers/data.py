"""The peers' data sets: topics of their own, filled once with seeded events, and what the recount says of them.

The topics are the project's own, under a prefix for each data set, so that the worker reads what the peers read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyruhvro
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

import schemas
from connectors.producer.service import Sender
from pipeline import topic_admin
from pipeline.core import vocabulary
from pipeline.core.framing import FRAME_BYTES
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings, load
from pipeline.topic_plan import compare, wanted
from pipeline.topics import physical
from tests.bench.peers.recount import Enriched, Event, Truth, months
from tests.bench.peers.traffic import Traffic

SEED = 7
TOPICS = tuple(f"events.{channel}" for channel in vocabulary.CHANNELS)
CONSUME = 20_000  # messages of one call
CONSUME_SECONDS = 0.5  # a call waits so long for as many
SILENCE_SECONDS_MAX = 30.0  # of a partition whose end was not reached
_FOUND = [
    {"name": "unique_open", "type": "boolean"},
    {"name": "unique_click", "type": "boolean"},
    {"name": "activity", "type": "long"},
]


@dataclass(frozen=True)
class DataSet:
    """So many events in topics of their own."""

    settings: Settings  # with the prefix
    events: int
    truth: Truth

    @property
    def topics(self) -> list[str]:
        """Their names in Kafka."""
        return [physical(self.settings.topics.prefix, topic) for topic in TOPICS]


def enriched_schema() -> dict[str, Any]:
    """The output's: a channel event with what was found."""
    schema = dict(schemas.avro("events/channel.v1.avsc"))
    return schema | {"name": "EnrichedEvent", "fields": [*schema["fields"], *_FOUND]}


def write_job(folder: Path) -> None:
    """What the peers read: both schemas, and the types that are activities."""
    folder.mkdir(parents=True, exist_ok=True)
    channel = json.dumps(schemas.avro("events/channel.v1.avsc"))
    (folder / "channel.avsc").write_text(channel, encoding="utf-8")
    (folder / "enriched.avsc").write_text(json.dumps(enriched_schema()), encoding="utf-8")
    names = sorted(vocabulary.load().default_activities)
    (folder / "activities.txt").write_text("\n".join(names) + "\n", encoding="utf-8")


def make(events: int, now_us: int) -> DataSet:
    """Topics, events, truth: read back from Kafka, so that what was sent is what is there.

    Raises:
        Undelivered, TopicsError, KafkaAbsent: Kafka did not take them.
    """
    settings = load({"topics.prefix": f"peers{events}."})
    topics = wanted(settings)
    topic_admin.apply(settings, topics, compare(topics, {}))
    sender = Sender(settings)
    for block in Traffic(SEED, events, now_us).blocks():
        for topic, records in block.items():
            sender.send_batch(topic, records)
    sender.close()
    truth = Truth()
    activities = vocabulary.load().default_activities
    data = DataSet(settings, events, truth)
    for batch in _batches(settings, data.topics):
        columns = _decoded(batch, schemas.avro("events/channel.v1.avsc"))
        for message, event in zip(batch, _events(columns), strict=True):
            place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
            truth.add(event, place, event.type in activities)
    assert truth.read == events, f"{truth.read} of {events} events arrived"
    return data


def enriched(settings: Settings, topic: str) -> Iterator[Enriched]:
    """The rows of a peer's output: those that were committed."""
    for batch in _batches(settings, [topic]):
        columns = _decoded(batch, enriched_schema())
        found = (columns[str(one["name"])].to_pylist() for one in _FOUND)
        yield from map(Enriched, _events(columns), *found)


def _batches(settings: Settings, topics: list[str]) -> Iterator[list[Message]]:
    """All committed messages of the topics up to their ends.

    Raises:
        KafkaException: the broker says so.
        TimeoutError: it says nothing before the end.
    """
    client = {**kafka_client(settings), "group.id": "recount", "enable.auto.commit": False}
    consumer = Consumer({**client, "isolation.level": "read_committed", "enable.partition.eof": True})
    places = [TopicPartition(name, p, 0) for name in topics for p in range(settings.topics.partitions)]
    consumer.assign(places)
    left, heard = len(places), time.monotonic()
    try:
        while left:
            found = consumer.consume(CONSUME, CONSUME_SECONDS)
            heard = time.monotonic() if found else heard
            if time.monotonic() > heard + SILENCE_SECONDS_MAX:
                raise TimeoutError(f"{', '.join(topics)}: {left} partitions without an end")
            errors = [error for message in found if (error := message.error()) is not None]
            ends = sum(error.code() == KafkaError._PARTITION_EOF for error in errors)
            if ends < len(errors):
                raise KafkaException(errors[0])
            left -= ends
            if len(found) > ends:
                yield [message for message in found if message.error() is None]
    finally:
        consumer.close()


def _decoded(batch: list[Message], schema: dict[str, Any]) -> pa.RecordBatch:
    bodies = [(message.value() or b"")[FRAME_BYTES:] for message in batch]
    return pyruhvro.deserialize_array(bodies, json.dumps(schema))


def _events(columns: pa.RecordBatch) -> Iterator[Event]:
    names = ("event_id", "account_id", "type", "profile_id", "message_id")
    ids, accounts, types, profiles, messages = (columns[name].to_pylist() for name in names)
    at = np.asarray(columns["occurred_at"].cast(pa.int64()))
    return map(Event, ids, accounts, types, months(at), profiles, messages)
