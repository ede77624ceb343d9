"""Which partitions the workers and the sinks refuse, and why: found out anew from what Kafka and ClickHouse have now.

A process's own word would need its address, and would be gone with the process. The same checks on the same truth say
what any worker or sink that starts now says, wherever it runs, and when none runs at all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pipeline.lag import ServiceName
from pipeline.settings import Settings
from pipeline.topics import JOURNAL, physical

if TYPE_CHECKING:
    from connectors.clickhouse.service import Service
    from pipeline.state.standing import Standing

LOOK_SECONDS = 5.0  # of reading journals; those that take longer are told as not looked at
AGAIN_SECONDS = 1.0  # after which a refusal is looked at once more: what is just being made or moved is none


class Refusal(NamedTuple):
    """A partition that a service's group does not work on; `why` ends with what to do."""

    service: ServiceName
    group: str
    partition: int
    why: str

    def __str__(self) -> str:
        return f"partition {self.partition} is refused by the {self.service}s (group {self.group}): {self.why}"


class Unknown(Exception):
    """It could not be found out; says why."""


class Refusals:
    """Looks at all partitions, as often as it is asked to. Without `service` the sinks' are left out."""

    def __init__(self, settings: Settings, service: Service | None) -> None:
        self._settings, self._service = settings, service
        self._standing = _standing(settings)

    @property
    def unread(self) -> list[int]:
        """Partitions whose journal is longer than the last look's time was: of them less is known."""
        return sorted(self._standing.unread)

    def steady(self, seconds: float = LOOK_SECONDS) -> list[Refusal]:
        """The refusals that two looks find; one where the first finds none. `seconds` bounds each one's reading.

        Raises:
            Unknown
        """
        found = self._look(seconds)
        if not found:
            return found
        time.sleep(AGAIN_SECONDS)
        places = {(refusal.service, refusal.partition) for refusal in found}
        return [refusal for refusal in self._look(seconds) if (refusal.service, refusal.partition) in places]

    def _look(self, seconds: float) -> list[Refusal]:
        from aiokafka.errors import KafkaError
        from confluent_kafka import KafkaException

        try:
            with _unlogged():
                return [*self._of_workers(seconds), *self._of_sinks()]
        except (KafkaError, KafkaException, OSError, TimeoutError) as error:
            raise Unknown(f"{type(error).__name__}: {error}") from error

    def _of_workers(self, seconds: float) -> list[Refusal]:
        told = asyncio.run(self._standing.refused(time.monotonic() + seconds))
        return [Refusal("worker", self._settings.worker.group_id, *one) for one in sorted(told.items())]

    def _of_sinks(self) -> list[Refusal]:
        from connectors.clickhouse import service, standing
        from connectors.kafka_faults import KafkaAway, NoTopic

        if self._service is None:
            return []
        try:
            told = standing.refused(self._settings, self._service)
        except NoTopic:
            return []
        except (KafkaAway, service.Unavailable, service.Refused) as error:
            if isinstance(error, service.Refused) and error.code in service.ABSENT:
                return []  # not migrated yet: no sink runs
            raise Unknown(str(error)) from error
        return [Refusal("sink", self._settings.sink.group_id, *one) for one in sorted(told.items())]


def _standing(settings: Settings) -> Standing:
    from pipeline.journal.reader import KafkaReader
    from pipeline.journal.topics import KafkaTopics
    from pipeline.kafka_security import aiokafka_client, kafka_client
    from pipeline.state.standing import Standing

    prefix = settings.topics.prefix
    reader = KafkaReader(aiokafka_client(settings), settings.topics.journal_message_bytes)
    folder = settings.state_dir() / physical(prefix, JOURNAL)
    return Standing(prefix, (reader, KafkaTopics(kafka_client(settings))), folder)


@contextmanager
def _unlogged() -> Iterator[None]:
    """What the checks log is for a worker's log; what they find is told by ours."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
