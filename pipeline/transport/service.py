"""Faust's worker process, with a deadline on stopping and quiet about itself."""

from __future__ import annotations

import asyncio
import logging
import threading

import faust

from pipeline.transport.fatal import end

log = logging.getLogger(__name__)


class Service(faust.Worker):
    """Runs an app until SIGTERM or SIGINT, then stops it; after `stop_seconds` the process ends regardless.

    While the broker is down Faust needs a minute to stop. Nothing depends on it: what is not in the journal is read
    again, so the deadline is safe and the exit code is 0.
    """

    logger = logging.getLogger("faust.worker")

    def __init__(self, app: faust.App, loop: asyncio.AbstractEventLoop, stop_seconds: float) -> None:
        super().__init__(app, loop=loop, quiet=True, override_logging=False, redirect_stdouts=False)
        self.spinner = None
        self._stop_seconds = stop_seconds

    def _on_sigint(self) -> None:
        self._begin_to_stop()
        super()._on_sigint()

    def _on_sigterm(self) -> None:
        self._begin_to_stop()
        super()._on_sigterm()

    def _begin_to_stop(self) -> None:
        log.info("stopping")
        timer = threading.Timer(self._stop_seconds, self._end)
        timer.daemon = True
        timer.start()

    def _end(self) -> None:
        log.warning("not stopped within %s s: ending; what is not in the journal is read again", self._stop_seconds)
        end(0)
