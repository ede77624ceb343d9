"""The comparison: what several independent computations say of the same numbers, and where they do not agree. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pipeline.audit.sums import Key, Numbers


class Kind(StrEnum):
    """What is compared; a label of `tally_drift`."""

    ENGAGEMENT = "engagement"
    ALLOWANCE = "allowance"
    BURN = "burn"
    ALERTS = "alerts"
    PERSONS = "persons"
    PROFILES = "profiles"
    CONSERVATION = "conservation"
    PARTITIONS = "partitions"


COORDINATES: Mapping[Kind, tuple[str, ...]] = {
    Kind.ENGAGEMENT: ("account", "campaign", "channel", "day"),
    Kind.ALLOWANCE: ("account", "cycle"),
    Kind.BURN: ("account", "cycle", "campaign", "channel", "type"),
    Kind.ALERTS: ("account", "cycle", "kind", "threshold"),
    Kind.PERSONS: ("account", "profile"),
    Kind.PROFILES: ("account",),
    Kind.CONSERVATION: ("topic", "partition"),
    Kind.PARTITIONS: ("account",),
}


def _always(key: Key, column: str) -> bool:
    return True


class Side(NamedTuple):
    """One computation: its numbers by key. A key that it lacks is zeros, a column that `says` refuses is unknown."""

    name: str
    columns: Sequence[str]
    rows: Mapping[Key, Numbers]
    says: Callable[[Key, str], bool] = _always

    def number(self, key: Key, column: str) -> int | None:
        """What it says; None where it says nothing."""
        if column not in self.columns or not self.says(key, column):
            return None
        row = self.rows.get(key)
        return 0 if row is None else row.get(column, 0)


class Difference(NamedTuple):
    """One number on which the computations do not agree. `values` by computation, in their order; None: says nothing.

    `offset`: all are as of the journal records before it.
    """

    kind: Kind
    key: Key
    counter: str
    partition: int
    offset: int
    values: Mapping[str, int | str | None]

    @property
    def place(self) -> tuple[Kind, Key, str]:
        """Which number it is."""
        return self.kind, self.key, self.counter


@dataclass(slots=True)
class Found:
    """What a comparison found: how many numbers it compared, and the differences in the order of their keys."""

    numbers: int
    differences: list[Difference]


def compare(kind: Kind, sides: Sequence[Side], partition: int, offset: int) -> Found:
    """Every number that at least two sides say."""
    columns = list(dict.fromkeys(column for side in sides for column in side.columns))
    found = Found(0, [])
    for key in sorted({key for side in sides for key in side.rows}):
        for column in columns:
            values = {side.name: side.number(key, column) for side in sides}
            said = [value for value in values.values() if value is not None]
            if len(said) < 2:
                continue
            found.numbers += 1
            if len(set(said)) > 1:
                found.differences.append(Difference(kind, key, column, partition, offset, values))
    return found


def odd_ones(values: Mapping[str, int | str | None]) -> list[str]:
    """The computations that stand against the most common value; empty where there is none that is most common."""
    said = [(name, value) for name, value in values.items() if value is not None]
    count = {value: sum(other == value for _, other in said) for _, value in said}
    most = max(count.values(), default=0)
    common = [value for value, times in count.items() if times == most]
    return [] if len(common) != 1 else [name for name, value in said if value != common[0]]


def still(before: Collection[Difference], now: Sequence[Difference]) -> list[Difference]:
    """The differences of the second look on the numbers that differed at the first one too."""
    places = {difference.place for difference in before}
    return [difference for difference in now if difference.place in places]
