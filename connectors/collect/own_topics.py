"""Tally's own topics are never taken over: what it refuses would come back to it as records, without end.

A cluster is told by its id: it may be named by several addresses.
"""

from __future__ import annotations

from pipeline.kafka_cluster import connect
from pipeline.settings import Settings
from pipeline.topics import ALL_TOPICS, NOTIFY_TOPICS, physical


class OwnTopic(Exception):
    """A topic of tally's own is to be taken over as a vendor's."""

    def __init__(self, name: str) -> None:
        why = "what is refused would come back as a record, without end, and accounts' records would mix"
        mend = "name the vendor's own topic, or its cluster with --from-bootstrap-servers"
        super().__init__(f"--from-topic {name} is a topic of tally's own: {why}. Give another: {mend}")


def is_own_name(settings: Settings, name: str) -> bool:
    """Whether tally has a topic of that name in its own cluster."""
    return name in {physical(settings.topics.prefix, topic) for topic in (*ALL_TOPICS, *NOTIFY_TOPICS)}


def cluster_id(settings: Settings) -> str | None:
    """Which cluster it is; None: it does not say.

    Raises:
        KafkaAbsent: no answer.
    """
    _, found = connect(settings)
    name: str | None = found.cluster_id
    return name or None
