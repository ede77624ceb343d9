"""Topics in the cluster: read them, make them as planned. What to do is decided in `topic_plan`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from itertools import groupby
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from pipeline.kafka_cluster import REACH_SECONDS, KafkaAbsent, absence, connect
from pipeline.settings import Settings
from pipeline.topic_bounds import offsets
from pipeline.topic_plan import Change, Found, Topic, compare

if TYPE_CHECKING:
    from confluent_kafka.admin import ClusterMetadata

REQUEST_SECONDS = 30  # a controller that is busy with an election answers within that
SETTLE_SECONDS = 10  # until every broker knows what the controller has done
_SETTLE_POLL_SECONDS = 0.1
# A broker that is gone, or is not the one any more that it was.
_AWAY = (
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.NOT_CONTROLLER,
)


class TopicsError(RuntimeError):
    """The cluster refused a change, or it did not take effect; says which."""


def read(
    settings: Settings, topics: Iterable[Topic], bounds: bool = True, seconds: float = REACH_SECONDS
) -> dict[str, Found]:
    """Those of the topics that the cluster has; each of their partitions has a leader then.

    Without `bounds` nobody asks the leaders whether there are records. `seconds`: for the first answer.

    Raises:
        KafkaAbsent: no answer.
        TopicsError: the cluster does not let us look.
    """
    admin, cluster = connect(settings, seconds)
    names = [
        topic.name for topic in topics if topic.name in cluster.topics and cluster.topics[topic.name].error is None
    ]
    if not names:
        return {}
    configs = _configs(settings, admin, names)
    written = _written(admin, cluster, names) if bounds else set()
    found = {}
    for name in names:
        partitions = cluster.topics[name].partitions
        replicas = min(len(partition.replicas) for partition in partitions.values())
        found[name] = Found(len(partitions), replicas, configs[name], name in written)
    return found


def apply(settings: Settings, topics: list[Topic], changes: list[Change]) -> None:
    """Make the changes, and return when the cluster shows them.

    Raises:
        KafkaAbsent: no answer.
        TopicsError: the cluster refused a change, or does not show it after `SETTLE_SECONDS`.
    """
    assert not [change for change in changes if change.action == "refuse"], "refused changes are not applied"
    admin, _ = connect(settings)
    by_name = {topic.name: topic for topic in topics}
    created = list(dict.fromkeys(change.topic for change in changes if change.action == "create"))
    if created:
        new = [_new(by_name[name]) for name in created]
        _wait(admin.create_topics(new, request_timeout=REQUEST_SECONDS), "create")
    resources = [
        _resource(name, list(group))
        for name, group in groupby((change for change in changes if change.action == "set"), lambda c: c.topic)
    ]
    if resources:
        futures = admin.incremental_alter_configs(resources, request_timeout=REQUEST_SECONDS)
        _wait({resource.name: future for resource, future in futures.items()}, "configure")
    _settle(settings, topics)


def _settle(settings: Settings, topics: list[Topic]) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        left = compare(topics, read(settings, topics))
        if not left:
            return
        if time.monotonic() > deadline:
            change = left[0]
            raise TopicsError(
                f"the cluster accepted the changes, but {change.topic} still shows {change.setting}={change.found} "
                f"instead of {change.wanted}; a policy of the cluster may override it"
            )
        time.sleep(_SETTLE_POLL_SECONDS)


def _new(topic: Topic) -> NewTopic:
    return NewTopic(topic.name, topic.partitions, topic.replication_factor, config=dict(topic.configs))


def _resource(name: str, changes: list[Change]) -> ConfigResource:
    entries = [
        ConfigEntry(change.setting, change.wanted, incremental_operation=AlterConfigOpType.SET) for change in changes
    ]
    return ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)


def _wait(futures: Mapping[str, Future[object]], verb: str) -> None:
    failed = []
    for name, future in futures.items():
        try:
            future.result(REQUEST_SECONDS)
        except KafkaException as error:
            failed.append(f"{name}: {error.args[0].str()}")
    if failed:
        raise TopicsError(f"cannot {verb} {len(failed)} topics: " + "; ".join(failed))


def _configs(settings: Settings, admin: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    found = {}
    for resource, future in admin.describe_configs(resources, request_timeout=REQUEST_SECONDS).items():
        try:
            entries = future.result(REQUEST_SECONDS)
        except TimeoutError:
            raise KafkaAbsent(absence(settings, [f"no answer within {REQUEST_SECONDS} s"])) from None
        except KafkaException as error:
            if error.args[0].code() in _AWAY:
                raise KafkaAbsent(absence(settings, [error.args[0].str()])) from None
            raise TopicsError(f"cannot read the configuration of {resource.name}: {error.args[0].str()}") from None
        found[resource.name] = {name: entry.value for name, entry in entries.items()}
    return found


def _written(admin: AdminClient, cluster: ClusterMetadata, names: list[str]) -> set[str]:
    """Topics that anything was ever written to: an end offset above 0."""
    asked = [TopicPartition(name, number) for name in names for number in cluster.topics[name].partitions]
    try:
        ends = offsets(admin, asked, OffsetSpec.latest())
    except KafkaException as error:
        raise TopicsError(f"cannot read the topics' ends: {error.args[0].str()}; is every broker up?") from None
    return {partition.topic for partition, end in ends.items() if end > 0}
