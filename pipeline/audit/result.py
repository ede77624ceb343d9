"""What an audit found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.audit.comparison import Difference, Kind
from pipeline.audit.trace import Row, Traced


class Part(NamedTuple):
    """How far a partition was audited: journal records before `offset`; `behind` records were not in ClickHouse yet."""

    partition: int
    offset: int
    behind: int
    events: int
    accounts: int


@dataclass(slots=True)
class Audit:
    """`numbers` by kind: those that at least two computations say. `whole`: all accounts, and the partitions' fates."""

    parts: list[Part] = field(default_factory=list)
    numbers: Counter[Kind] = field(default_factory=Counter)
    accounts: set[str] = field(default_factory=set)
    days: set[str] = field(default_factory=set)
    differences: list[Difference] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)  # raw rows that are not what the journal says
    rows_left_off: int = 0  # rows and records beyond those that are told
    records_left_off: int = 0
    looked_again: int = 0  # numbers that differed at the first look
    not_recounted: int = 0  # campaigns whose uniques the recount cannot know
    seconds: float = 0.0
    whole: bool = True

    def take(self, traced: Traced) -> None:
        """The rows of one more partition."""
        self.rows += traced.rows
        self.rows_left_off += traced.rows_left_off
        self.records_left_off += traced.records_left_off

    @property
    def drift(self) -> dict[Kind, int]:
        """Numbers that differ, by kind; every kind is there that was compared."""
        found = Counter(difference.kind for difference in self.differences)
        return {kind: found[kind] for kind in Kind if self.whole or kind is not Kind.CONSERVATION}
