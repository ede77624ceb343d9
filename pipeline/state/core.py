"""The port to the core: what transport, journal and state need of it, and nothing of what it decides."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy.typing as npt

from pipeline.core.accounts import Accounts
from pipeline.core.batch import Slab
from pipeline.core.record import Record, Rules

Columns = dict[str, npt.NDArray[Any]]


class Folds(Protocol):
    """What makes a state of one partition, which is opaque here, out of journal records."""

    @property
    def rules(self) -> Rules:
        """The rules that decide now."""

    def empty(self) -> Any:
        """The state before the first record."""

    def apply(self, state: Any, record: Record) -> None:
        """The only thing that changes a state."""


class Size(NamedTuple):
    """How much a state remembers: entries by kind, and the bytes of its columns."""

    entries: dict[str, int]
    columns_bytes: int


class Frozen(Protocol):
    """A state's arrays as of one instant, though the state goes on."""

    def copied(self) -> Columns:
        """Copies of them, once; in any thread, while the state changes in its own."""


class Core(Folds, Protocol):
    """Pure functions over the state of one partition."""

    @property
    def schema_id(self) -> int:
        """The schema id in a journal record's frame."""

    def cut(self, state: Any, slabs: list[Slab]) -> list[list[Slab]]:
        """A batch in parts that can be decided, each after the one before was applied."""

    def decide(self, state: Any, slabs: list[Slab]) -> Record:
        """What becomes of a part; touches nothing."""

    def refuse(self, state: Any, slabs: list[Slab], why: str) -> Record:
        """What becomes of a part of which nothing shall be accepted, for a reason in words; touches nothing."""

    def accounts(self, state: Any) -> Accounts:
        """The state's own cycles and plans: to be read, between two changes of the state."""

    def size(self, state: Any) -> Size:
        """How much the state remembers; cheap."""

    def freeze(self, state: Any) -> Frozen:
        """The state as it is now; cheap. One is copied before the next is asked for."""

    def from_columns(self, columns: Columns) -> Any:
        """The state of such arrays, which it may keep.

        Raises:
            ValueError, KeyError: these are not a state's columns.
        """
