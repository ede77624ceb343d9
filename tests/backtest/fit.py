"""Chooses the band's constants on the fit half: every one of a grid, through the product's own `foresee`."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from pipeline.core.forecast import Band, Pace, foresee
from pipeline.core.window import DAY_US
from tests.backtest.histories import KINDS, histories
from tests.backtest.measures import quantile
from tests.backtest.replay import FORECAST_DAYS, pace_at

PROMISED = 0.8  # of outcomes, that the band is to hold
GRID = [Band(*one) for one in itertools.product((110, 120, 130, 140, 150), (200, 250, 300, 350, 400), (100, 125, 150))]
# What a constant is chosen by: the least sum of squares. The promise of the mixture counts most; then each kind's, and
# that misses fall on both sides alike; a narrow band decides between what is as good.
WEIGHT_MIXTURE, WEIGHT_KIND, WEIGHT_SIDES, WEIGHT_WIDTH = 20.0, 1.0, 1.0, 0.05


class Fit(NamedTuple):
    """A band, what it costs, and what it holds of the mixture at each of the days."""

    cost: float
    band: Band
    held: tuple[float, ...]


class Case(NamedTuple):
    kind: str
    pace: Pace
    actual: int


def fits(count: int, seed: int) -> list[Fit]:
    """Every band of the grid, the best one first."""
    cases = {day: list(cases_of(day, count, seed)) for day in FORECAST_DAYS}
    with ProcessPoolExecutor(os.cpu_count(), initializer=_take, initargs=(cases,)) as pool:
        return sorted(pool.map(_fit, GRID))


_taken: dict[int, list[Case]] = {}  # of this process: sent once, not with every band


def _take(cases: dict[int, list[Case]]) -> None:
    _taken.update(cases)


def cases_of(day: int, count: int, seed: int) -> Iterator[Case]:
    for history in histories("fit", count, seed):
        actual = sum(n for on, n in history.days.items() if on * DAY_US >= history.start)
        yield Case(history.kind, pace_at(history, day), actual)


def _fit(band: Band) -> Fit:
    cost = 0.0
    held: list[float] = []
    for cases in _taken.values():
        more, share = cost_of(band, cases)
        cost, held = cost + more, [*held, share]
    return Fit(cost, band, tuple(held))


def cost_of(band: Band, cases: Sequence[Case]) -> tuple[float, float]:
    """What a day's forecasts cost, and the share of outcomes that their bands hold."""
    kinds: dict[str, list[bool]] = {kind.name: [] for kind in KINDS}
    below, above, widths = 0, 0, []
    for kind, pace, actual in cases:
        low, _, high, _ = foresee(pace, band)
        below, above = below + (actual < low), above + (actual > high)
        kinds[kind].append(low <= actual <= high)
        widths.append((high - low) / max(1, actual))
    held = 1 - (below + above) / len(cases)
    of_kinds = sum((sum(one) / len(one) - PROMISED) ** 2 for one in kinds.values()) / len(kinds)
    sides = ((above - below) / len(cases)) ** 2
    cost = WEIGHT_MIXTURE * (held - PROMISED) ** 2 + WEIGHT_KIND * of_kinds + WEIGHT_SIDES * sides
    return cost + WEIGHT_WIDTH * quantile(widths, 0.5), held
