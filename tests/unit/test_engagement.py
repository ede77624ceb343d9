"""The agent over the in-memory journal: one record a batch, more where it must be, none where an append is unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.agents.engagement import Engagement
from pipeline.core.batch import Slab
from pipeline.core.record import Label, Link, Record, decode, encode
from pipeline.journal.chain import next_link
from pipeline.journal.memory import MemoryLog
from pipeline.journal.ports import Entry
from pipeline.transport.lanes import Batch, Lane
from tests.contract.counting import DAY_MS, RULES, Counted, CountingCore
from tests.contract.worlds import EMAIL, JOURNAL, SMS, World, numbers, sourced


class Consumer:
    """What the agent sees of the transport: it gives batches unless their epoch ended, and remembers their ends."""

    def __init__(self, dead: bool = False) -> None:
        self.dead, self.ended = dead, list[bool]()

    def begin(self, message: Any) -> bool:
        return not self.dead

    def finish(self, message: Any, whole: bool, cpu_s: float) -> None:
        assert cpu_s >= 0
        self.ended.append(whole)


class Desk:
    """An agent with its world; `put` works on a batch as one message."""

    def __init__(self, log: MemoryLog, folder: Path, value_bytes_max: int = 10**6) -> None:
        self.world, self.consumer = World(log, folder), Consumer()
        world = self.world
        parts = (world.core, world.partitions, world.log, world.keeper, world.work)
        self.agent = Engagement(*parts, "me", value_bytes_max)

    async def put(self, *slabs: Slab) -> None:
        batch = Batch(Lane(0), 0, list(slabs), sum(len(s.values) for s in slabs))
        app = SimpleNamespace(consumer=self.consumer)
        await self.agent.handle(SimpleNamespace(app=app, message=SimpleNamespace(value=batch)))


def run(story: Callable[[MemoryLog], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story(await sourced(MemoryLog()))

    asyncio.run(whole())


def reads(log: MemoryLog) -> list[int]:
    """Events read by each record of the journal."""
    return [decode(value or b"")[1].read for value in log.values[JOURNAL]]


def test_a_batch_becomes_one_record_that_is_applied(tmp_path: Path) -> None:
    async def story(log: MemoryLog) -> None:
        desk = Desk(log, tmp_path)
        store = await desk.world.recover()
        await desk.put(numbers(EMAIL, 0, 3), numbers(SMS, 0, 2))
        await desk.put(numbers(EMAIL, 3, 1))
        assert (reads(log), desk.consumer.ended) == ([5, 1], [True, True])
        assert store.positions == {EMAIL: 4, SMS: 2}
        folded = await World(log, tmp_path).recover()
        assert (folded.state, folded.mark) == (store.state, store.mark)

    run(story)


def test_a_batch_of_an_ended_epoch_is_forgotten(tmp_path: Path) -> None:
    async def story(log: MemoryLog) -> None:
        desk = Desk(log, tmp_path)
        desk.consumer.dead = True
        await desk.world.recover()
        await desk.put(numbers(EMAIL, 0, 3))
        assert (log.values.get(JOURNAL), desk.consumer.ended) == (None, [])

    run(story)


def test_a_batch_is_cut_where_the_streams_day_changes(tmp_path: Path) -> None:
    async def story(log: MemoryLog) -> None:
        desk = Desk(log, tmp_path)
        await desk.world.recover()
        await desk.put(numbers(EMAIL, 0, 3, arrived_ms=DAY_MS - 1), numbers(SMS, 0, 2, arrived_ms=DAY_MS))
        assert (reads(log), desk.consumer.ended) == ([3, 2], [True])

    run(story)


def test_a_record_that_is_too_large_is_decided_again_in_halves(tmp_path: Path) -> None:
    async def story(log: MemoryLog) -> None:
        core = CountingCore()
        widest = Link(1 << 62, 0, "me")  # ids are random; this one takes ten bytes, as most do
        first = replace(core.decide(core.empty(), [numbers(EMAIL, 0, 3)]), topics={EMAIL: "1"}, partitions=1)
        one = len(encode(first, widest))
        desk = Desk(log, tmp_path, value_bytes_max=one)
        store = await desk.world.recover()
        await desk.put(numbers(EMAIL, 0, 3))
        assert reads(log) == [3]
        await desk.put(numbers(EMAIL, 3, 7), numbers(SMS, 0, 1))
        assert all(len(value or b"") <= one for value in log.values[JOURNAL])
        assert (sum(reads(log)), desk.consumer.ended, store.positions) == (11, [True, True], {EMAIL: 10, SMS: 1})

    run(story)


def test_one_event_whose_decision_is_too_large_is_refused_and_the_lane_goes_on(tmp_path: Path) -> None:
    class Bulky(CountingCore):
        """What it decides is longer than what it refuses."""

        def decide(self, state: Counted, slabs: list[Slab]) -> Record:
            return replace(super().decide(state, slabs), labels=[Label("a" * 1000, None, "email")])

    async def story(log: MemoryLog) -> None:
        desk = Desk(log, tmp_path, value_bytes_max=500)
        store = await desk.world.recover()
        desk.agent.core = Bulky()
        await desk.put(numbers(EMAIL, 0, 2))
        records = [decode(value or b"")[1] for value in log.values[JOURNAL]]
        assert [(record.read, record.accepted, record.labels) for record in records] == [(1, 0, []), (1, 0, [])]
        assert (desk.consumer.ended, store.positions) == ([True], {EMAIL: 2})

    run(story)


def test_a_record_in_which_not_even_a_reject_fits_is_a_broken_assumption(tmp_path: Path) -> None:
    async def story(log: MemoryLog) -> None:
        desk = Desk(log, tmp_path, value_bytes_max=10)
        await desk.world.recover()
        with pytest.raises(AssertionError, match="a reject's record fits"):
            await desk.put(numbers(EMAIL, 0, 2))

    run(story)


@pytest.mark.parametrize("kept", [True, False])
def test_an_append_that_is_not_acknowledged_ends_the_batch_and_the_fold_says_what_was(
    tmp_path: Path, kept: bool
) -> None:
    async def story(log: MemoryLog) -> None:
        desk = Desk(log, tmp_path)
        await desk.world.recover()
        log.lose = [kept]
        await desk.put(numbers(EMAIL, 0, 3))
        assert desk.consumer.ended == [False]
        store = await desk.world.recover()
        assert store.positions == ({EMAIL: 3} if kept else {})

    run(story)


def test_an_append_that_fails_inside_a_batch_leaves_the_rest_for_later(tmp_path: Path) -> None:
    async def story(log: MemoryLog) -> None:
        desk = Desk(log, tmp_path)
        await desk.world.recover()
        log.lose = [False]
        await desk.put(numbers(EMAIL, 0, 3, arrived_ms=DAY_MS - 1), numbers(EMAIL, 3, 2, arrived_ms=DAY_MS))
        assert (reads(log), desk.consumer.ended) == ([], [False])

    run(story)


def test_a_rival_ends_the_batch_whoever_of_the_two_is_valid(tmp_path: Path) -> None:
    async def story(log: MemoryLog) -> None:
        desk = Desk(log, tmp_path)
        store = await desk.world.recover()
        await log.append(JOURNAL, encode(Record(RULES, 0, []), next_link(store.last_id, "rival")))
        await desk.put(numbers(EMAIL, 0, 3))
        assert (desk.consumer.ended, store.positions) == ([False], {})
        assert (await desk.world.recover()).positions == {}
        await desk.put(numbers(EMAIL, 0, 3))
        assert (desk.consumer.ended, desk.world.partitions[0].positions) == ([False, True], {EMAIL: 3})
        chain = [decode(entry.value or b"")[0].writer for entry in _entries(log)]
        assert chain == ["rival", "me", "me"]

    run(story)


def _entries(log: MemoryLog) -> list[Entry]:
    return [Entry(offset, value) for offset, value in enumerate(log.values[JOURNAL])]
