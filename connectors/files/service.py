"""What Kafka is asked beside sending: which topics these are, told from others that had their names before."""

from __future__ import annotations

from confluent_kafka import KafkaException, TopicCollection

from pipeline.kafka_cluster import REACH_SECONDS, KafkaAbsent, absence, connect
from pipeline.settings import Settings
from pipeline.topics import SOURCE_TOPICS, physical


def destination(settings: Settings) -> tuple[str, ...]:
    """The source topics' own ids: others once a topic was deleted and made anew.

    Raises:
        SettingsError: no address.
        KafkaAbsent: no answer, or a topic is missing.
    """
    admin, _ = connect(settings)
    names = [physical(settings.topics.prefix, topic) for topic in SOURCE_TOPICS]
    try:
        described = admin.describe_topics(TopicCollection(names), request_timeout=REACH_SECONDS)
        return tuple(str(described[name].result(REACH_SECONDS).topic_id) for name in names)
    except (KafkaException, TimeoutError) as error:
        raise KafkaAbsent(absence(settings, [str(error)])) from None
