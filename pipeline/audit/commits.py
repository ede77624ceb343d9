"""What the sinks have committed: how far ClickHouse has come in each journal partition, and whether an insert is open.

Asked by a consumer that never joins the group (the admin client's own call crashes the process, see `lag`).
The argument why two equal answers without an open range enclose no insert stands in docs/decisions/audit.md.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.clickhouse import ranges
from connectors.clickhouse.ranges import Position
from pipeline.audit.faults import AuditFailed
from pipeline.kafka_cluster import REACH_SECONDS, absence, quiet
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings
from pipeline.topics import JOURNAL, physical

_AGAIN_SECONDS = 0.1
# What a group's coordinator says for a moment while it moves or starts.
_PASSING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
)


class Commits:
    """The group's offset commits on the journal. Close it, or use it as a context."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = physical(settings.topics.prefix, JOURNAL)
        self._met: list[str] = []
        client = quiet(kafka_client(settings), self._met)
        self._consumer = Consumer(
            {**client, "group.id": settings.sink.group_id, "enable.auto.commit": False, "client.id": "tally-audit"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._consumer.close()

    def position(self, partition: int) -> Position | None:
        """The last commit; None where there is none.

        Raises:
            AuditFailed: Kafka does not answer, or the commit is not a sink's.
        """
        deadline = time.monotonic() + REACH_SECONDS
        while True:
            try:
                (found,) = self._consumer.committed([TopicPartition(self._topic, partition)], timeout=REACH_SECONDS)
                if found.error is not None:
                    raise KafkaException(found.error)
                return None if found.offset < 0 else ranges.position(found.offset, found.metadata)
            except ranges.JournalGone as error:
                raise AuditFailed(f"journal partition {partition}: {error}") from None
            except KafkaException as error:
                if error.args[0].code() not in _PASSING or time.monotonic() >= deadline:
                    raise AuditFailed(absence(self._settings, [*self._met[-1:], str(error.args[0].str())])) from None
            time.sleep(_AGAIN_SECONDS)
