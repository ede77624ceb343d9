"""The Faust app as a worker needs it: which of its settings are not its defaults, and why."""

from __future__ import annotations

from typing import Any

import faust
from faust.types.auth import SASLMechanism
from yarl import URL

from pipeline.kafka_security import aiokafka_client
from pipeline.settings import Settings
from pipeline.topics import SOURCE_TOPICS
from pipeline.transport.assignor import WholeAssignor

SESSION_S = 6.0  # a worker that died is replaced after that
HEARTBEAT_S = 1.0
REBALANCE_S = 10.0  # what the group waits for a worker that finishes its batch
LEASE_S = min(SESSION_S, REBALANCE_S)  # after a heartbeat, for which nobody else is given this member's partitions
REQUEST_S = 15.0  # above the session's: Faust demands it
METADATA_S = 10.0  # partitions that were added, or a topic made anew, are met after that
COMMIT_S = 1.0  # of the group's offsets, which only lag monitors read
FETCH_BYTES_MAX = 4 * 1024 * 1024  # of one topic partition
FETCH_BYTES_MIN = 64 * 1024  # of one of very many; a record batch that is larger comes all the same
FETCHED_BYTES_MAX = 256 * 1024 * 1024  # of all topic partitions: aiokafka holds one fetch of each


def faust_app(settings: Settings) -> faust.App:
    """An app without topics yet."""
    client = aiokafka_client(settings)
    return faust.App(
        settings.worker.group_id,
        broker=brokers(settings),
        broker_credentials=_credentials(client),
        value_serializer="raw",
        datadir=str(settings.state_dir() / "faust"),
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_rebalance_timeout=REBALANCE_S,
        broker_request_timeout=REQUEST_S,
        broker_commit_interval=COMMIT_S,
        consumer_auto_offset_reset="none",  # the journal says where; an offset that is gone is told, never jumped over
        consumer_metadata_max_age_ms=int(METADATA_S * 1000),
        consumer_max_fetch_size=fetch_bytes(settings.topics.partitions),
        stream_wait_empty=True,  # a rebalance waits for the batches at work
        PartitionAssignor=WholeAssignor,
        table_standby_replicas=1,  # keeps Faust's own assignor, which gives a partition number whole to one worker
        topic_disable_leader=True,  # a topic of Faust's own would break that assignment
        topic_allow_declare=False,  # `tally topics apply` creates topics
        web_enabled=False,
        web_bind="127.0.0.1",  # its default is every interface
    )


def fetch_bytes(partitions: int) -> int:
    """What to fetch of one topic partition, so that a worker that has all of them stays within FETCHED_BYTES_MAX."""
    share = FETCHED_BYTES_MAX // (len(SOURCE_TOPICS) * partitions)
    return max(FETCH_BYTES_MIN, min(share, FETCH_BYTES_MAX))


def brokers(settings: Settings) -> list[URL]:
    """Bootstrap servers as Faust takes them."""
    return [URL(f"kafka://{address}") for address in settings.kafka_address().split(",")]


def _credentials(client: dict[str, Any]) -> Any:
    """Faust's form of aiokafka's security arguments; it passes them back to aiokafka as they were."""
    protocol = client["security_protocol"]
    if protocol == "PLAINTEXT":
        return None
    if protocol == "SSL":
        return faust.SSLCredentials(context=client["ssl_context"])
    credentials = faust.SASLCredentials(
        username=client["sasl_plain_username"],
        password=client["sasl_plain_password"],
        ssl_context=client.get("ssl_context"),
        mechanism=SASLMechanism(client["sasl_mechanism"]),
    )
    assert credentials.protocol.value == protocol
    return credentials
