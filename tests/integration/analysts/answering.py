"""Which function answers which question, and what all of them use. An answer: (world, parameters) -> the rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.integration.analysts.world import Happened, Rows, World, share

Given = dict[str, Any]
Answer = Callable[[World, Given], Rows]
ANSWERS: dict[str, Answer] = {}


def answers(name: str) -> Callable[[Answer], Answer]:
    """Says which question a function answers."""

    def register(answer: Answer) -> Answer:
        assert name not in ANSWERS, f"{name} has two answers"
        ANSWERS[name] = answer
        return answer

    return register


def within(at: datetime, given: Given, zone: str = "UTC") -> bool:
    """Whether the day of a moment lies in the period."""
    first, last = given["from"], given["to"]
    assert isinstance(first, date)
    return bool(first <= at.astimezone(ZoneInfo(zone)).date() <= last)


def by(key: Callable[[Happened], Any], happened: Iterable[Happened]) -> dict[Any, list[Happened]]:
    """Events in groups."""
    found: dict[Any, list[Happened]] = defaultdict(list)
    for one in happened:
        found[key(one)].append(one)
    return found


def persons(happened: Iterable[Happened]) -> int:
    """How many people they are of."""
    return len({one.person for one in happened} - {""})


class Sums(NamedTuple):
    """What rates are made of."""

    counts: Counter[str]

    @classmethod
    def of(cls, happened: Iterable[Happened]) -> Sums:
        """Events by verb, and first opens and clicks."""
        counts: Counter[str] = Counter()
        for one in happened:
            counts[one.verb] += 1
            counts["bounced"] += one.verb in ("soft_bounced", "hard_bounced")
            for kind in one.uniques:
                counts[kind] += 1
        return cls(counts)

    def rates(self) -> tuple[Any, ...]:
        """Sent, delivered, and the rates in the order of the page."""
        n = self.counts
        sent, delivered, opens = n["sent"], n["delivered"], n["unique_open"]
        return (
            sent,
            delivered,
            share(delivered, sent),
            share(opens, delivered),
            share(n["unique_click"], delivered),
            share(n["unique_click"], opens),
            share(n["bounced"], sent),
            share(n["unsubscribed"], delivered),
            share(n["complained"], delivered),
        )


def in_channels(world: World, given: Given) -> list[Happened]:
    """The account's events of channels in the period; what names no channel is in no rate."""
    return [one for one in world.of(given["account"]) if one.channel and within(one.at, given)]


def utc(at: int) -> datetime:
    """Unix microseconds, to the second."""
    return datetime.fromtimestamp(at // 1_000_000, UTC)


def exact_quantile(level: float, values: Iterable[float]) -> float:
    """The value at that part of the sorted list, none in between."""
    ordered = sorted(values)
    return ordered[min(int(level * len(ordered)), len(ordered) - 1)]
