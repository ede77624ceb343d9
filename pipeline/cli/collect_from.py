"""`tally collect --from-topic`: a vendor's own Kafka topic, taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.cli import console
from pipeline.cli.endpoint_of import endpoint_of

if TYPE_CHECKING:
    from connectors.collect.source import Takeover
    from pipeline.settings import Settings


class Wanted(NamedTuple):
    """What the options say."""

    topic: str
    endpoint: str | None
    group: str | None
    servers: str | None


def prepared(settings: Settings, wanted: Wanted) -> Takeover:
    """What the options ask for, or the end of the command with what to do; Kafka is not asked yet."""
    from connectors.collect.own_topics import OwnTopic
    from connectors.collect.rows import Translator
    from connectors.collect.source import Meaning, Origin, Takeover
    from pipeline import schema_ids
    from pipeline.core import vocabulary

    if wanted.endpoint is None:
        console.fail("--from-topic needs --endpoint: it says the vendor and the account", console.Exit.USAGE)
    endpoint, vendor = endpoint_of(settings, wanted.endpoint)
    try:
        ids = schema_ids.newest(schema_ids.resolve(settings))
    except (schema_ids.SchemaChanged, RuntimeError) as error:  # a registry's error is a RuntimeError
        console.fail(str(error))
    there = settings
    if wanted.servers is not None:
        kafka = settings.kafka.model_copy(update={"bootstrap_servers": wanted.servers})
        there = settings.model_copy(update={"kafka": kafka})
    origin = Origin(there, wanted.topic, wanted.group or f"tally-collect.{endpoint.id}")
    try:
        return Takeover(settings, origin, Meaning(Translator(vocabulary.load(), ids), endpoint, vendor))
    except OwnTopic as error:
        console.fail(str(error), console.Exit.USAGE)


def take_over(takeover: Takeover) -> None:
    """Until SIGTERM or SIGINT."""
    from confluent_kafka import KafkaException

    from connectors.collect.own_topics import OwnTopic
    from connectors.collect.source import FATAL

    try:
        with console.stop_on_signals() as stop:
            takeover.run(stop)
    except OwnTopic as error:
        console.fail(str(error), console.Exit.USAGE)
    except (*FATAL, KafkaException) as error:
        console.fail(f"tally collect stops: {error}")
