"""What was measured, from figures.toml: the only numbers of the calculator that are not the user's own.

The file is written by `python -m tests.bench --capacity-figures` from the benches' kept results, and says for each
figure which bench found it, when, at which commit and on which machine.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("figures.toml")


class NotMeasured(LookupError):
    """A figure that is needed has not been measured; the message says which bench measures it."""


@dataclass(frozen=True)
class Measured:
    """One figure. `source`: the bench and its row; or the page, for what is a bound of the code.

    `rate` and `partitions`: the load at which it was measured, events a second over so many partition numbers.
    """

    value: float
    unit: str
    what: str
    source: str
    date: str = ""
    commit: str = ""
    machine: str = ""
    rate: float = 0.0
    partitions: int = 0


@dataclass(frozen=True)
class Figures:
    """All figures by their names."""

    by_name: Mapping[str, Measured]

    def of(self, name: str) -> float:
        """A figure's value.

        Raises:
            NotMeasured: the file has none of that name.
        """
        if name not in self.by_name:
            raise NotMeasured(f"{name} has not been measured: `make bench`, then `make bench ARGS=--capacity-figures`")
        return self.by_name[name].value

    def family(self, name: str) -> list[Measured]:
        """The figures whose names begin with one, such as `worker_cores`, which was measured at several loads.

        Raises:
            NotMeasured: the file has none.
        """
        found = [one for known, one in self.by_name.items() if known.startswith(f"{name}_")]
        if not found:
            raise NotMeasured(f"{name} has not been measured: `make bench`, then `make bench ARGS=--capacity-figures`")
        return found

    def measured(self, name: str) -> bool:
        """Whether there is one of that name."""
        return name in self.by_name


def load(path: Path = FILE) -> Figures:
    """The figures of a file.

    Raises:
        TypeError: an entry has an unknown field or lacks one.
        ValueError: a value is not above zero.
    """
    found = {name: Measured(**entry) for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items()}
    for name, one in found.items():
        if not one.value > 0:
            raise ValueError(f"{path.name}: {name} is {one.value} {one.unit}; a figure is above zero")
    return Figures(found)
