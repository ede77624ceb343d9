"""The ports to a journal: sessions that read, and appends. Kafka's and the in-memory twin pass one contract suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol


class Place(NamedTuple):
    """A topic partition, by its name in Kafka."""

    topic: str
    partition: int


class Bounds(NamedTuple):
    """The offsets that a topic partition holds: `[first, next)`."""

    first: int
    next: int


class Entry(NamedTuple):
    """A record as it lies in the journal; a value is None where somebody wrote a record without one."""

    offset: int
    value: bytes | None


class Described(NamedTuple):
    """A topic as the broker has it. One of the same name that is made later has another id; "": the broker has none."""

    id: str
    partitions: int


class AppendUnknown(Exception):
    """An append was not acknowledged: its record may be in the journal or not. Fold, and go on from what it says."""


class Session(Protocol):
    """What can be asked while a reader is open."""

    async def bounds(self, places: Collection[Place]) -> dict[Place, Bounds]:
        """The offsets that topic partitions hold now."""

    def read(self, place: Place, offset: int, end: int) -> AsyncIterator[list[Entry]]:
        """The entries of `[offset, end)` in order, some at a time.

        Raises:
            TimeoutError: they do not come.
        """


class Reads(Protocol):
    """Opens a journal for reading."""

    def session(self) -> AbstractAsyncContextManager[Session]:
        """A session; closed at the end of its block."""


class Describes(Protocol):
    """Describes topics."""

    async def describe(self, topics: Collection[str]) -> dict[str, Described]:
        """Those of the topics that there are, by their names in Kafka."""


class Appends(Protocol):
    """Appends to a journal."""

    async def append(self, place: Place, value: bytes) -> int:
        """The offset at which the record lies.

        Raises:
            AppendUnknown: not acknowledged.
        """
