"""How many events the source topics hold, partition by partition."""

from __future__ import annotations

import time
from collections.abc import Collection

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline.kafka_cluster import KafkaAbsent, absence, connect
from pipeline.settings import Settings
from pipeline.topics import SOURCE_TOPICS, physical

REQUEST_SECONDS = 8
ELECTION_SECONDS = 10  # a partition that was just made, or lost its leader, has a new one within seconds
_POLL_SECONDS = 0.1
# A partition between two leaders.
_LEADERLESS = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.UNKNOWN_LEADER_EPOCH,  # the broker has not heard of the election yet that the client knows of
    KafkaError.FENCED_LEADER_EPOCH,  # and the other way round
)

Place = tuple[str, int]  # topic without prefix, partition


class TopicsMissing(RuntimeError):
    """A source topic is not there; says what to do."""


def held(settings: Settings) -> dict[Place, int]:
    """End minus beginning of every partition of the source topics, now.

    Raises:
        SettingsError: no address.
        KafkaAbsent: no answer.
        TopicsMissing: a topic is not there.
    """
    admin, cluster = connect(settings)
    places: dict[TopicPartition, Place] = {}
    for topic in SOURCE_TOPICS:
        name = physical(settings.topics.prefix, topic)
        if name not in cluster.topics:
            raise TopicsMissing(f"there is no topic {name}: run `tally topics apply`")
        for number in cluster.topics[name].partitions:
            places[TopicPartition(name, number)] = (topic, number)
    try:
        ends = offsets(admin, places, OffsetSpec.latest())
        beginnings = offsets(admin, places, OffsetSpec.earliest())
    except KafkaException as error:
        raise KafkaAbsent(absence(settings, [error.args[0].str()])) from None
    return {place: ends[partition] - beginnings[partition] for partition, place in places.items()}


def offsets(admin: AdminClient, partitions: Collection[TopicPartition], which: OffsetSpec) -> dict[TopicPartition, int]:
    """The offset at that place of every partition; waits for leaders that are being elected.

    Raises:
        KafkaException: a partition did not answer.
    """
    deadline = time.monotonic() + ELECTION_SECONDS
    while True:
        asked = admin.list_offsets(dict.fromkeys(partitions, which), request_timeout=REQUEST_SECONDS)
        try:
            return {partition: future.result(REQUEST_SECONDS).offset for partition, future in asked.items()}
        except KafkaException as error:
            if error.args[0].code() not in _LEADERLESS or time.monotonic() > deadline:
                raise
        time.sleep(_POLL_SECONDS)
