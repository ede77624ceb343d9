"""Activation: a lane becomes ready by recovery and seek, waits for what is at work, and is tried again after faults."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

import pytest

from pipeline.refusal import Refused, Unstartable, WrongSetting
from pipeline.state.threads import WorkThread
from pipeline.transport import activation
from pipeline.transport.activation import Activation
from pipeline.transport.lanes import Lane

TOPICS = frozenset({"events.email", "events.sms"})
POSITIONS = {"events.email": 3, "events.sms": 4}


class Recovery:
    """Meets the faults given, one a call, then recovers."""

    def __init__(self, *faults: Exception) -> None:
        self.faults, self.calls = list(faults), 0
        self.added: Refused | None = None

    async def recover(self, partition: int, topics: frozenset[str]) -> dict[str, int]:
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        return POSITIONS

    async def require_partitions(self, partition: int) -> None:
        if self.added is not None:
            raise self.added

    async def changed(self) -> set[int]:
        raise AssertionError

    def keep(self, partitions: Collection[int]) -> None:
        raise AssertionError


def lane(topics: frozenset[str] = TOPICS) -> Lane:
    one = Lane(2)
    one.topics = topics
    return one


async def open_lane(lane: Lane, epoch: int, positions: dict[str, int]) -> None:
    lane.open(positions)


async def until_ready(one: Lane) -> None:
    for _ in range(200):
        if one.ready:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not ready")


async def ready(one: Lane, recovery: Recovery, seconds: float = 2.0) -> bool:
    """Whether the lane becomes ready in time."""
    activating = Activation(recovery, TOPICS, open_lane)
    activating.start(one)
    for _ in range(int(seconds / 0.01)):
        if one.ready:
            return True
        await asyncio.sleep(0.01)
    activating.cancel()
    return False


def test_a_lane_is_opened_at_the_positions_that_recovery_says() -> None:
    async def story() -> None:
        one = lane()
        assert await ready(one, Recovery())
        assert one._expected == POSITIONS

    asyncio.run(story())


def test_the_worlds_faults_are_tried_again() -> None:
    async def story() -> None:
        recovery = Recovery(ConnectionError("down"), TimeoutError())
        assert await ready(lane(), recovery)
        assert recovery.calls == 3

    asyncio.run(story())


@pytest.mark.parametrize("error", [Unstartable("no topics"), WrongSetting("another hash seed")])
def test_what_is_unstartable_ends_the_process_with_its_code(
    error: Unstartable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(activation, "end", codes.append)
    monkeypatch.setattr(activation, "fatal", lambda *_: None)
    assert not asyncio.run(ready(lane(), Recovery(error), seconds=0.1))
    assert codes == [2 if isinstance(error, WrongSetting) else 1]
    assert str(error) in caplog.text


def test_a_refusal_is_told_and_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(activation, "REFUSED_S", 0.05)

    async def story() -> None:
        assert await ready(lane(), Recovery(Refused("events.email is gone. Restore it")))

    asyncio.run(story())
    assert ("partition 2 is not read: events.email is gone. Restore it", logging.ERROR) in [
        (record.getMessage(), record.levelno) for record in caplog.records
    ]


def test_the_same_refusal_is_told_once_and_after_the_lane_was_ready_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(activation, "REFUSED_S", 0.001)

    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]

    async def story() -> None:
        one = lane()
        same = [Refused(f"events.email holds {n} to 9") for n in range(5)]
        recovery = Recovery(*same, Refused("another"), same[0])
        activating = Activation(recovery, TOPICS, open_lane)
        activating.start(one)
        await until_ready(one)
        assert told() == [
            f"partition 2 is not read: {text}"
            for text in ("events.email holds 0 to 9", "another", "events.email holds 0 to 9")
        ]
        one.close()
        recovery.faults = [same[0]]
        activating.start(one)
        await until_ready(one)
        assert len(told()) == 4

    asyncio.run(story())


def test_a_refusal_is_told_again_after_an_hour(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(activation, "REFUSED_S", 0.001)
    monkeypatch.setattr(activation, "REMIND_S", 0.0)
    asyncio.run(ready(lane(), Recovery(*[Refused("gone")] * 3)))
    assert caplog.text.count("partition 2 is not read: gone") == 3


def test_half_a_lane_of_added_partitions_is_refused_for_that_reason(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        recovery = Recovery()
        recovery.added = Refused("partitions were added")
        assert not await ready(lane(frozenset({"events.sms"})), recovery, 0.1)
        assert recovery.calls == 0

    asyncio.run(story())
    assert "partition 2 is not read: partitions were added" in caplog.text
    assert "assignment gives" not in caplog.text


def test_half_a_lane_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        recovery = Recovery()
        assert not await ready(lane(frozenset({"events.sms"})), recovery, 0.1)
        assert recovery.calls == 0

    asyncio.run(story())
    assert "assignment gives this worker no events.email" in caplog.text


def test_a_lane_is_not_folded_while_an_earlier_batch_is_at_work() -> None:
    async def story() -> None:
        one, recovery = lane(), Recovery()
        one.idle.clear()
        assert not await ready(one, recovery, 0.1)
        assert recovery.calls == 0
        one.idle.set()
        assert await ready(one, recovery)

    asyncio.run(story())


def test_an_epoch_that_ends_ends_its_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation, "RETRY_S_MIN", 0.02)

    async def story() -> None:
        one, recovery = lane(), Recovery(*[ConnectionError()] * 1000)
        activating = Activation(recovery, TOPICS, open_lane)
        activating.start(one)
        await asyncio.sleep(0.05)
        one.close()
        await asyncio.sleep(0.2)
        calls = recovery.calls
        await asyncio.sleep(0.2)
        assert recovery.calls == calls
        assert not one.ready

    asyncio.run(story())


def test_work_in_the_core_thread_is_never_left_half_done() -> None:
    async def story() -> None:
        work, done = WorkThread("test"), list[int]()
        began = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow() -> None:
            import time

            loop.call_soon_threadsafe(began.set)
            time.sleep(0.1)
            done.append(1)

        task = asyncio.ensure_future(work.run(slow))
        await began.wait()
        task.cancel()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == [1]

    asyncio.run(story())


def test_work_raises_what_its_function_raises() -> None:
    async def story() -> None:
        with pytest.raises(ZeroDivisionError):
            await WorkThread("test").run(lambda: 1 // 0)

    asyncio.run(story())
