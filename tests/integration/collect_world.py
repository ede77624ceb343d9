"""Topics and endpoints of a test's own, and collectors that run over them as real processes."""

from __future__ import annotations

import io
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import fastavro
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import schemas
from connectors.collect import credentials, endpoints
from connectors.collect.endpoint import CredentialKind, Endpoint
from pipeline.core import refused
from pipeline.core.framing import FRAME_BYTES
from pipeline.topics import SOURCE_TOPICS, physical, schema_of
from tests.integration.sink_world import Running, await_that

PARTITIONS = 2
COLLECT = ("-m", "pipeline.cli.app", "collect", "--port", "0")
SIGNING_KEY = "5f" * 32
_AT = re.compile(r"deliveries are taken at (https?)://[^:]+:(\d+)")
_METRICS_AT = re.compile(r"metrics on (http://\S+)")


class Door(NamedTuple):
    """An endpoint with the secret of its key."""

    endpoint: Endpoint
    secret: str

    @property
    def path(self) -> str:
        """Of its deliveries."""
        if self.endpoint.credentials[0].kind == "path":
            return f"/v1/hooks/{self.endpoint.id}/{self.secret}"
        return f"/v1/hooks/{self.endpoint.id}"

    @property
    def headers(self) -> dict[str, str]:
        """That carry its key."""
        return {"Authorization": f"Bearer {self.secret}"} if self.endpoint.credentials[0].kind == "bearer" else {}


class World:
    """See the module. `folder` keeps the endpoints and the logs."""

    def __init__(self, kafka: str, folder: Path, **settings: str) -> None:
        self.name = f"c{uuid.uuid4().hex[:10]}"
        self.kafka, self.folder = kafka, folder
        self.settings = {
            "TALLY_HOME": str(folder),
            "TALLY_KAFKA__BOOTSTRAP_SERVERS": kafka,
            "TALLY_TOPICS__PREFIX": f"{self.name}.",
            "TALLY_COLLECT__SIGNING_KEY": SIGNING_KEY,
            **settings,
        }

    def make_topics(self, names: tuple[str, ...] = SOURCE_TOPICS) -> None:
        """The source topics, empty."""
        config = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(2 << 20)}
        new = [NewTopic(physical(f"{self.name}.", name), PARTITIONS, 1, config=config) for name in names]
        admin = AdminClient({"bootstrap.servers": self.kafka})
        for made in admin.create_topics(new).values():
            made.result(30)

    def door(self, vendor: str, kind: CredentialKind = "bearer", **chosen: object) -> Door:
        """A new endpoint of a vendor with one key."""
        id_ = credentials.new_endpoint_id(vendor)
        issued = credentials.issue(id_, kind, "", time.time_ns() // 1_000, bytes.fromhex(SIGNING_KEY))
        given: dict[str, object] = {"account": "acme", "source": "shop" if vendor == "own" else vendor} | chosen
        made = Endpoint(id_, vendor, credentials=(issued.credential,), **given)  # type: ignore[arg-type]
        endpoints.change(self.folder / "endpoints.json", lambda known: (*known, made))
        return Door(made, issued.secret)

    @contextmanager
    def collector(self, access_log: bool = False, **settings: str) -> Iterator[Collecting]:
        """A collector that listens, ended with the block however it ends."""
        log = self.folder / f"collect-{uuid.uuid4().hex[:6]}.log"
        command = (*COLLECT, "--access-log") if access_log else COLLECT
        running = Collecting(self.settings | settings, log, command)
        try:
            running.await_listening()
            yield running
        finally:
            running.end()

    def kept(self) -> list[Kept]:
        """Every record of the source topics."""
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": self.name, "enable.auto.commit": False})
        try:
            return [one for topic in SOURCE_TOPICS for one in self._of(consumer, topic)]
        finally:
            consumer.close()

    def _of(self, consumer: Consumer, topic: str) -> Iterator[Kept]:
        name = physical(f"{self.name}.", topic)
        ends = {p: consumer.get_watermark_offsets(TopicPartition(name, p), 30) for p in range(PARTITIONS)}
        consumer.assign([TopicPartition(name, p, low) for p, (low, high) in ends.items() if high > low])
        left = sum(high - low for low, high in ends.values())
        while left:
            message = consumer.poll(30)
            assert message is not None and message.error() is None, message and message.error()
            headers = dict(message.headers() or [])
            body = _body(topic, message.value() or b"")
            yield Kept(topic, (message.key() or b"").decode(), body, int(headers["received_at"] or b"0"))
            left -= 1


class Kept(NamedTuple):
    """A record: the event as its schema reads it."""

    topic: str
    key: str
    event: dict[str, object]
    received_at: int

    @property
    def refusal(self) -> refused.Refused | None:
        """What a refused item says."""
        properties = self.event["properties"]
        assert isinstance(properties, dict)
        return refused.read(properties) if self.event["type"] == refused.TYPE else None


class Collecting(Running):
    """A collector."""

    def await_listening(self) -> None:
        """Until it takes deliveries.

        Raises:
            AssertionError: it ended instead.
        """
        await_that(lambda: _AT.search(self.log) is not None or self.process.poll() is not None, lambda: self.log)
        assert self.process.poll() is None, self.log

    @property
    def address(self) -> str:
        """Where it takes deliveries."""
        found = _AT.search(self.log)
        assert found, self.log
        return f"{found[1]}://127.0.0.1:{found[2]}"

    @property
    def metrics(self) -> str:
        """Where its metrics are."""
        found = _METRICS_AT.search(self.log)
        assert found, self.log
        return found[1]


def _body(topic: str, value: bytes) -> dict[str, object]:

    schema: Mapping[str, object] = schemas.avro(f"events/{schema_of(topic)}.v1.avsc")
    return fastavro.schemaless_reader(io.BytesIO(value[FRAME_BYTES:]), dict(schema), None)  # type: ignore[return-value]


__all__ = ["Collecting", "Door", "Kept", "World", "await_that"]
