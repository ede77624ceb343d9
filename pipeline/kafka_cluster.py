"""Is Kafka there? One question with a deadline, and an answer that says what to do."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings

if TYPE_CHECKING:
    from confluent_kafka import KafkaError
    from confluent_kafka.admin import AdminClient, ClusterMetadata

REACH_SECONDS = 5.0  # a caller is told within 10 s that Kafka is absent, on a busy machine too
_SECURITY_WORDS = ("authentication", "sasl", "ssl", "certificate")


class KafkaAbsent(ConnectionError):
    """Kafka does not answer, or does not let us in; says the address tried and what to do."""


def connect(settings: Settings, seconds: float = REACH_SECONDS) -> tuple[AdminClient, ClusterMetadata]:
    """An admin client and the cluster's topics.

    Raises:
        SettingsError: no address.
        KafkaAbsent: no answer within `seconds`.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    met: list[str] = []
    admin = AdminClient(quiet(kafka_client(settings), met))
    try:
        return admin, admin.list_topics(timeout=seconds)
    except KafkaException as error:
        admin.poll(0)  # serves the errors met to `quiet`
        raise KafkaAbsent(absence(settings, met or [_text(error.args[0])])) from None


def quiet(client: dict[str, Any], met: list[str]) -> dict[str, Any]:
    """Client settings whose errors go to `met`, not to the terminal."""

    def remember(error: KafkaError) -> None:
        met.append(_text(error))

    return {**client, "error_cb": remember, "log_level": 0, "socket.connection.setup.timeout.ms": 4_000}


def absence(settings: Settings, met: list[str]) -> str:
    """The message for an absent Kafka, from the errors met on the way."""
    address = settings.kafka_address()
    telling = [text for text in met if any(word in text.lower() for word in _SECURITY_WORDS)]
    reason = (telling or met or ["no answer"])[0]
    if telling:
        mend = "check TALLY_KAFKA__SECURITY_PROTOCOL and the login and certificates beside it (`tally settings`)"
    elif settings.kafka.bootstrap_servers is None:
        mend = "start the local stack: `tally up`"
    else:
        mend = "check TALLY_KAFKA__BOOTSTRAP_SERVERS and that the broker runs"
    return f"Kafka does not answer at {address}: {reason}; {mend}"


def _text(error: Any) -> str:
    with contextlib.suppress(AttributeError):
        return str(error.str())
    return str(error)
