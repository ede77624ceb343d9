"""The quick bench's baseline: ratios to a floor with their noise, each of its own commit, CPU and day."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.bench import files
from tests.bench.conditions import Conditions

NOISE_MIN = 0.03  # of a ratio: less was never seen between two runs
NOISE_TIMES = 2.0  # so many times the noise is beyond it


class Ratio(NamedTuple):
    """Times the floor in the baseline, how far its runs lay apart, as a share of it, and what they were runs of."""

    median: float
    noise: float
    commit: str
    cpu: str
    date: str

    @property
    def bound(self) -> float:
        """Beyond it a ratio is a regression."""
        return self.median * (1 + self._beyond)

    @property
    def gain(self) -> float:
        """Below it a ratio is an improvement."""
        return self.median / (1 + self._beyond)

    @property
    def _beyond(self) -> float:
        return NOISE_TIMES * max(self.noise, NOISE_MIN)


@dataclass(frozen=True)
class Baseline:
    """Ratios by what was measured."""

    ratios: Mapping[str, Ratio]

    @classmethod
    def read(cls, path: Path) -> Baseline | None:
        """What `write` wrote; None where nobody did.

        Raises:
            Unreadable: it cannot be read, or is something else.
        """
        if not path.exists():
            return None
        text = files.text_of(path)
        try:
            return cls({name: Ratio(**one) for name, one in json.loads(text)["ratios"].items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"{path} is no baseline ({type(error).__name__}: {error})"
            raise files.Unreadable(f"{what}: name another, or take it from git again") from None

    def write(self, path: Path) -> None:
        """As JSON.

        Raises:
            Unwritable: it is as it was.
        """
        found = {"ratios": {name: one._asdict() for name, one in self.ratios.items()}}
        files.put(path, json.dumps(found, indent=1) + "\n")


def of_runs(runs: Sequence[Mapping[str, float]], on: Conditions) -> dict[str, Ratio]:
    """The baseline's ratios: the median of the runs, and the farthest run's distance from it."""
    found = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        median = statistics.median(values)
        noise = round(max(abs(value - median) for value in values) / median, 4)
        found[name] = Ratio(round(median, 3), noise, on.commit, on.machine["CPU"], on.date)
    return found


def compare(baseline: Baseline | None, found: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """What to tell of each ratio, and the warnings: what is slower than the baseline beyond its noise."""
    lines, warnings = [], []
    known = baseline.ratios if baseline else {}
    for name, value in found.items():
        if name not in known:
            lines.append(f"{name}: {value:.2f} times the floor; not in the baseline")
            continue
        old = known[name]
        told = "slower" if value > old.bound else "faster" if value < old.gain else "as before"
        change = f"{value / old.median - 1:+.0%}, slower above {old.bound:.2f}"
        lines.append(f"{name}: {value:.2f} times the floor, {old.median:.2f} at {old.commit} ({change}): {told}")
        if value > old.bound:
            warnings.append(f"{name} is slower: {value:.2f} times the floor, above {old.bound:.2f} of the baseline")
    lines += [f"{name}: in the baseline, not measured now" for name in known if name not in found]
    return lines, warnings
