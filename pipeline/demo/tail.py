"""What the pipeline has done so far, read from the journal: exact whatever is killed meanwhile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from confluent_kafka import Consumer, TopicPartition

from pipeline.core.record import NotARecord, Record, decode
from pipeline.journal.chain import FIRST, extends
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings
from pipeline.topics import JOURNAL, physical

RECORDS_MAX = 200  # of one look; a record is 2 MB at most here


@dataclass(slots=True)
class Totals:
    """Events by fate, summed over valid records."""

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    rivals: int = 0
    writers: set[str] = field(default_factory=set)

    def add(self, record: Record, writer: str) -> None:
        """One more valid record."""
        self.read += record.read
        self.accepted += record.accepted
        self.duplicates += sum(d.events for d in record.duplicates)
        self.rejected.update(r.reason for r in record.rejects)
        self.writers.add(writer)


class JournalTail:
    """Follows all partitions of the journal from their end at the time of its making."""

    def __init__(self, settings: Settings) -> None:
        self.totals = Totals()
        topic = physical(settings.topics.prefix, JOURNAL)
        self._consumer = Consumer(
            {
                **kafka_client(settings),
                "group.id": "tally-demo-tail",  # a name is required; nothing is ever committed
                "enable.auto.commit": False,
                "fetch.message.max.bytes": settings.topics.journal_message_bytes,
            }
        )
        self._last_id: dict[int, int] = {}
        self._counted_from: dict[int, int] = {}
        partitions = []
        for partition in range(settings.topics.partitions):
            _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            self._counted_from[partition] = end
            self._last_id[partition] = FIRST
            partitions.append(TopicPartition(topic, partition, 0))
        self._consumer.assign(partitions)

    def look(self) -> Totals:
        """Read what has come since the last look."""
        while True:
            messages = self._consumer.consume(RECORDS_MAX, timeout=0.05)
            for message in messages:
                partition, offset = message.partition(), message.offset()
                if message.error() is None and partition is not None and offset is not None:
                    self._take(partition, offset, message.value() or b"")
            if len(messages) < RECORDS_MAX:
                return self.totals

    def _take(self, partition: int, offset: int, value: bytes) -> None:
        try:
            link, record = decode(value)
        except NotARecord:
            return
        is_valid = extends(link, self._last_id[partition])
        if is_valid:
            self._last_id[partition] = link.id
        if offset < self._counted_from[partition]:
            return
        if is_valid:
            self.totals.add(record, link.writer)
        else:
            self.totals.rivals += 1

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close()
