"""What a rebuild asks Kafka and tells it: the journal's bounds, who is in a group, and what groups have committed.

A group's offsets are written from outside it, which the broker allows only while nobody is in it: so a commit that
succeeds proves that no sink was at work. All partitions go into one request, which is taken whole or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from connectors.kafka_faults import KafkaAway, NoTopic
from pipeline.kafka_cluster import REACH_SECONDS, KafkaAbsent, absence, connect, quiet
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings
from pipeline.topics import JOURNAL, physical

T = TypeVar("T")

AGAIN_SECONDS = 0.1
# What a cluster says for a moment while a coordinator or a leader moves or starts.
_PASSING = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError._WAIT_COORD,
    }
)
_TAKEN = frozenset({KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS})


class GroupTaken(Exception):
    """Somebody is in the group."""


class Bounds(NamedTuple):
    """The offsets that a journal partition holds: `[low, high)`."""

    low: int
    high: int


class Commit(NamedTuple):
    """An offset commit as it is."""

    offset: int
    metadata: str | None


class Journal:
    """The journal topic from outside."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.topic = physical(settings.topics.prefix, JOURNAL)

    def bounds(self) -> dict[int, Bounds]:
        """What every partition holds now.

        Raises:
            KafkaAway: no answer.
            NoTopic: there is none.
        """

        def ask() -> dict[int, Bounds]:
            admin, cluster = connect(self._settings)
            if self.topic not in cluster.topics:
                where = self._settings.kafka_address()
                raise NoTopic(f"Kafka at {where} has no topic {self.topic}: run `tally topics apply`")
            places = [TopicPartition(self.topic, number) for number in sorted(cluster.topics[self.topic].partitions)]
            low, high = _offsets(admin, places, OffsetSpec.earliest()), _offsets(admin, places, OffsetSpec.latest())
            return {number: Bounds(low[number], high[number]) for number in low}

        return _patiently(self._settings, ask)

    def members(self, group: str) -> list[str]:
        """Who is in a group.

        Raises:
            KafkaAway
        """

        def ask() -> list[str]:
            admin, _ = connect(self._settings)
            found = admin.describe_consumer_groups([group], request_timeout=REACH_SECONDS)[group].result()
            return sorted(f"{member.client_id} on {member.host.removeprefix('/')}" for member in found.members)

        try:
            return _patiently(self._settings, ask)
        except _Unknown:
            return []


class Group:
    """A group's offset commits on the journal, read and written without being in it."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings, self.name = settings, name
        self._topic = physical(settings.topics.prefix, JOURNAL)

    def commits(self, partitions: int) -> dict[int, Commit]:
        """The last commit of each partition that has one.

        Raises:
            KafkaAway
        """
        places = [TopicPartition(self._topic, number) for number in range(partitions)]

        def ask() -> dict[int, Commit]:
            found = self._with(lambda consumer: consumer.committed(places, timeout=REACH_SECONDS))
            return {p.partition: Commit(p.offset, p.metadata) for p in found if p.offset >= 0}

        return _patiently(self._settings, ask)

    def commit(self, commits: Mapping[int, Commit]) -> None:
        """Commit all of them at once.

        Raises:
            GroupTaken: somebody is in the group; nothing was committed.
            KafkaAway: the broker may have them or not.
        """
        places = [TopicPartition(self._topic, p, c.offset, metadata=c.metadata) for p, c in commits.items()]

        def tell() -> None:
            self._with(lambda consumer: consumer.commit(offsets=places, asynchronous=False))

        _patiently(self._settings, tell)

    def _with(self, call: Callable[[Consumer], list[TopicPartition] | None]) -> list[TopicPartition]:
        """One call of a consumer that joins no group; the first error of a partition is raised."""
        client = quiet(kafka_client(self._settings), [])
        consumer = Consumer(
            {**client, "group.id": self.name, "enable.auto.commit": False, "client.id": "tally-rebuild"}
        )
        try:
            found = call(consumer) or []
        finally:
            consumer.close()
        for place in found:
            if place.error is not None:
                raise KafkaException(place.error)
        return found


class _Unknown(Exception):
    """The broker does not know the group."""


def _offsets(admin: AdminClient, places: list[TopicPartition], which: OffsetSpec) -> dict[int, int]:
    answers = admin.list_offsets(dict.fromkeys(places, which), request_timeout=REACH_SECONDS)
    return {place.partition: int(future.result().offset) for place, future in answers.items()}


def _patiently(settings: Settings, ask: Callable[[], T]) -> T:
    """An answer, asked again while a coordinator or a leader moves.

    Raises:
        KafkaAway, GroupTaken, _Unknown
    """
    deadline = time.monotonic() + REACH_SECONDS
    while True:
        try:
            return ask()
        except KafkaAbsent as error:
            raise KafkaAway(str(error)) from None
        except KafkaException as error:
            found = error.args[0]
            if found.code() in _TAKEN:
                raise GroupTaken(found.str()) from None
            if found.code() == KafkaError.GROUP_ID_NOT_FOUND:
                raise _Unknown from None
            if found.code() not in _PASSING or time.monotonic() >= deadline:
                raise KafkaAway(absence(settings, [found.str()])) from None
        time.sleep(AGAIN_SECONDS)
