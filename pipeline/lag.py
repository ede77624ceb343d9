"""How far the worker and the sink are behind: records that they have not read, and the age of the oldest of them.

In:   the end of each partition and the offset that the service's group committed there.
Time: the broker's timestamp of the oldest unread record against this machine's clock.
A partition without a commit counts from its beginning. Topics that do not exist are left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pipeline.kafka_cluster import REACH_SECONDS, connect, quiet
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings
from pipeline.topics import JOURNAL, SOURCE_TOPICS, logical, physical

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition
    from confluent_kafka.admin import AdminClient

READ_SECONDS = 5.0  # to read the oldest unread records; an age not found in time is unknown
AGAIN_SECONDS = 0.1  # between two questions to a cluster that is not settled
READS_AT_ONCE = 100  # messages taken from the client at a time
FETCH_BYTES = 64 * 1024  # one record of a partition is enough; a larger one still comes

ServiceName = Literal["worker", "sink"]
Place = tuple[str, int]  # topic as Kafka has it, partition


class Lag(NamedTuple):
    """One partition of one service. `seconds`: 0 where nothing is unread, None where the age was not found in time."""

    service: ServiceName
    topic: str
    partition: int
    committed: int | None
    end: int
    records: int
    seconds: float | None


class Total(NamedTuple):
    """A service as a whole: all its records, the age of the oldest."""

    service: ServiceName
    records: int
    seconds: float | None


def lag(settings: Settings) -> list[Lag]:
    """The lag of both services, by topic in flow order and partition.

    Raises:
        SettingsError: no address.
        KafkaAbsent: no answer.
        KafkaException: the broker refuses the question.
    """
    from confluent_kafka import KafkaError, KafkaException

    # What a cluster says for a moment when a topic or the first group was just made, or a leader moved.
    passing = {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
    deadline = time.monotonic() + REACH_SECONDS
    while True:
        try:
            return _lag(settings)
        except KafkaException as error:
            if error.args[0].code() not in passing or time.monotonic() >= deadline:
                raise
            time.sleep(AGAIN_SECONDS)


def _lag(settings: Settings) -> list[Lag]:
    admin, cluster = connect(settings)
    places = {
        service: [
            (name, partition)
            for name in (physical(settings.topics.prefix, topic) for topic in topics)
            if name in cluster.topics
            for partition in sorted(cluster.topics[name].partitions)
        ]
        for service, topics in _topics().items()
    }
    every = [place for found in places.values() for place in found]
    first, end = _offsets(admin, every, "earliest"), _offsets(admin, every, "latest")
    groups: dict[ServiceName, str] = {"worker": settings.worker.group_id, "sink": settings.sink.group_id}
    committed = {service: _committed(settings, groups[service], found) for service, found in places.items()}
    unread = {
        place: max(committed[service].get(place, first[place]), first[place])
        for service, found in places.items()
        for place in found
    }
    behind = {place: offset for place, offset in unread.items() if end[place] > offset}
    ages = _ages(settings, behind)
    return [
        Lag(
            service=service,
            topic=logical(settings.topics.prefix, place[0]),
            partition=place[1],
            committed=committed[service].get(place),
            end=end[place],
            records=max(0, end[place] - unread[place]),
            seconds=ages.get(place) if place in behind else 0.0,
        )
        for service, found in places.items()
        for place in found
    ]


def totals(lags: Iterable[Lag]) -> list[Total]:
    """One line a service, both always there."""
    found = list(lags)
    lines = []
    for service in _topics():
        own = [part for part in found if part.service == service]
        known = [part.seconds for part in own if part.seconds is not None]
        unknown = len(known) < len(own)
        lines.append(Total(service, sum(part.records for part in own), None if unknown else max(known, default=0.0)))
    return lines


def _topics() -> dict[ServiceName, tuple[str, ...]]:
    return {"worker": SOURCE_TOPICS, "sink": (JOURNAL,)}


def _offsets(admin: AdminClient, places: list[Place], which: Literal["earliest", "latest"]) -> dict[Place, int]:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import OffsetSpec

    if not places:
        return {}
    spec = OffsetSpec.earliest() if which == "earliest" else OffsetSpec.latest()
    asked = {TopicPartition(*place): spec for place in places}
    answers = admin.list_offsets(asked, request_timeout=REACH_SECONDS)
    return {_place(partition): future.result().offset for partition, future in answers.items()}


def _committed(settings: Settings, group: str, places: list[Place]) -> dict[Place, int]:
    """What a group committed, asked by a consumer that never joins it.

    Not by the admin client's list_consumer_group_offsets: it crashes the process when the group's coordinator is just
    being made (librdkafka issue 5040, seen).
    """
    if not places:
        return {}
    consumer = _consumer(settings, group)
    try:
        found = consumer.committed([_partition(place) for place in places], timeout=REACH_SECONDS)
    finally:
        consumer.close()
    return {_place(partition): partition.offset for partition in found if partition.offset >= 0}


def _ages(settings: Settings, behind: dict[Place, int]) -> dict[Place, float]:
    """Seconds since the broker stored the record at each place; those not read in time are missing."""
    from confluent_kafka import TopicPartition

    if not behind:
        return {}
    consumer = _consumer(settings, f"{settings.worker.group_id}-lag")
    try:
        consumer.assign([TopicPartition(*place, offset) for place, offset in behind.items()])
        return _read_ages(consumer, len(behind))
    finally:
        consumer.close()


def _consumer(settings: Settings, group: str) -> Consumer:
    """A consumer that joins no group and commits nothing."""
    from confluent_kafka import Consumer

    small = {"enable.auto.commit": False, "fetch.message.max.bytes": FETCH_BYTES, "queued.min.messages": 1}
    return Consumer({**quiet(kafka_client(settings), []), **small, "group.id": group})


def _read_ages(consumer: Consumer, places: int) -> dict[Place, float]:
    ages: dict[Place, float] = {}
    deadline = time.monotonic() + READ_SECONDS
    while len(ages) < places and (left := deadline - time.monotonic()) > 0:
        for message in consumer.consume(READS_AT_ONCE, timeout=min(left, 0.2)):
            if message.error() is not None:
                continue
            place = _place_of(message)
            if place not in ages:
                ages[place] = max(0.0, time.time() - message.timestamp()[1] / 1000)
                consumer.pause([_partition(place)])
    return ages


def _place_of(message: Message) -> Place:
    topic, partition = message.topic(), message.partition()
    assert topic is not None
    assert partition is not None
    return topic, partition


def _partition(place: Place) -> TopicPartition:
    from confluent_kafka import TopicPartition

    return TopicPartition(*place)


def _place(partition: Any) -> Place:
    return partition.topic, partition.partition
