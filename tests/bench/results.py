"""A bench's figures: each with its rounds, its floor of the same run and its aim; to and from JSON.

A bench is `python -m tests.bench.<name> [--rounds N] [--quick] [--json FILE]`:

    def measure(chosen: argparse.Namespace) -> list[Figure]: ...

    if __name__ == "__main__":
        run("core", measure, options(__doc__))
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, Self

from tests.bench import endings, files
from tests.bench.aims import AIMS, Aim, Better
from tests.bench.conditions import Conditions, at_end, at_start
from tests.options import file, whole

ROUNDS = 3
ROUNDS_MAX = 100  # hours


class Verdict(StrEnum):
    """What became of an aim."""

    MET = "met"
    MISSED = "missed"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Figure:
    """One thing measured: a value a round, the floor's values of the same rounds, the key of its aim (aims.py).

    Raises:
        ValueError: no value or one that is no number; an aim that is none, or is in another unit or direction.
    """

    group: str  # the bench: core, worker, ...
    name: str  # what was measured and at which sizes, as a reader of the page needs it
    unit: str
    values: tuple[float, ...]
    better: Better = Better.LESS
    floor: tuple[float, ...] = ()
    floor_of: str = ""  # what the floor does, such as "read and decode alone"
    aim: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        where = f"the figure {self.group}: {self.name}"
        if not self.values or not all(math.isfinite(value) for value in (*self.values, *self.floor)):
            raise ValueError(f"{where} needs a number for each round, not {self.values} over {self.floor}")
        if bool(self.floor) != bool(self.floor_of):
            raise ValueError(f"{where}: a floor needs its `floor_of`, and the other way round")
        if self.aim is None:
            return
        aim = AIMS.get(self.aim)
        if aim is None:
            raise ValueError(f"{where} names the aim {self.aim!r}; aims.py has {', '.join(AIMS)}")
        if (aim.unit, aim.better) != (self.unit, self.better):
            raise ValueError(f"{where} is {self.better} {self.unit}; its aim {aim.key} is {aim.better} {aim.unit}")

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.values)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest round."""
        return min(self.values), max(self.values)

    @property
    def to_floor(self) -> float | None:
        """The median over the floor's median; for figures of which more is better, the floor's over the figure's."""
        if not self.floor:
            return None
        above, below = self.median, statistics.median(self.floor)
        if self.better is Better.MORE:
            above, below = below, above
        return above / below if below else None

    @property
    def verdict(self) -> Verdict:
        """Of the median against the aim; NOT_MEASURED where the figure has no aim."""
        if self.aim is None:
            return Verdict.NOT_MEASURED
        aim = AIMS[self.aim]
        return Verdict.MET if holds(self.median, aim.limit, aim) else Verdict.MISSED

    @property
    def is_close(self) -> bool:
        """The rounds lie on both sides of the aim: what the median says is not certain."""
        if self.aim is None:
            return False
        aim = AIMS[self.aim]
        return len({holds(value, aim.limit, aim) for value in self.values}) > 1

    def to_json(self) -> dict[str, Any]:
        """As `from_json` takes it."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """A figure again.

        Raises:
            ValueError: what a figure refuses.
            TypeError: a field is unknown or missing.
        """
        given = dict(found)
        given["values"], given["floor"] = tuple(given["values"]), tuple(given.get("floor", ()))
        given["better"] = Better(given.get("better", Better.LESS))
        return cls(**given)


def holds(value: float, limit: float, aim: Aim) -> bool:
    """Whether a value keeps a limit of an aim; at the limit it does."""
    return value <= limit if aim.better is Better.LESS else value >= limit


@dataclass(frozen=True)
class Outcome:
    """A bench that was run: its figures and the conditions, or the last words of one that failed."""

    bench: str
    figures: tuple[Figure, ...] = ()
    conditions: Conditions | None = None
    failed: str = ""  # empty: it did not
    seconds: float = 0.0
    arguments: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """As `from_json` takes it."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """An outcome again."""
        given = dict(found)
        given["figures"] = tuple(Figure.from_json(one) for one in given["figures"])
        given["arguments"] = tuple(given.get("arguments", ()))
        if given.get("conditions") is not None:
            given["conditions"] = Conditions(**given["conditions"])
        return cls(**given)


def options(about: str | None) -> argparse.ArgumentParser:
    """The options that all benches have; a bench adds its own."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds", type=whole(1, ROUNDS_MAX, "rounds"), default=ROUNDS, help="how often each figure is measured"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs: no figures to quote")
    parser.add_argument("--json", type=file, metavar="FILE", help="write the figures there")
    return parser


def run(
    bench: str,
    measure: Callable[[argparse.Namespace], Sequence[Figure]],
    parser: argparse.ArgumentParser,
    versions: Callable[[], Mapping[str, str]] = dict,
) -> NoReturn:
    """A bench's main: measure, write, print. `versions` are more versions than `conditions` finds by itself.

    Small sizes (--quick) are held against no aim. The exit code is 1 without any figure.
    """
    chosen = parser.parse_args()
    endings.program(lambda: _measured(bench, measure, chosen, versions))


def _measured(
    bench: str,
    measure: Callable[[argparse.Namespace], Sequence[Figure]],
    chosen: argparse.Namespace,
    versions: Callable[[], Mapping[str, str]],
) -> int:
    before, began = at_start(), time.monotonic()
    if before.is_busy:
        sys.stderr.write(f"{before.busy_words}\n")
    figures = tuple(measure(chosen))
    if chosen.quick:
        figures = tuple(replace(figure, aim=None) for figure in figures)
    seconds = round(time.monotonic() - began, 1)
    outcome = Outcome(bench, figures, at_end(before, versions()), "", seconds, said(sys.argv[1:]))
    try:
        if chosen.json is not None and figures:
            write(chosen.json, outcome)
    finally:  # figures that no file takes are told at least
        sys.stdout.write("".join(f"{line(figure)}\n" for figure in figures))
        sys.stdout.write(f"{len(figures)} figures in {seconds:,.0f} s\n")
    return 0 if figures else 1


def said(words: Sequence[str]) -> tuple[str, ...]:
    """A bench's options but for the file, whose place means nothing to others."""
    at = [number for number, word in enumerate(words) if word == "--json"]
    return tuple(word for number, word in enumerate(words) if number not in at and number - 1 not in at)


def write(path: Path, outcome: Outcome) -> None:
    """An outcome as JSON.

    Raises:
        Unwritable: the file is as it was.
    """
    files.put(path, json.dumps(outcome.to_json(), indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> Outcome:
    """What `write` wrote."""
    return Outcome.from_json(json.loads(path.read_text(encoding="utf-8")))


def line(figure: Figure) -> str:
    """A figure for a terminal."""
    least, most = figure.range
    words = [f"{figure.group}: {figure.name}: {number(figure.median)} {figure.unit}"]
    rounds = len(figure.values)
    words.append("(one round)" if rounds == 1 else f"({number(least)} to {number(most)}, {rounds} rounds)")
    if figure.to_floor is not None:
        words.append(
            f"floor {number(statistics.median(figure.floor))} ({figure.floor_of}), {figure.to_floor:.2f} times"
        )
    if figure.aim is not None:
        words.append(f"aim {number(AIMS[figure.aim].limit)}: {figure.verdict}{', close' if figure.is_close else ''}")
    return " ".join(words)


def number(value: float) -> str:
    """As many digits as mean something: three, or all before the point."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"
