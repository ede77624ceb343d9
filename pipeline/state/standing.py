"""Which partitions a worker that starts now would refuse, and why, in its own words. Changes nothing.

In:   the journal, the broker's topics, the snapshots of this machine.  Out: refusals by partition number.
Time: a monotonic deadline; what was not read by then is read on at the next look.
The checks are a worker's own (`store`, `truth`, `positions`); no state is made, so a look costs what reading does.
Not seen: what a worker meets in the events themselves, as a hole in a topic's offsets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from pipeline.core.record import NotARecord, Record, Rules, UnknownFormat, decode
from pipeline.journal.beginning import began_with
from pipeline.journal.ports import Bounds, Described, Describes, Entry, Place, Reads, Session
from pipeline.refusal import Refused
from pipeline.state.partitions import holds
from pipeline.state.positions import Lost, resume
from pipeline.state.snapshots import Doubtful, Snapshots, read_header
from pipeline.state.store import PartitionStore
from pipeline.state.truth import require_partitions, require_same, require_topics
from pipeline.topics import ALL_TOPICS, JOURNAL, SOURCE_TOPICS, physical

READERS_MAX = 4  # at once: each holds a fetch of the largest journal records


class Standing:
    """See the module. What was read of a journal is not read again by the next look."""

    def __init__(self, prefix: str, kafka: tuple[Reads, Describes], folder: Path) -> None:
        """`folder` has the snapshots of this machine's workers, a folder for each partition."""
        self._prefix, self._folder = prefix, folder
        self._reads, self._describes = kafka
        self._fold = _Stateless()
        self._stores: dict[int, PartitionStore] = {}
        self._lost: dict[int, Lost] = {}
        self.unread: set[int] = set()  # partitions whose journal was not read to its end by the deadline

    async def refused(self, deadline: float) -> dict[int, str]:
        """Why each partition that is refused is refused; nothing where there is no topic yet.

        Raises:
            KafkaError, OSError, TimeoutError: the broker does not answer.
        """
        found = await self._described()
        numbers = range(max((said.partitions for said in found.values()), default=0))
        self.unread.clear()
        try:
            if found:
                require_topics(ALL_TOPICS, found)
        except Refused as error:
            return dict.fromkeys(numbers, str(error))
        if not found:
            return {}
        async with self._reads.session() as session:
            journals = [self._place(JOURNAL, number) for number in range(found[JOURNAL].partitions)]
            began = await began_with(session, journals) or found[JOURNAL].partitions
        shares = [numbers[share::READERS_MAX] for share in range(READERS_MAX)]
        told = await asyncio.gather(*(self._share(share, began, found, deadline) for share in shares if share))
        return {number: why for share in told for number, why in share.items()}

    async def _share(
        self, numbers: Collection[int], began: int, found: dict[str, Described], deadline: float
    ) -> dict[int, str]:
        """Some partitions, one after the other."""
        refused = {}
        async with self._reads.session() as session:
            for number in numbers:
                try:
                    require_partitions(number, began, found)
                    await self._require(session, number, found, deadline)
                except Refused as error:
                    refused[number] = str(error)
        return refused

    async def _require(self, session: Session, number: int, found: dict[str, Described], deadline: float) -> None:
        """Return when a worker would read the partition.

        Raises:
            Refused
        """
        place = self._place(JOURNAL, number)
        bounds = (await session.bounds([place]))[place]
        store = self._stores.get(number)
        if store is None or not await holds(session, place, bounds, store.mark):
            store = self._stores[number] = await self._begun(session, place, bounds)
        async for entries in session.read(place, store.next_offset, bounds.next):
            for entry in entries:
                _take(store, self._fold, entry)
            if monotonic() > deadline:
                break
        require_same(store.topics, store.positions, found)
        if store.next_offset < bounds.next:
            self.unread.add(number)
            return
        sources = {topic: self._place(topic, number) for topic in SOURCE_TOPICS}
        held = await session.bounds(list(sources.values()))
        of_topics = {topic: held[source] for topic, source in sources.items()}
        resume(number, SOURCE_TOPICS, store.positions, of_topics, self._lost.get(number))

    async def _begun(self, session: Session, place: Place, bounds: Bounds) -> PartitionStore:
        """What the newest snapshot says that the journal holds; else nothing, before the journal's first record."""
        snapshots = Snapshots(self._folder / str(place.partition))
        self._lost.pop(place.partition, None)
        for path in snapshots.newest_first():
            with suppress(Doubtful, ValueError, KeyError):
                header = read_header(path)
                if await holds(session, place, bounds, header.mark):
                    return PartitionStore.restored(self._fold, None, header)
                self._lost.setdefault(place.partition, Lost(header.mark.next_offset, f"the snapshot {path}"))
        if bounds.first > 0:
            raise Refused(
                f"{place.topic} begins at offset {bounds.first}: its beginning is gone, and of what was before there "
                f"is no snapshot in {snapshots.folder}. A worker without one refuses the partition, for a state without"
                " its beginning would count copies again; nothing is skipped. Restore the topic or a snapshot; "
                "`tally topics plan` shows a retention that is not -1"
            )
        return PartitionStore(place.partition, self._fold)

    async def _described(self) -> dict[str, Described]:
        """The topics that there are, by unprefixed name."""
        names = {physical(self._prefix, topic): topic for topic in ALL_TOPICS}
        return {names[name]: said for name, said in (await self._describes.describe(names)).items()}

    def _place(self, topic: str, partition: int) -> Place:
        return Place(physical(self._prefix, topic), partition)


class _Stateless:
    """A fold without a state, under whatever rules a record was decided: what a store itself keeps is enough."""

    def __init__(self) -> None:
        self.rules = Rules(0, 0, 0, 0, 0, 0)

    def empty(self) -> None:
        """No state."""

    def apply(self, state: Any, record: Record) -> None:
        """Changes nothing."""


def _take(store: PartitionStore, fold: _Stateless, entry: Entry) -> None:
    """As a worker does, but for the hash seed: it is not this look's.

    Raises:
        Refused
    """
    record = None
    with suppress(NotARecord, UnknownFormat, EOFError):  # `accept` has the words for them
        record = decode(entry.value or b"")[1]
        fold.rules = record.rules
    store.accept(entry.value, entry.offset, record)
