"""`tally collect --from-topic`: a vendor's own Kafka topic, taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.cli import console
from pipeline.cli.endpoint_of import endpoint_of

if TYPE_CHECKING:
    from pipeline.settings import Settings


class Wanted(NamedTuple):
    """What the options say."""

    topic: str
    endpoint: str | None
    group: str | None
    servers: str | None


def take_over(settings: Settings, wanted: Wanted) -> None:
    """Until SIGTERM or SIGINT."""
    from confluent_kafka import KafkaException

    from connectors.collect.rows import Translator
    from connectors.collect.source import FATAL, Meaning, Origin, Takeover
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
    takeover = Takeover(settings, origin, Meaning(Translator(vocabulary.load(), ids), endpoint, vendor))
    try:
        with console.stop_on_signals() as stop:
            takeover.run(stop)
    except (*FATAL, KafkaException) as error:
        console.fail(f"tally collect stops: {error}")
