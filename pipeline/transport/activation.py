"""Activation: makes a lane ready by fold, check and seek; one task a lane, outside of Faust's rebalance.

Faust cancels what is awaited in `perform_seek` at `broker_request_timeout` and resumes the flow regardless: so the
fold is not awaited there, and nothing is delivered from a lane that is not ready.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection
from time import monotonic
from typing import Protocol

from aiokafka.errors import ConsumerStoppedError, KafkaError

from pipeline import metrics
from pipeline.refusal import Refused, Unstartable
from pipeline.transport.fatal import end, fatal
from pipeline.transport.lanes import Lane

log = logging.getLogger(__name__)

RETRY_S_MIN = 0.2  # after the first fault of the broker; doubled each time
RETRY_S_MAX = 3.0  # a worker is back that soon after its broker is
REFUSED_S = 30.0  # between two looks at a partition that was refused
REMIND_S = 3600.0  # between two lines of the log about the same refusal

# The world's faults: the broker is down, moves a leader, closes a connection, or Faust reassigns meanwhile.
FLAKY = (KafkaError, ConsumerStoppedError, OSError, asyncio.TimeoutError)


class Recovery(Protocol):
    """Brings a partition's state up to its journal."""

    async def recover(self, partition: int, topics: frozenset[str]) -> dict[str, int]:
        """Fold the journal's tail; returns where to read each topic on.

        Raises:
            Refused: the partition must not be worked on as it is.
            Unstartable: the worker must not run.
        """

    async def require_partitions(self, partition: int) -> None:
        """Return when the partition number holds no other accounts than when its journal began.

        Raises:
            Refused: partitions were added.
        """

    async def changed(self) -> set[int]:
        """Partitions whose topics are not the ones any more that they were recovered with."""

    def keep(self, partitions: Collection[int]) -> None:
        """Forget the states of all other partitions."""


class Activation:
    """The activation tasks of a consumer's lanes. `topics` make a whole lane; `open_lane` seeks and opens one."""

    def __init__(
        self,
        recovery: Recovery,
        topics: Collection[str],
        open_lane: Callable[[Lane, int, dict[str, int]], Awaitable[None]],
    ) -> None:
        self._recovery = recovery
        self._topics = frozenset(topics)
        self._open_lane = open_lane
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._told: dict[int, tuple[str, float]] = {}  # the last refusal of each partition, and when it was told

    def start(self, lane: Lane, refusal: Refused | None = None) -> None:
        """Make a lane ready, in this epoch; after a refusal not before REFUSED_S have passed."""
        running = self._tasks.get(lane.partition)
        if running is not None and running is not asyncio.current_task():
            running.cancel()
        task = asyncio.ensure_future(self._run(lane, lane.epoch, refusal))
        task.add_done_callback(_report)
        self._tasks[lane.partition] = task

    def cancel(self) -> None:
        """Stop making lanes ready: their epochs have ended."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _run(self, lane: Lane, epoch: int, refusal: Refused | None) -> None:
        retry_s = RETRY_S_MIN
        while lane.epoch == epoch:
            if refusal is not None:
                self._tell(lane.partition, str(refusal))
                await asyncio.sleep(REFUSED_S)
                refusal = None
            try:
                await self._check_whole(lane)
                await lane.idle.wait()  # an append of an earlier epoch may be in flight
                positions = await self._recovery.recover(lane.partition, lane.topics)
                await self._open_lane(lane, epoch, positions)
                self._told.pop(lane.partition, None)
                return
            except Refused as error:
                refusal = error
            except FLAKY as error:
                log.warning("partition %s: %s while folding; again in %.1f s", lane.partition, _words(error), retry_s)
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_S_MAX)

    def _tell(self, partition: int, refusal: str) -> None:
        """Log a refusal once, and again after REMIND_S: it is looked at more often, and only its numbers change."""
        metrics.PARTITION_REFUSED.labels(partition).set(1)
        gist = re.sub(r"\d+", "", refusal)
        told, at = self._told.get(partition, ("", 0.0))
        if told != gist or monotonic() - at >= REMIND_S:
            log.error("partition %s is not read: %s", partition, refusal)
            self._told[partition] = gist, monotonic()

    async def _check_whole(self, lane: Lane) -> None:
        """All topics of a partition number must come to one worker: half a lane would decide wrongly."""
        missing = self._topics - lane.topics
        if missing:
            await self._recovery.require_partitions(lane.partition)
            raise Refused(
                f"the group's assignment gives this worker no {', '.join(sorted(missing))}. All workers of the group "
                "must have the same topics and prefix: stop those that have not. A topic that was just made comes by "
                "itself"
            )


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _report(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, Unstartable):
        log.critical("%s", error)
        end(error.code)
    if error is not None:
        fatal("making a partition ready", error)
