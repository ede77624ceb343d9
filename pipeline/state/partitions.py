"""A worker's partitions: brings a store up to its journal and says where reading goes on.

A state that the journal does not hold any more (lost, truncated or replaced) is dropped, and what is there is folded:
from the newest snapshot whose last record is still in the journal, else from the beginning; refused where that is gone.
The broker's topics must be the ones that the journal was decided from: see `truth`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path
from time import monotonic
from typing import Any

from pipeline import metrics
from pipeline.core.record import NotARecord, UnknownFormat, read_link
from pipeline.journal.beginning import began_with
from pipeline.journal.ports import Bounds, Described, Describes, Place, Reads, Session
from pipeline.refusal import Refused, WrongSetting
from pipeline.state.core import Core
from pipeline.state.keeper import Keeper
from pipeline.state.positions import Lost, resume
from pipeline.state.snapshots import Doubtful, read_columns, read_header
from pipeline.state.store import START, Mark, PartitionStore
from pipeline.state.threads import WorkThread
from pipeline.state.truth import moved, require_partitions, require_same, require_topics
from pipeline.topics import ALL_TOPICS, JOURNAL, SOURCE_TOPICS, physical

log = logging.getLogger(__name__)

FOLDS_MAX = 4  # at once: each holds a fetch of the largest journal records
PROGRESS_SECONDS = 5.0  # between two lines of progress: one fold of a state of 10M identities has two or three


class Partitions:
    """See the module. Everything that touches a state runs in `work`."""

    def __init__(
        self, prefix: str, core: Core, kafka: tuple[Reads, Describes], keeper: Keeper, work: WorkThread
    ) -> None:
        self._prefix, self._core, self._keeper, self._work = prefix, core, keeper, work
        self._reads, self._describes = kafka
        self._stores: dict[int, PartitionStore] = {}
        self._told = ""  # of partition numbers that no worker is given
        self._lost: dict[int, Lost] = {}
        self._unheld: dict[int, list[Path]] = {}  # snapshots whose last record the journal does not hold
        self._folds = asyncio.Semaphore(FOLDS_MAX)

    def __getitem__(self, partition: int) -> PartitionStore:
        return self._stores[partition]

    def get(self, partition: int) -> PartitionStore | None:
        """The store of a partition; None while it is another worker's, or not folded for the first time."""
        return self._stores.get(partition)

    def keep(self, partitions: Collection[int]) -> None:
        """Forget the states of all other partitions: another worker has them."""
        self._stores = {p: store for p, store in self._stores.items() if p in partitions}

    def journal(self, partition: int) -> Place:
        """The journal's partition, by its name in Kafka."""
        return self._place(JOURNAL, partition)

    def _place(self, topic: str, partition: int) -> Place:
        return Place(physical(self._prefix, topic), partition)

    async def recover(self, partition: int, topics: frozenset[str]) -> dict[str, int]:
        """Fold the journal's tail; returns where to read each topic on.

        Raises:
            Refused, WrongSetting: see there.
            ConnectionError: the broker does not describe its topics.
        """
        async with self._folds, self._reads.session() as session:
            found = await self._described()
            require_topics(ALL_TOPICS, found)
            if partition < found[JOURNAL].partitions:
                await self._folded(session, partition)
            store = self._stores.get(partition)
            began = await self._require_partitions(session, partition, found)
            assert store is not None, "a partition that the journal has not was refused"
            require_same(store.topics, store.positions, found)
            sources = {topic: self._place(topic, partition) for topic in topics}
            bounds = await session.bounds(list(sources.values()))
        held = {topic: bounds[place] for topic, place in sources.items()}
        positions = resume(partition, topics, store.positions, held, self._lost.get(partition))
        self._forget(partition)
        store.found, store.began = found, began
        self._tell_unassigned(began, found)
        return positions

    async def require_partitions(self, partition: int) -> None:
        """Return when this partition number holds no other accounts than when the journal began.

        Raises:
            Refused: partitions were added.
        """
        async with self._reads.session() as session:
            found = await self._described()
            require_topics(ALL_TOPICS, found)
            await self._require_partitions(session, partition, found)

    async def changed(self) -> set[int]:
        """Partitions whose topics are not the ones any more that they were recovered with."""
        found = await self._described()
        return {number for number, store in self._stores.items() if store.found != found}

    async def _described(self) -> dict[str, Described]:
        """The topics that there are, by unprefixed name."""
        names = {physical(self._prefix, topic): topic for topic in ALL_TOPICS}
        return {names[name]: said for name, said in (await self._describes.describe(names)).items()}

    async def _require_partitions(self, session: Session, partition: int, found: dict[str, Described]) -> int:
        """The number of partitions that the journal began with, by this partition or else by another one's journal."""
        store = self._stores.get(partition)
        began = store.partitions if store is not None else 0
        count = found[JOURNAL].partitions
        began = began or await began_with(session, [self.journal(number) for number in range(count)]) or count
        require_partitions(partition, began, found)
        return began

    async def _folded(self, session: Session, partition: int) -> PartitionStore:
        place = self.journal(partition)
        bounds = (await session.bounds([place]))[place]
        store = self._stores.pop(partition, None)
        if store is not None and not await holds(session, place, bounds, store.mark):
            log.error("partition %s: the journal lost, truncated or replaced its record at offset %s: the state is "
                      "dropped and folded from what is there", partition, store.mark.last_offset)  # fmt: skip
            self._lost[partition] = Lost(store.mark.next_offset, "this worker's state")
            store = None
        if store is None:
            store = await self._restored(session, place, bounds)
        await self._fold(session, place, bounds, store)
        self._stores[partition] = store
        return store

    async def _restored(self, session: Session, place: Place, bounds: Bounds) -> PartitionStore:
        snapshots, unheld = self._keeper.snapshots(place.partition), self._unheld.setdefault(place.partition, [])
        unheld.clear()
        self._keeper.clear()
        for path in snapshots.newest_first():
            try:
                header = read_header(path)
                if not await holds(session, place, bounds, header.mark):
                    unheld.append(path)  # a witness of what the journal was, until it is sure that nothing is skipped
                    self._lost.setdefault(place.partition, Lost(header.mark.next_offset, f"the snapshot {path}"))
                    continue
                self._check_seed(path.name, header.rules.seed_fingerprint)
                if header.rules != self._core.rules:
                    raise Doubtful(f"{path.name}: decided under other rules")
                state = await self._work.run(self._load, path)
            except (Doubtful, ValueError, KeyError) as error:
                log.warning("partition %s: a snapshot is deleted: %s", place.partition, error)
                snapshots.delete(path)
                continue
            metrics.SNAPSHOT_TIMESTAMP_SECONDS.labels(place.partition).set(path.stat().st_mtime)
            log.info("partition %s: snapshot up to journal offset %s", place.partition, header.mark.last_offset)
            return PartitionStore.restored(self._core, state, header)
        if bounds.first > 0:
            raise Refused(
                f"{place.topic} begins at offset {bounds.first}, and no snapshot covers what was before: its beginning "
                "is gone, and a state without it would count copies again. Nothing was skipped: the events wait in "
                "their topics. Restore the topic or a snapshot; `tally topics plan` shows a retention that is not -1"
            )
        return PartitionStore(place.partition, self._core)

    def _tell_unassigned(self, began: int, found: dict[str, Described]) -> None:
        """Partition numbers that only some topics have are given to no worker: nobody else would tell of them."""
        counts = [found[topic].partitions for topic in SOURCE_TOPICS]
        number = min(counts)
        told = f"partition {number} is not read: {moved(number, began, found)}" if number < max(counts) else ""
        if told and told != self._told:
            log.error("%s", told)
        self._told = told

    def _forget(self, partition: int) -> None:
        """What a lost journal left behind is of no use any more."""
        self._lost.pop(partition, None)
        for path in self._unheld.pop(partition, []):
            log.warning(
                "partition %s: a snapshot is deleted: the journal does not hold the last record of %s", partition, path
            )
            self._keeper.snapshots(partition).delete(path)

    def _load(self, path: Path) -> Any:
        return self._core.from_columns(read_columns(path))

    def _check_seed(self, name: str, fingerprint: int) -> None:
        if fingerprint != self._core.rules.seed_fingerprint:
            raise WrongSetting(
                f"snapshot {name} was made with another hash seed. TALLY_HASH_SEED must be the same for all workers "
                "of a deployment, for ever: set it to the former one"
            )

    async def _fold(self, session: Session, place: Place, bounds: Bounds, store: PartitionStore) -> None:
        folded, wanted, began = 0, max(0, bounds.next - store.next_offset), monotonic()
        told = began
        metrics.RECOVERY_RECORDS.labels(place.partition).set(wanted)
        metrics.RECOVERY_FOLDED_RECORDS.labels(place.partition).set(0)
        async for entries in session.read(place, store.next_offset, bounds.next):
            valid = await self._work.run(store.accept_all, entries)
            metrics.JOURNAL_FOLDED_RECORDS.inc(valid)
            metrics.JOURNAL_IGNORED_RECORDS.inc(len(entries) - valid)
            folded += len(entries)
            metrics.RECOVERY_FOLDED_RECORDS.labels(place.partition).set(folded)
            if (now := monotonic()) - told >= PROGRESS_SECONDS:
                told, left_s = now, (now - began) / folded * (wanted - folded)
                log.info("partition %s: folded %s of %s journal records in %.0f s, about %.0f s left",
                         place.partition, folded, wanted, now - began, left_s)  # fmt: skip


async def holds(session: Session, place: Place, bounds: Bounds, mark: Mark) -> bool:
    """Whether the journal still holds what a state was folded from: its last valid record, by id."""
    if mark.next_offset > bounds.next:
        return False
    if mark.last_offset == START.last_offset:
        return bounds.first == 0
    if mark.last_offset < bounds.first:
        return False
    last = session.read(place, mark.last_offset, mark.last_offset + 1)
    ids = [_id(entry.value) async for entries in last for entry in entries]
    return ids == [mark.last_id]


def _id(value: bytes | None) -> int | None:
    try:
        return read_link(value or b"").id
    except (NotARecord, UnknownFormat):
        return None
