"""Logs of the services: one line a message on standard error, and no flood while something is down.

A line is `time level message`, times in UTC. The same message is written BURST times in PERIOD_S; after that it is
counted, and the count is told with the next one that is written. Of the clients' messages those of one template count
as the same. What they say of connections to a Kafka that is away becomes one line in PERIOD_S.
"""

from __future__ import annotations

import logging
import sys
from time import gmtime, monotonic

PERIOD_S = 10.0  # a steady line where something is down for long
BURST = 3  # written in a period; a dead broker's clients log hundreds a second
PLACES_MAX = 1_000  # remembered; beyond that the oldest is forgotten

# Clients say at INFO what is of no use to an operator.
_OURS = ("pipeline", "connectors")
_CLIENTS = ("aiokafka", "faust", "mode", "kafka", "asyncio", "clickhouse_connect", "urllib3")

# Whose words of a lost connection are replaced by a line of ours, and which words those are.
_KAFKA_CLIENTS = ("aiokafka", "faust", "mode", "kafka", "pipeline.transport.activation")
_NO_CONNECTION = (
    *("KafkaConnectionError", "NodeNotReadyError", "AddressFamily", "Connect call failed", "Unable connect to"),
    *("Unable to update metadata", "Unable to request metadata"),
)
_AFTERMATH = ("coordinator", "heartbeat")  # not worth a line soon after a connection was lost
_COORDINATOR_LOG = "aiokafka.consumer.group_coordinator"
_BACK = "Discovered coordinator"  # what that one says, at INFO, of a broker that answers again


class KafkaAway(logging.Filter):
    """Replaces the clients' words of lost connections by one line in PERIOD_S, and one when Kafka answers again."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self._away = False
        self._met = self._said = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write; a message that passes may have become another."""
        if not record.name.startswith(_KAFKA_CLIENTS):
            return True
        now, text = monotonic(), record.getMessage()
        if text.startswith(_BACK):
            was, self._away, self._said = self._away, False, float("-inf")
            _replace(record, logging.INFO, f"Kafka at {self._address} answers again")
            return was
        if record.levelno < logging.WARNING:
            return not record.name.startswith(_COORDINATOR_LOG)
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        if any(word in text or word in error for word in _NO_CONNECTION):
            self._met, self._away = now, True
            if now - self._said < PERIOD_S:
                return False
            self._said = now
            told = f"Kafka at {self._address}, or one of its brokers, does not answer; trying again"
            _replace(record, logging.WARNING, told)
            return True
        return now - self._met >= PERIOD_S or not any(word in text.lower() for word in _AFTERMATH)


def _replace(record: logging.LogRecord, level: int, text: str) -> None:
    record.name, record.levelno, record.levelname = __name__, level, logging.getLevelName(level)
    record.msg, record.args, record.exc_info, record.exc_text = text, None, None, None


class RateLimit(logging.Filter):
    """Lets a place (logger, level, template) through BURST times in PERIOD_S."""

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[tuple[str, int, str], tuple[float, int]] = {}  # -> (period's begin, messages in it)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write; a message after silenced ones tells how many they were."""
        ours = record.name.startswith(_OURS)
        place = (record.name, record.levelno, record.getMessage() if ours else str(record.msg))
        now = monotonic()
        begin, count = self._places.pop(place, (now, 0))
        silenced = 0
        if now - begin >= PERIOD_S:
            begin, silenced, count = now, max(0, count - BURST), 0
        self._places[place] = (begin, count + 1)
        if len(self._places) > PLACES_MAX:
            del self._places[next(iter(self._places))]
        if silenced:
            record.msg = f"{record.getMessage()} (and {silenced} times more)"
            record.args = None
        return count < BURST


def setup(level: int = logging.INFO, kafka: str | None = None) -> None:
    """Log this process to standard error; clients from WARNING on. `kafka` is the address that aiokafka connects to."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = gmtime
    handler.setFormatter(formatter)
    if kafka is not None:
        handler.addFilter(KafkaAway(kafka))
    handler.addFilter(RateLimit())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _CLIENTS:
        logging.getLogger(name).setLevel(logging.WARNING)
    if kafka is not None:
        logging.getLogger(_COORDINATOR_LOG).setLevel(logging.INFO)
