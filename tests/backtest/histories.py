"""Synthetic accounts: a billing cycle and the 31 days before it, day by day, of several kinds.

A history is drawn from its kind, its half and its number alone, by Python's own generator: the same on every machine.
The fit half is what constants were chosen on; the held-out half is what docs/forecast.md reports.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from pipeline.core.cycles import cycle_of
from pipeline.core.window import DAY_US

Half = Literal["fit", "held out"]

HISTORIES = 500  # of each kind: chance moves what a kind's band holds by two points, the mixture's by less than one
SEED = 1
DAYS_BEFORE = 31  # more than the seven that a forecast looks at
KNUTH_MAX = 30.0  # a Poisson mean above which its normal approximation is drawn
BURST_DAYS = (0.7, 0.2, 0.1)  # a campaign's activities on its day and the two after it


class Size(NamedTuple):
    """Activities of an ordinary day, drawn evenly by their logarithm."""

    least: float
    most: float


MIDDLING, SMALL, LARGE = Size(20, 20_000), Size(0.5, 8), Size(20_000, 2_000_000)


class Kind(NamedTuple):
    """What moves an account's days, besides the noise that all have. `is_new`: nothing before the cycle."""

    name: str
    about: str
    weekdays: bool = False
    bursts: bool = False
    growth: bool = False
    is_new: bool = False
    size: Size = MIDDLING


class History(NamedTuple):
    """An account's days. `start`, `end`: the cycle, UTC microseconds; `days`: activities by UTC day since 1970.

    `allowance` is drawn around what the cycle will have used: some are exhausted early, some late, some never.
    """

    kind: str
    start: int
    end: int
    days: dict[int, int]
    allowance: int


def _with_all(name: str, about: str, *, is_new: bool = False, size: Size = MIDDLING) -> Kind:
    return Kind(name, about, weekdays=True, bursts=True, growth=True, is_new=is_new, size=size)


# The mixture is all of them in equal parts.
KINDS = (
    Kind("noise", "days differ by chance alone, by 10 to 50 %"),
    Kind("weekdays", "weekends have 15 to 70 % of a working day, and each weekday a weight of its own", weekdays=True),
    Kind("bursts", "campaigns on 3 to 25 % of the days, 2 to 15 ordinary days each, over three days", bursts=True),
    Kind("growth", "from 2 % less to 3 % more each day than on the day before", growth=True),
    _with_all("together", "weekdays, bursts and growth or decline"),
    _with_all("new", "the same, without a day before the cycle", is_new=True),
    _with_all("small", "the same, 0.5 to 8 activities on an ordinary day", size=SMALL),
    _with_all("large", "the same, 20,000 to 2,000,000 activities on an ordinary day", size=LARGE),
)


def histories(half: Half, count: int, seed: int, kinds: Sequence[Kind] = KINDS) -> Iterator[History]:
    """`count` histories of each kind; the halves have none in common."""
    for kind in kinds:
        for number in range(count):
            yield drawn(kind, random.Random(f"{seed} {half} {kind.name} {number}"))


def drawn(kind: Kind, dice: random.Random) -> History:
    """One account of a kind, in a cycle of 28 to 31 days between 2022 and 2029."""
    instant = datetime(dice.randint(2022, 2029), dice.randint(1, 12), 15, tzinfo=UTC)
    start, end = cycle_of(dice.randint(1, 31), "UTC", int(instant.timestamp()) * 1_000_000)
    first, last = start // DAY_US - (0 if kind.is_new else DAYS_BEFORE), end // DAY_US
    means = _means(kind, dice, first, last)
    days = {day: _poisson(dice, mean) for day, mean in zip(range(first, last), means, strict=True)}
    used = sum(n for day, n in days.items() if day * DAY_US >= start)
    return History(kind.name, start, end, days, max(1, round(used * dice.uniform(0.5, 1.5))))


def _means(kind: Kind, dice: random.Random, first: int, last: int) -> list[float]:
    """The mean of each day from `first` to before `last`."""
    size = math.exp(dice.uniform(math.log(kind.size.least), math.log(kind.size.most)))
    weight = _weekday_weight(dice) if kind.weekdays else lambda day: 1.0
    growth = dice.uniform(-0.02, 0.03) if kind.growth else 0.0
    noise = dice.uniform(0.1, 0.5)
    means = [
        size * weight(day) * math.exp(growth * (day - last)) * dice.gammavariate(noise**-2, noise**2)
        for day in range(first, last)
    ]
    if kind.bursts:
        _add_bursts(dice, means, size)
    return means


def _weekday_weight(dice: random.Random) -> Callable[[int], float]:
    weekend = dice.uniform(0.15, 0.7)
    weights = [(weekend if weekday >= 5 else 1.0) * math.exp(dice.gauss(0, 0.15)) for weekday in range(7)]
    return lambda day: weights[(day + 3) % 7]  # day 0, January 1 of 1970, was a Thursday


def _add_bursts(dice: random.Random, means: list[float], size: float) -> None:
    chance, strength = dice.uniform(0.03, 0.25), size * dice.uniform(2, 15)
    for day in range(len(means)):
        if dice.random() < chance:
            burst = strength * math.exp(dice.gauss(0, 0.5))
            for after, share in enumerate(BURST_DAYS[: len(means) - day]):
                means[day + after] += burst * share


def _poisson(dice: random.Random, mean: float) -> int:
    if mean > KNUTH_MAX:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    drawn, product, least = 0, dice.random(), math.exp(-mean)
    while product > least:
        drawn, product = drawn + 1, product * dice.random()
    return drawn
