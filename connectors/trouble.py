"""A world that is away for a while: when to try again, when to say so, when to give up. Pure, but for log and wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

RETRY_SECONDS_MAX = 600  # of a neighbour being away; then the process ends and whoever supervises it decides
RETRY_DELAYS_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)  # the last one repeats
LOG_SECONDS = 10  # between two lines about the same trouble


class GaveUp(Exception):
    """It was away for longer than a service waits."""


class Trouble:
    """The trouble with one neighbour. Times are a monotonic clock's, in seconds."""

    def __init__(self, name: str, setting: str, service: str) -> None:
        """`setting`: the environment name of the neighbour's address; `service`: who waits, `sink` of `tally.sink`."""
        self._name, self._service = name, service
        self._mend = f"Start it (`tally up`), or set {setting} to one that answers"
        self._log = logging.getLogger(f"tally.{service}")
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
            again = f"start `tally {self._service}` again when it is there"
            raise GaveUp(f"{error}. {self._mend}. Tried for {lasted:.0f} s; {again}")
        if now - self._said >= LOG_SECONDS:
            self._said = now
            left = RETRY_SECONDS_MAX - lasted
            told = "%s. %s. Trying again, for %.0f s more; nothing is lost meanwhile"
            self._log.warning(told, error, self._mend, left)
        delay = RETRY_DELAYS_SECONDS[min(self._tries, len(RETRY_DELAYS_SECONDS) - 1)]
        self._tries += 1
        self._again = now + delay
        return delay

    def over(self, now: float) -> None:
        """A try succeeded."""
        if self._since is not None:
            self._log.info("%s answers again, after %.0f s", self._name, now - self._since)
        self._since, self._tries, self._again, self._said = None, 0, 0.0, float("-inf")

    def wait(self, stop: threading.Event, attempt: Callable[[], object], *errors: type[Exception]) -> bool:
        """Try until it fails with none of these errors; False where a stop came first.

        Raises:
            GaveUp
        """
        while not stop.is_set():
            try:
                attempt()
            except errors as error:
                stop.wait(self.met(error, time.monotonic()))
            else:
                self.over(time.monotonic())
                return True
        return False
