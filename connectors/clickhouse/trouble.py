"""A world that is away for a while: when to try again, when to say so, when to give up. Pure, but for the log."""

from __future__ import annotations

import logging

from connectors.clickhouse.settings import LOG_SECONDS, RETRY_DELAYS_SECONDS, RETRY_SECONDS_MAX

_LOG = logging.getLogger("tally.sink")


class GaveUp(Exception):
    """It was away for longer than a service waits."""


class Trouble:
    """The trouble with one neighbour. Times are a monotonic clock's, in seconds."""

    def __init__(self, name: str, setting: str) -> None:
        """`setting` is the environment name of the neighbour's address."""
        self._name = name
        self._mend = f"Start it (`tally up`), or set {setting} to one that answers"
        self._since: float | None = None
        self._tries = 0
        self._again = 0.0
        self._said = float("-inf")

    @property
    def lasts(self) -> bool:
        """Whether the last try failed."""
        return self._since is not None

    def may_try(self, now: float) -> bool:
        """Whether it is time for the next try."""
        return now >= self._again

    def met(self, error: Exception, now: float) -> float:
        """A try failed; returns the seconds until the next one. Says so now and then.

        Raises:
            GaveUp: it has lasted for RETRY_SECONDS_MAX.
        """
        if self._since is None:
            self._since = now
        lasted = now - self._since
        if lasted > RETRY_SECONDS_MAX:
            raise GaveUp(f"{error}. {self._mend}. Tried for {lasted:.0f} s; start the sink again when it is there")
        if now - self._said >= LOG_SECONDS:
            self._said = now
            left = RETRY_SECONDS_MAX - lasted
            _LOG.warning("%s. %s. Trying again, for %.0f s more; nothing is lost meanwhile", error, self._mend, left)
        delay = RETRY_DELAYS_SECONDS[min(self._tries, len(RETRY_DELAYS_SECONDS) - 1)]
        self._tries += 1
        self._again = now + delay
        return delay

    def over(self, now: float) -> None:
        """A try succeeded."""
        if self._since is not None:
            _LOG.info("%s answers again, after %.0f s", self._name, now - self._since)
        self._since, self._tries, self._again, self._said = None, 0, 0.0, float("-inf")
