"""The watch: looks every few seconds whether the topics are still those that the partitions were recovered with.

A topic that is deleted and made anew goes on under its name and, for a consumer, may go on at its offsets. A fetch
names no topic id here, so what is read within WATCH_S of such an act may be of the new topic: the journal keeps the
old id, and the partition is refused from the next look on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from pipeline.transport.activation import FLAKY, Recovery
from pipeline.transport.fatal import fatal

log = logging.getLogger(__name__)

WATCH_S = 3.0  # between two looks: one request of some milliseconds


class Watch:
    """Calls `on_changed` with each partition number whose topics changed."""

    def __init__(self, recovery: Recovery, on_changed: Callable[[int], None]) -> None:
        self._recovery, self._on_changed = recovery, on_changed
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, once."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())
            self._task.add_done_callback(_report)

    def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                changed = await self._recovery.changed()
            except FLAKY as error:
                log.debug("the topics were not looked at: %s", error)
                continue
            for partition in sorted(changed):
                self._on_changed(partition)


def _report(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        fatal("looking at the topics", error)
