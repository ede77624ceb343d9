"""Messages of 10 MB where a source topic allows them, journal records of about that size, and what becomes of both."""

from __future__ import annotations

import random

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from pipeline.core.record import RAW_BYTES_MAX
from pipeline.topics import SOURCE_TOPICS, physical
from tests.limits.bounds import Flow
from tests.limits.stage import Stage

MIB = 1024 * 1024
LARGE_BYTES = 10_000_000
LARGE_TOPIC_BYTES = 11 * MIB  # max.message.bytes of the source topics: the message, and the record batch around it
REJECTS = 200  # of RAW_BYTES_MAX each, into one partition: they make journal records of several MB
RECORD_BYTES_MIN = 8 * MIB  # of the largest journal record that they make
FLUSH_SECONDS = 120
_CONFIG = "max.message.bytes"
_REASON = "oversized"


class Large:
    """See the module. Every message is random bytes of a seed: nothing about it compresses."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._names = [physical(stage.settings.topics.prefix, topic) for topic in SOURCE_TOPICS]
        self._chance = random.Random(10)
        self._published = 0

    def allow(self) -> None:
        """Let the source topics take such messages."""
        admin = AdminClient({"bootstrap.servers": self._stage.settings.kafka_address()})
        entry = ConfigEntry(_CONFIG, str(LARGE_TOPIC_BYTES), incremental_operation=AlterConfigOpType.SET)
        asked = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry]) for name in self._names]
        for done in admin.incremental_alter_configs(asked).values():
            done.result(FLUSH_SECONDS)

    def publish_rejects(self) -> int:
        """Records that are no events, each as large as the journal keeps one whole; returns how many."""
        producer = self._producer()
        for _ in range(REJECTS):
            producer.produce(self._names[0], b"\7" + self._chance.randbytes(RAW_BYTES_MAX - 1), partition=0)
        assert producer.flush(FLUSH_SECONDS) == 0
        return REJECTS

    def publish(self, each: int) -> int:
        """So many messages of 10 MB into every partition of every source topic; returns how many."""
        producer, partitions = self._producer(), self._stage.settings.topics.partitions
        for _ in range(each):
            for name in self._names:
                for partition in range(partitions):
                    producer.produce(name, b"\0" + self._chance.randbytes(LARGE_BYTES - 1), partition=partition)
                assert producer.flush(FLUSH_SECONDS) == 0
        published = each * len(self._names) * partitions
        self._published += published
        return published

    def publish_one(self) -> int:
        """One message of 10 MB; returns how many that are."""
        producer = self._producer()
        producer.produce(self._names[0], b"\0" + self._chance.randbytes(LARGE_BYTES - 1), partition=1)
        assert producer.flush(FLUSH_SECONDS) == 0
        self._published += 1
        return 1

    def flow(self) -> Flow:
        """What the processes' memory is bounded by meanwhile: events of any size, messages of these topics."""
        return Flow(message_bytes=LARGE_TOPIC_BYTES)

    def faults(self) -> list[str]:
        """What did not become of the messages as it must."""
        database = self._stage.settings.clickhouse.database
        sql = f"SELECT count(), min(size), max(size), min(length(raw)), max(length(raw)) FROM {database}.rejects"
        (found,) = self._stage.clickhouse.query(f"{sql} WHERE reason = '{_REASON}'").rows
        wanted = (self._published, LARGE_BYTES, LARGE_BYTES, RAW_BYTES_MAX, RAW_BYTES_MAX)
        wrong = []
        if tuple(map(int, found)) != wanted:
            wrong.append(
                f"rejects that are {_REASON}, their sizes and kept bytes: {tuple(found)}, expected are {wanted}"
            )
        largest = self._stage.tail.largest_record_bytes
        if largest < RECORD_BYTES_MIN:
            wrong.append(f"the largest journal record has {largest:,} bytes: too small to try the sink")
        return wrong

    def _producer(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._stage.settings.kafka_address(),
                "enable.idempotence": True,
                "message.max.bytes": LARGE_TOPIC_BYTES,
                "batch.size": LARGE_TOPIC_BYTES,
                "queue.buffering.max.kbytes": 1024 * 1024,
                "log_level": 0,
            }
        )
