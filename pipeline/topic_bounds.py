"""How many events the source topics hold, partition by partition."""

from __future__ import annotations

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline.kafka_cluster import KafkaAbsent, absence, connect
from pipeline.settings import Settings
from pipeline.topics import SOURCE_TOPICS, physical

REQUEST_SECONDS = 8

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
        ends = _offsets(admin, places, OffsetSpec.latest())
        beginnings = _offsets(admin, places, OffsetSpec.earliest())
    except KafkaException as error:
        raise KafkaAbsent(absence(settings, [error.args[0].str()])) from None
    return {place: ends[place] - beginnings[place] for place in ends}


def _offsets(admin: AdminClient, places: dict[TopicPartition, Place], which: OffsetSpec) -> dict[Place, int]:
    asked = admin.list_offsets(dict.fromkeys(places, which), request_timeout=REQUEST_SECONDS)
    return {places[partition]: future.result(REQUEST_SECONDS).offset for partition, future in asked.items()}
