"""What a decided batch, a snapshot and a refusal move."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import metrics
from pipeline.agents.counting import count
from pipeline.core.record import Alert, Record, Source
from pipeline.journal.memory import MemoryLog
from pipeline.refusal import Refused
from pipeline.transport import activation
from pipeline.transport.activation import Activation
from pipeline.transport.lanes import Lane
from tests.contract.counting import RULES
from tests.contract.worlds import EMAIL, World, numbers, sourced


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def test_an_appended_record_counts_its_crossings_by_kind_and_the_age_of_its_oldest_event() -> None:
    crossed = [Alert("a", 0, kind, 0.8, 8, 10, 0, 1) for kind in ("threshold", "forecast", "threshold")]
    record = replace(Record(RULES, 0, [Source(EMAIL, 0, 3, 3)]), alerts=crossed)
    names = [("tally_allowance_crossings_total", {"kind": kind}) for kind in ("threshold", "forecast")]
    names += [("tally_event_age_seconds_count", {}), ("tally_event_age_seconds_sum", {})]
    before = [value(name, **labels) for name, labels in names]
    now_ms = int(time.time() * 1000)
    count(record, [numbers(EMAIL, 0, 2, arrived_ms=now_ms - 40_000), numbers(EMAIL, 2, 1, arrived_ms=now_ms - 90_000)])
    moved = [value(name, **labels) - was for (name, labels), was in zip(names, before, strict=True)]
    assert [round(x) for x in moved] == [2, 1, 1, 90]


def test_a_fold_counts_no_crossing_again(tmp_path: Path) -> None:
    async def story() -> None:
        log = await sourced(MemoryLog())
        first = World(log, tmp_path)
        await first.write(await first.recover(), numbers(EMAIL, 0, 1))
        before = value("tally_event_age_seconds_count"), value("tally_batches_total")
        await World(log, tmp_path).recover()
        assert (value("tally_event_age_seconds_count"), value("tally_batches_total")) == before

    asyncio.run(story())


@pytest.mark.parametrize("fails", [False, True])
def test_a_snapshot_that_is_written_or_not_is_told(tmp_path: Path, fails: bool) -> None:
    folder = tmp_path / "file" if fails else tmp_path
    if fails:
        folder.write_text("no folder", encoding="utf-8")

    async def story() -> None:
        log = await sourced(MemoryLog())
        world = World(log, folder, snapshot_events=1)
        store = await world.recover()
        await world.write(store, numbers(EMAIL, 0, 1))
        await world.keeper.offer(store)
        await world.keeper.settled()

    names = ("tally_snapshot_failures_total", "tally_snapshot_seconds_count")
    before = [value(name) for name in names]
    asyncio.run(story())
    assert [value(name) - was for name, was in zip(names, before, strict=True)] == [float(fails), float(not fails)]


def test_a_refused_partition_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Recovery:
        async def recover(self, partition: int, topics: frozenset[str]) -> dict[str, int]:
            raise Refused("no")

    async def open_lane(lane: Lane, epoch: int, positions: dict[str, int]) -> None:
        raise AssertionError

    async def story() -> None:
        lane = Lane(41)
        lane.topics = frozenset({EMAIL})
        activating = Activation(Recovery(), lane.topics, open_lane)  # type: ignore[arg-type]
        activating.start(lane)
        await asyncio.sleep(0.05)
        activating.cancel()

    monkeypatch.setattr(activation, "REFUSED_S", 60.0)
    asyncio.run(story())
    assert value("tally_partition_refused", partition="41") == 1
    metrics.PARTITION_REFUSED.remove("41")
