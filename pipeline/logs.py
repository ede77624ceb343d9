"""Logs of the services: one line a message on standard error, and no flood while something is down.

A line is `time level message`, times in UTC. The same message is written BURST times in PERIOD_S; after that it is
counted, and the count is told with the next one that is written. Of the clients' messages those of one template count
as the same.
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


def setup(level: int = logging.INFO) -> None:
    """Log this process to standard error; clients from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = gmtime
    handler.setFormatter(formatter)
    handler.addFilter(RateLimit())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _CLIENTS:
        logging.getLogger(name).setLevel(logging.WARNING)
