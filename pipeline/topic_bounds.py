"""What the source topics hold, partition by partition, and how much of it was not read yet."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline.first_reads import Place, first_reads
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


class TopicsMissing(RuntimeError):
    """A source topic is not there; says what to do."""


class Extent(NamedTuple):
    """What a partition of a source topic holds: offsets `[first, end)`. `origin`: where the worker began to read it."""

    first: int
    end: int
    origin: int = 0

    @property
    def events(self) -> int:
        """That are there."""
        return self.end - self.first

    def unread(self, read: int) -> int:
        """Events that are there and not among the first `read` ones: a worker leaves none out."""
        return max(0, self.end - max(self.first, self.origin + read))


def extents(settings: Settings) -> dict[Place, Extent]:
    """Every partition of the source topics, now.

    Raises:
        SettingsError: no address.
        KafkaAbsent: no answer.
        TopicsMissing: a topic is not there.
    """
    found = _extents(settings)
    cut = {place for place, extent in found.items() if 0 < extent.first < extent.end}
    origins = first_reads(settings, {place: found[place].first for place in cut})
    return {place: extent._replace(origin=origins.get(place, 0)) for place, extent in found.items()}


def held(settings: Settings) -> dict[Place, int]:
    """How many events every partition of the source topics holds, now. Raises as `extents` does."""
    return {place: extent.events for place, extent in _extents(settings).items()}


def missing(wanted: Mapping[Place, Extent], read: Mapping[Place, int]) -> dict[Place, int]:
    """Events of each partition that were not read, by how many were; empty when all were."""
    left = {place: extent.unread(read.get(place, 0)) for place, extent in wanted.items()}
    return {place: count for place, count in left.items() if count}


def _extents(settings: Settings) -> dict[Place, Extent]:
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
    return {place: Extent(beginnings[partition], ends[partition]) for partition, place in places.items()}


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
