"""A Kafka that is away for a while: when to try again, when to say so, when to give up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from connectors.alerts.settings import RETRY_DELAYS_SECONDS, RETRY_SECONDS_MAX
from connectors.alerts.source import KafkaAway
from pipeline.settings_sources import env_name

_LOG = logging.getLogger("tally.notify")
_SAY_SECONDS = 10  # between two lines about the same trouble


class GaveUp(Exception):
    """It was away for longer than a service waits."""


class Trouble:
    """The trouble with Kafka at an address. Times are a monotonic clock's, in seconds."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._mend = f"Start it (`tally up`), or set {env_name('kafka.bootstrap_servers')} to one that answers"
        self._since: float | None = None
        self._tries = 0
        self._again = 0.0
        self._said = float("-inf")

    def may_try(self, now: float) -> bool:
        """Whether it is time for the next try."""
        return now >= self._again

    def met(self, error: Exception, now: float) -> float:
        """A try failed; returns the seconds until the next one.

        Raises:
            GaveUp: it has lasted for RETRY_SECONDS_MAX.
        """
        self._since = now if self._since is None else self._since
        lasted = now - self._since
        if lasted > RETRY_SECONDS_MAX:
            raise GaveUp(f"{error}. {self._mend}. Tried for {lasted:.0f} s; start it again when Kafka is there")
        if now - self._said >= _SAY_SECONDS:
            self._said = now
            _LOG.warning("%s. %s. Trying again; nothing is lost meanwhile", error, self._mend)
        delay = RETRY_DELAYS_SECONDS[min(self._tries, len(RETRY_DELAYS_SECONDS) - 1)]
        self._tries += 1
        self._again = now + delay
        return delay

    def over(self) -> None:
        """A try succeeded."""
        if self._since is not None:
            _LOG.info("Kafka at %s answers again", self._address)
        self._since, self._tries, self._again, self._said = None, 0, 0.0, float("-inf")

    def wait(self, stop: threading.Event, attempt: Callable[[], None]) -> bool:
        """Try until it succeeds; False where a stop came first."""
        while not stop.is_set():
            try:
                attempt()
            except KafkaAway as error:
                stop.wait(self.met(error, time.monotonic()))
            else:
                self.over()
                return True
        return False
