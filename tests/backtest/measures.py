"""How good forecasts were: errors, what the band held, and whether what they said of the allowance came true."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tests.backtest.replay import FORECAST_DAYS, Outcome

MIXTURE = "mixture"
PROMISE = 0.75, 0.85  # of outcomes of the mixture that the band holds, at each of the days


class Accuracy(NamedTuple):
    """Of one group's forecasts, as shares of what came: error of `expected`, and the band.

    `bias`: the median of (expected - actual) / actual; `below`, `above`: outcomes below `low` and above `high`.
    """

    group: str
    day: int
    forecasts: int
    error: float
    error_90: float
    bias: float
    held: float
    below: float
    above: float
    width: float


class Exhaustion(NamedTuple):
    """Of one group's forecasts that were made before the allowance was gone.

    `said`: that it will run out; `came`: that it did; `right`: both. Errors of the instant in days, where it was right.
    """

    group: str
    day: int
    forecasts: int
    said: int
    came: int
    right: int
    error: float
    error_90: float

    @property
    def precision(self) -> float:
        """The share of what was said that came."""
        return _share(self.right, self.said)

    @property
    def recall(self) -> float:
        """The share of what came that was said."""
        return _share(self.right, self.came)


def accuracies(found: Sequence[Outcome]) -> list[Accuracy]:
    """By kind and day; the mixture of all kinds is last."""
    return [accuracy(name, day, made) for name, day, made in _by_kind(found)]


def exhaustions(found: Sequence[Outcome]) -> list[Exhaustion]:
    """By kind and day; the mixture of all kinds is last."""
    return [exhaustion(name, day, made) for name, day, made in _by_kind(found)]


def by_length(found: Sequence[Outcome]) -> list[Accuracy]:
    """The mixture by the days that the cycle has."""
    lengths = sorted({one.length for one in found})
    groups = [(f"{length} days", lambda one, length=length: one.length == length) for length in lengths]
    return [accuracy(name, day, made) for name, day, made in _grouped(found, groups)]


def by_confidence(found: Sequence[Outcome]) -> list[Accuracy]:
    """The mixture by what the forecast says of itself."""
    groups = [("low confidence", lambda one: not one.confident), ("confident", lambda one: one.confident)]
    return [accuracy(name, day, made) for name, day, made in _grouped(found, groups)]


def accuracy(group: str, day: int, made: Sequence[Outcome]) -> Accuracy:
    """Of forecasts that are all made on that day; an account that used nothing counts as if it had used one."""
    signed = [(one.expected - one.actual) / max(1, one.actual) for one in made]
    errors = [abs(error) for error in signed]
    below = sum(one.actual < one.low for one in made)
    above = sum(one.actual > one.high for one in made)
    widths = [(one.high - one.low) / max(1, one.actual) for one in made]
    count = len(made)
    return Accuracy(
        group, day, count, quantile(errors, 0.5), quantile(errors, 0.9), quantile(signed, 0.5),
        _share(count - below - above, count), _share(below, count), _share(above, count), quantile(widths, 0.5),
    )  # fmt: skip


def exhaustion(group: str, day: int, made: Sequence[Outcome]) -> Exhaustion:
    """Of forecasts that are all made on that day."""
    open_ones = [one for one in made if not one.used_up]
    errors = [abs(one.said - one.came) for one in open_ones if one.said is not None and one.came is not None]
    said = sum(one.said is not None for one in open_ones)
    came = sum(one.came is not None for one in open_ones)
    return Exhaustion(group, day, len(open_ones), said, came, len(errors), quantile(errors, 0.5), quantile(errors, 0.9))


def broken(found: Sequence[Outcome]) -> list[str]:
    """Where the band does not hold what it promises, of the mixture."""
    least, most = PROMISE
    return [
        f"day {row.day}: the band holds {row.held:.1%} of the mixture; {least:.0%} to {most:.0%} are promised"
        for row in accuracies(found)
        if row.group == MIXTURE and not least <= row.held <= most
    ]


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that is not below that share of them; NaN of none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else math.nan


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


Grouped = Iterable[tuple[str, int, list[Outcome]]]


def _by_kind(found: Sequence[Outcome]) -> Grouped:
    kinds = dict.fromkeys(one.kind for one in found)
    groups = [(kind, lambda one, kind=kind: one.kind == kind) for kind in kinds]
    return _grouped(found, [*groups, (MIXTURE, lambda one: True)])


def _grouped(found: Sequence[Outcome], groups: Sequence[tuple[str, Callable[[Outcome], bool]]]) -> Grouped:
    for name, belongs in groups:
        for day in FORECAST_DAYS:
            if made := [one for one in found if one.day == day and belongs(one)]:
                yield name, day, made
