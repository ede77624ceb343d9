"""The watch: it tells of partitions whose topics changed, and goes on while the broker is away."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.transport import watch
from pipeline.transport.watch import Watch
from tests.unit.test_transport_activation import Recovery


class Looks(Recovery):
    """Answers each look with the next of these."""

    def __init__(self, *answers: set[int] | Exception) -> None:
        super().__init__()
        self.answers = list(answers)

    async def changed(self) -> set[int]:
        answer = self.answers.pop(0) if self.answers else set()
        if isinstance(answer, Exception):
            raise answer
        return answer


def told(monkeypatch: pytest.MonkeyPatch, looks: Looks) -> list[int]:
    """What is told, and nothing after the stop."""
    monkeypatch.setattr(watch, "WATCH_S", 0.001)
    found: list[int] = []

    async def story() -> None:
        watching = Watch(looks, found.append)
        watching.start()
        watching.start()
        await asyncio.sleep(0.1)
        watching.stop()
        await asyncio.sleep(0.01)
        looks.answers = [{99}]
        await asyncio.sleep(0.02)

    asyncio.run(story())
    return found


def test_partitions_whose_topics_changed_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, Looks(set(), {3, 1}, set(), {1})) == [1, 3, 1]


def test_a_broker_that_is_away_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, Looks(ConnectionError("down"), TimeoutError(), {0})) == [0]


def test_the_unexpected_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    monkeypatch.setattr(watch, "fatal", lambda doing, error: ended.append(f"{doing}: {error}"))
    told(monkeypatch, Looks(AssertionError("broken")))
    assert ended == ["looking at the topics: broken"]
