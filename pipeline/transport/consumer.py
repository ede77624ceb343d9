"""The consumer: Faust's, but with one message per batch, positions from the journal, and acknowledgements by the agent.

What it overrides of Faust, and on which version's source it stands, is held by `tests/contract/test_pins.py`.
Two races lost events until found: a fetch in flight during a seek takes records from behind the new position (so one
lock goes round both, and offsets that do not continue seek again); a lane whose batch Faust dropped waits for ever (so
a batch belongs to an epoch).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from time import monotonic
from typing import Any, cast

from aiokafka.errors import ConsumerStoppedError
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from pipeline.core.batch import Slab
from pipeline.failpoints import Failpoint, reached
from pipeline.refusal import Refused
from pipeline.topics import logical, physical
from pipeline.transport.activation import Activation
from pipeline.transport.commits import CommittingConsumer
from pipeline.transport.fatal import fatal
from pipeline.transport.lanes import Batch, Gap, Lane, crowded
from pipeline.transport.linger import EARLY_PART, Linger, pace_s
from pipeline.transport.reading import Reading
from pipeline.transport.slabs import Fetched, NotPlain, OutOfRange, fetch
from pipeline.transport.thread import SlabThread
from pipeline.transport.watch import Watch

log = logging.getLogger(__name__)
_faust_log = logging.getLogger("faust.transport.slabs")  # what Faust itself says of these services

POLL_S = 0.5  # a fetch waits that long for anything to come; a seek waits for it; an idle worker pays for each
FULL_POLL_S = 0.05  # the same while a lane is full: it has room again long before the others get anything


class SlabConsumer(CommittingConsumer):
    """Hands the stream one `Batch` per message. `begin` and `finish` bracket the agent's work on it."""

    logger = _faust_log

    def on_init(self) -> None:
        super().on_init()
        self._reading: Reading = self.transport.reading  # type: ignore[attr-defined]
        self._names = {physical(self._reading.prefix, topic): topic for topic in self._reading.topics}
        self._lanes: dict[int, Lane] = {}
        self._activation = Activation(self._reading.recovery, self._reading.topics, self._open_lane)
        self._watch = Watch(self._reading.recovery, self._on_changed)
        self._linger = Linger(self._reading.linger_s)
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._fetching = asyncio.Lock()  # no fetch is in flight while a lane seeks
        self._wake = asyncio.Event()

    def _new_consumer_thread(self) -> SlabThread:
        return SlabThread(self, loop=self.loop, beacon=self.beacon)

    # ---- assignment

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """End all epochs before Faust waits for what is at work: nothing new is handed out."""
        for lane in self._lanes.values():
            self._close(lane)
        self._activation.cancel()
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """Called by Faust at the end of every rebalance: begin an epoch of every lane, never seek to group offsets."""
        topics: dict[int, set[str]] = {}
        for tp in self.assignment():
            topics.setdefault(tp.partition, set()).add(logical(self._reading.prefix, tp.topic))
        for partition in self._lanes.keys() - topics.keys():
            self._close(self._lanes.pop(partition))
        self._reading.tenure.assign(topics.keys())
        self._reading.recovery.keep(topics.keys())
        self._watch.start()
        log.info("assigned: partitions %s", ", ".join(map(str, sorted(topics))) or "none")
        for partition, names in topics.items():
            lane = self._lanes.setdefault(partition, Lane(partition))
            lane.topics = frozenset(names)
            lane.gap = None
            self._restart(lane)

    def _restart(self, lane: Lane, refusal: Refused | None = None) -> None:
        self._close(lane)
        self._activation.start(lane, refusal)

    def _on_changed(self, partition: int) -> None:
        lane = self._lanes.get(partition)
        if lane is not None and lane.ready:
            log.info("partition %s: its topics changed: folding", partition)
            self._restart(lane)

    def _close(self, lane: Lane) -> None:
        lane.close()
        self._forget_timer(lane)
        self._reading.tenure.close(lane.partition)

    async def _open_lane(self, lane: Lane, epoch: int, positions: dict[str, int]) -> None:
        prefix = self._reading.prefix
        offsets = {TP(physical(prefix, topic), lane.partition): offset for topic, offset in positions.items()}
        async with self._fetching:
            if lane.epoch != epoch:
                return
            reached(Failpoint.BEFORE_SEEK)
            await self.seek_wait(offsets)
            reached(Failpoint.AFTER_SEEK)
            if lane.epoch != epoch:
                return
            lane.open(positions)
        self.reach(offsets)  # by a worker that died, or was revoked, before it committed
        self._reading.tenure.open(lane)
        log.info("partition %s is ready", lane.partition)
        self._wake.set()

    async def on_stop(self) -> None:
        """Make no lane ready any more: the consumer's thread ends next."""
        self._watch.stop()
        self._activation.cancel()
        self._reading.tenure.leave()  # others are given the partitions as soon as the consumer has left the group
        await super().on_stop()

    # ---- reading

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's fetcher runs this for as long as the worker runs."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                if self.flow_active:
                    await self._round()
                else:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not self.app.should_stop:
                raise
        except Exception as error:
            fatal("reading the source topics", error)

    async def _round(self) -> None:
        events_max = self._reading.events_max
        epochs = {p: lane.epoch for p, lane in self._lanes.items() if lane.ready and not lane.full(events_max)}
        if not epochs or crowded(self._lanes.values()):
            await self._sleep()
            return
        async with self._fetching:
            if any(self._epoch(partition) != epoch for partition, epoch in epochs.items()):
                return
            fetched = await self._fetch(set(epochs), {p for p, lane in self._lanes.items() if lane.ready} - set(epochs))
        for tp, slabs in fetched.items():  # what is dropped here belongs to lanes that will seek
            if self._epoch(tp.partition) == epochs[tp.partition]:
                self._feed(self._lanes[tp.partition], slabs)
        if fetched:
            await self._pass()
        await asyncio.sleep(0)

    async def _fetch(self, wanted: set[int], full: set[int]) -> Fetched:
        consumer, linger_s = self._thread._ensure_consumer(), self._linger.seconds(monotonic())
        pace = partial(pace_s, linger_s, [lane.due(linger_s) for lane in self._lanes.values() if lane.ready])
        try:
            poll_s = FULL_POLL_S if full else POLL_S
            fetched: Fetched = await self._thread.call_thread(fetch, consumer, self._names, wanted, full, poll_s, pace)
        except (NotPlain, OutOfRange) as fault:
            self._on_fault(fault)
            return {}
        return fetched

    def _on_fault(self, fault: NotPlain | OutOfRange) -> None:
        lane, topic = self._lanes.get(fault.tp.partition), self._names[fault.tp.topic]
        if lane is None or not lane.ready:
            return  # its epoch has ended meanwhile: it will seek
        if isinstance(fault, NotPlain):
            self._restart(lane, Refused(str(fault)))
            return
        self._mend(lane, Gap(topic, lane.expected(topic), lane.expected(topic)))

    async def _sleep(self) -> None:
        """Until a lane becomes ready, or one has room again."""
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), POLL_S)
        except TimeoutError:
            return

    def _epoch(self, partition: int) -> int:
        lane = self._lanes.get(partition)
        return lane.epoch if lane is not None else -1

    def _feed(self, lane: Lane, slabs: list[Slab]) -> None:
        for slab in slabs:
            gap = lane.feed(slab)
            if gap is not None:
                self._mend(lane, gap)
                return
            if lane.gap is not None and lane.gap.topic == slab.topic:
                lane.gap = None

    def _mend(self, lane: Lane, gap: Gap) -> None:
        """Fold, check and seek once more where offsets do not continue; the same again is no race: never skip."""
        if lane.gap != gap:
            log.info("partition %s: %s goes on at %s, what came is %s: seeking again", lane.partition, gap.topic,
                     gap.expected, gap.found if gap.found != gap.expected else "nothing")  # fmt: skip
            lane.gap = gap
            self._restart(lane)
            return
        lane.gap = None
        self._restart(lane, gap.refusal())

    async def _pass(self) -> None:
        """Hand out what is due of all lanes together, the largest batch first: the core takes one after the other."""
        for lane in sorted(self._lanes.values(), key=lambda one: -one.events):
            await self._pump(lane)

    async def _pump(self, lane: Lane) -> None:
        """Hand out a batch when none of the lane is at work; what arrives meanwhile makes the next one."""
        if not (lane.ready and lane.events and lane.out is None and lane.idle.is_set() and self.flow_active):
            return
        linger_s = self._linger.seconds(now := monotonic())
        wait = lane.wait(now, linger_s, self._reading.events_max)
        if wait > EARLY_PART * linger_s:
            if lane.partition not in self._timers:
                self._timers[lane.partition] = self.loop.call_later(wait, self._on_timer, lane)
            return
        self._forget_timer(lane)
        await self.callback(self._message(lane.cut(self._reading.events_max, now)))

    def _on_timer(self, lane: Lane) -> None:
        self._timers.pop(lane.partition, None)
        self._spawn(self._pass())

    def _forget_timer(self, lane: Lane) -> None:
        timer = self._timers.pop(lane.partition, None)
        if timer is not None:
            timer.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            fatal("handing a batch to the agent", error)

    def _message(self, batch: Batch) -> ConsumerMessage:
        last = batch.slabs[-1]
        tp = TP(physical(self._reading.prefix, last.topic), batch.partition)
        offset, timestamp = last.offset + len(last.values) - 1, last.arrived_ms / 1000.0
        return ConsumerMessage(
            tp.topic, tp.partition, offset, timestamp, 0, None, None, cast(Any, batch), None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    # ---- acknowledging

    def begin(self, message: Any) -> bool:
        """First thing the agent does. False: the batch is of an ended epoch, forget it."""
        batch: Batch = message.value
        if batch.lane.out is not batch:
            self.ack(message)
            return False
        batch.lane.idle.clear()
        reached(Failpoint.BATCH_HANDED_OUT)
        return True

    def finish(self, message: Any, whole: bool, cpu_s: float) -> None:
        """Last thing the agent does. `whole`: the batch is in the journal and applied; else its lane folds, seeks."""
        batch: Batch = message.value
        lane = batch.lane
        if whole:
            self._linger.observe(batch.partition, batch.events, cpu_s, monotonic())
            prefix, offsets = self._reading.prefix, batch.next_offsets()
            self.reach({TP(physical(prefix, topic), batch.partition): offset for topic, offset in offsets.items()})
        self.ack(message)
        lane.idle.set()
        if lane.out is batch:
            lane.out = None
        if not whole and lane.epoch == batch.epoch:
            self._restart(lane)
        elif lane.events:
            self._spawn(self._pump(lane))
        self._wake.set()

    def ack(self, message: Any) -> bool:
        """By `finish`, or by Faust where it drops a message: nothing is committed because of it."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        waiting = self._waiting_for_ack
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        return True
