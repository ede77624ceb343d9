"""The watches over a worker's partitions, on the in-memory journal: lag, and accounts looked at between batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline import metrics
from pipeline.core.accounts import Accounts, Cycle
from pipeline.core.record import Plan
from pipeline.journal.memory import MemoryLog
from pipeline.telemetry import accounts_watch
from pipeline.telemetry.accounts_watch import AccountsWatch
from pipeline.telemetry.lag_watch import LagWatch
from pipeline.telemetry.selection import Choice
from pipeline.telemetry.tenure import Tenure
from pipeline.transport.lanes import Lane
from tests.contract.counting import Counted, CountingCore
from tests.contract.worlds import EMAIL, SMS, World, numbers, sourced

ACCOUNTS = 20_000
MONTH_US = 30 * 86_400 * 10**6


class Desk:
    """A world with one partition that is this worker's."""

    def __init__(self, log: MemoryLog, folder: Path) -> None:
        self.world, self.tenure, self.lane = World(log, folder), Tenure(6.0), Lane(0)
        self.tenure.assign({0})
        self.tenure.confirm(time.monotonic())
        self.lag = LagWatch("", log, self.world.partitions, self.tenure)

    async def measured(self, log: MemoryLog) -> tuple[float, float]:
        """Lag of the emails in records and seconds."""
        async with log.session() as session:
            await self.lag.look(session)
        return value(metrics.LAG_RECORDS, EMAIL), value(metrics.LAG_SECONDS, EMAIL)


def value(gauge: object, *labels: str) -> float:
    """Of partition 0."""
    (family,) = gauge.collect()  # type: ignore[attr-defined]
    found = [s.value for s in family.samples if s.labels["partition"] == "0" and set(labels) <= set(s.labels.values())]
    return float(found[0]) if found else -1.0


def run(story: Callable[[MemoryLog], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story(await sourced(MemoryLog()))

    asyncio.run(whole())


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    yield
    for gauge in metrics.OF_PARTITION:
        gauge.remove_by_labels({"partition": "0"})


def test_lag_is_what_no_record_decides_and_how_long_the_oldest_has_waited(tmp_path: Path) -> None:
    async def story(log: MemoryLog) -> None:
        desk = Desk(log, tmp_path)
        store = await desk.world.recover()
        await desk.world.write(store, numbers(EMAIL, 0, 40))
        arrived = int((time.time() - 500) * 1000)
        desk.lane.open({EMAIL: 40, SMS: 0})
        desk.lane.feed(numbers(EMAIL, 40, 10, arrived_ms=arrived))
        desk.tenure.open(desk.lane)
        records, seconds = await desk.measured(log)
        assert (records, round(seconds)) == (60, 500)
        desk.lane.close()
        await desk.world.write(store, numbers(EMAIL, 40, 60))
        assert await desk.measured(log) == (0, 0)

    run(story)


def test_what_is_not_fetched_has_waited_since_it_was_first_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(log: MemoryLog) -> None:
        desk, now = Desk(log, tmp_path), [1000.0]
        monkeypatch.setattr("pipeline.telemetry.lag_watch.time", lambda: now[0])
        assert await desk.measured(log) == (-1, -1), "where the journal stands is known once it is folded"
        store = await desk.world.recover()
        assert await desk.measured(log) == (100, 0)
        now[0] += 30
        assert await desk.measured(log) == (100, 30)
        await desk.world.write(store, numbers(EMAIL, 0, 1))
        now[0] += 5
        assert await desk.measured(log) == (99, 0), "another one is the oldest now"

    run(story)


class Planned(CountingCore):
    """A core whose accounts have used nine tenths of their allowance in the cycle under way."""

    def __init__(self) -> None:
        super().__init__()
        now = int(time.time()) * 10**6
        self.planned = Accounts()
        for name in (f"a{n}" for n in range(ACCOUNTS)):
            self.planned.cycles[name] = {now - MONTH_US: Cycle(now + MONTH_US, 9, 9, frozenset())}
            self.planned.plans[name] = (Plan(name, 10, 1, "UTC", (0.8,), None, now - MONTH_US, 1),)

    def accounts(self, state: Counted) -> Accounts:
        return self.planned


def test_batches_are_decided_between_two_slices_of_a_look(tmp_path: Path) -> None:
    async def story(log: MemoryLog) -> None:
        desk, core = Desk(log, tmp_path), Planned()
        store = await desk.world.recover()
        store.events = 17
        desk.tenure.open(desk.lane)
        watch = AccountsWatch(core, desk.world.partitions, desk.world.work, desk.tenure, Choice(Fraction("0.8"), 3))
        look = asyncio.ensure_future(watch.look())
        between = 0
        while not look.done():
            await desk.world.work.run(time.sleep, 0)
            between += 1
            core.planned.cycles.pop(f"a{ACCOUNTS - between}")  # the state goes on changing
        used_s = await look
        assert between >= used_s / (2 * accounts_watch.SLICE_S), "a slice is twice as long as it may be"
        assert between > 3
        shown = {family.name: n for family, labels, n in watch.samples() if not labels or labels == ("0.9-1.0",)}
        assert ACCOUNTS - between <= shown["tally_allowance_accounts"] <= ACCOUNTS
        assert shown["tally_allowance_series_dropped"] >= ACCOUNTS - between - 3
        assert sum(family is metrics.ALLOWANCE_RATIO for family, _, _ in watch.samples()) == 3
        assert (value(metrics.SNAPSHOT_PENDING_EVENTS), value(metrics.STATE_ENTRIES, "topics")) == (17, 0)
        desk.lane.close()
        assert not [1 for family, _, _ in watch.samples() if family is metrics.ALLOWANCE_RATIO]

    run(story)


def test_a_partition_that_becomes_ready_is_looked_at_soon(tmp_path: Path) -> None:
    async def story(log: MemoryLog) -> None:
        desk = Desk(log, tmp_path)
        watch = AccountsWatch(
            desk.world.core, desk.world.partitions, desk.world.work, desk.tenure, Choice(Fraction("0.8"), 3)
        )
        running = asyncio.ensure_future(watch.run())
        await asyncio.sleep(2 * accounts_watch.SOON_S)
        await desk.world.recover()
        desk.tenure.open(desk.lane)
        looked = [value(metrics.SNAPSHOT_PENDING_EVENTS)]
        for _ in range(int(accounts_watch.LOOK_S / 2 / 0.02)):
            await asyncio.sleep(0.02)
            looked.append(value(metrics.SNAPSHOT_PENDING_EVENTS))
        assert (looked[0], looked[-1]) == (-1, 0)
        running.cancel()
        await asyncio.wait([running])

    run(story)


def test_a_recovery_says_how_much_there_is_to_fold_and_how_far_it_is(tmp_path: Path) -> None:
    async def story(log: MemoryLog) -> None:
        first = World(log, tmp_path)
        store = await first.recover()
        for n in range(5):
            await first.write(store, numbers(EMAIL, n, 1))
        await Desk(log, tmp_path).world.recover()
        assert (value(metrics.RECOVERY_RECORDS), value(metrics.RECOVERY_FOLDED_RECORDS)) == (5, 5)

    run(story)
