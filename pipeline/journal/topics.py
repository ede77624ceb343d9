"""What the broker says of topics: Kafka's ids of them, and their partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, Uuid
from confluent_kafka.admin import AdminClient

from pipeline.journal.ports import Described

REQUEST_S = 5.0  # a broker that answers at all answers within that
ANSWER_S = 20.0  # whatever becomes of the client: its thread is left behind, and the partition asks a new one
_NO_ID = str(Uuid(0, 0))  # of a broker that is older than topic ids
_QUIET = {"log_level": 0, "socket.connection.setup.timeout.ms": 4_000, "reconnect.backoff.max.ms": 1_000}


class KafkaTopics:
    """See `ports.Describes`. `client` are librdkafka's settings; the client is made at the first question."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client = {**client, **_QUIET}
        self._admin: AdminClient | None = None

    async def describe(self, topics: Collection[str]) -> dict[str, Described]:
        """See `ports.Describes`.

        Raises:
            ConnectionError, TimeoutError: no answer.
        """
        if self._admin is None:
            self._admin = AdminClient(self._client)
        asked = asyncio.to_thread(_described, self._admin, sorted(topics))
        try:
            return await asyncio.wait_for(asked, ANSWER_S)
        except TimeoutError:
            self._admin = None  # one that does not come back is left alone
            raise


def _described(admin: AdminClient, topics: list[str]) -> dict[str, Described]:
    found = {}
    asked = admin.describe_topics(TopicCollection(topics), request_timeout=REQUEST_S)
    for topic, answer in asked.items():
        try:
            said = answer.result(2 * REQUEST_S)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            raise ConnectionError(f"the broker does not describe {topic}: {error.args[0].str()}") from error
        id_ = str(said.topic_id)
        found[topic] = Described("" if id_ == _NO_ID else id_, len(said.partitions))
    return found
