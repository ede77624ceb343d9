"""What goes wrong with Kafka, by what is to be done about it: to wait, to begin anew, to end."""

from __future__ import annotations

import logging

from confluent_kafka import KafkaError, KafkaException

LOST = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._STATE,
    }
)
FOR_GOOD = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.OFFSET_METADATA_TOO_LARGE,
    }
)
CUT = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT})  # of a connection
GONE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION, KafkaError.OFFSET_OUT_OF_RANGE})


class KafkaAway(Exception):
    """Kafka did not answer, or not now: trying again may help."""


class NoTopic(Exception):
    """A topic is not there, or has another number of partitions."""


class PartitionLost(Exception):
    """The group gave the partition to somebody else."""


def is_for_good(error: KafkaError) -> bool:
    """Whether trying again cannot help."""
    # _FATAL is of the client itself: another member took this one's name, for one.
    return error.fatal() or error.code() in FOR_GOOD or error.code() == KafkaError._FATAL


def words(error: KafkaException) -> str:
    """What went wrong, in the client's words."""
    found = error.args[0]
    return str(found.str()) if isinstance(found, KafkaError) else str(found)


def silent(service: str) -> logging.Logger:
    """librdkafka's own lines repeat what is said here, without a bound."""
    quiet = logging.getLogger(f"tally.{service}.librdkafka")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    return quiet
