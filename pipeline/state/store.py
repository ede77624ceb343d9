"""The store of one partition: the chain so far, the positions, and the core's state; state = fold(journal).

In:   journal records in the order of their offsets.  Out: the state after the last valid one.
Live: the record that was just decided is passed along and not decoded again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.core.record import NotARecord, Record, UnknownFormat, decode, read_link
from pipeline.failpoints import Failpoint, reached
from pipeline.journal.chain import FIRST, extends
from pipeline.journal.ports import Described, Entry
from pipeline.refusal import Refused, WrongSetting
from pipeline.state.core import Folds

if TYPE_CHECKING:
    from pipeline.state.snapshots import Header

log = logging.getLogger(__name__)


class Mark(NamedTuple):
    """How far a store has come: the last valid record (FIRST and offset -1: none), and the next offset to read."""

    last_id: int
    last_offset: int
    next_offset: int


START = Mark(FIRST, -1, 0)


class PartitionStore:
    """See the module. By unprefixed topic: `positions`, the next offset to read, and `topics`, the ids that were read.

    `partitions` is the number that the journal began with; 0: no record says it. Told by who brings it up to the
    journal: `found`, the broker's topics, and `began`, what the records to come say of `partitions`.
    """

    def __init__(self, partition: int, core: Folds) -> None:
        self.partition = partition
        self.state: Any = core.empty()
        self.positions: dict[str, int] = {}
        self.topics: dict[str, str] = {}
        self.partitions = 0
        self.events = 0  # read by the records applied since this store was made or snapshotted
        self.mark = START
        self._core = core
        self.found: Mapping[str, Described] = {}
        self.began = 0

    @classmethod
    def restored(cls, core: Folds, state: Any, header: Header) -> PartitionStore:
        """A store from a snapshot."""
        store = cls(header.partition, core)
        store.state, store.mark = state, header.mark
        store.positions, store.topics = dict(header.positions), dict(header.topics)
        store.partitions = header.partitions
        return store

    @property
    def last_id(self) -> int:
        """Id of the last valid record."""
        return self.mark.last_id

    @property
    def next_offset(self) -> int:
        """The journal's next offset."""
        return self.mark.next_offset

    def signed(self, record: Record) -> Record:
        """A record that was decided here, with what only the journal's writer knows of its topics."""
        new = sorted({source.topic for source in record.sources} - self.topics.keys())
        ids = {topic: self.found[topic].id for topic in new if topic in self.found and self.found[topic].id}
        return replace(record, topics=ids, partitions=self.began)

    def accept(self, value: bytes | None, offset: int, record: Record | None = None) -> bool:
        """Apply the record at the next offset; False: it is not of the chain, and ignored.

        Raises:
            Refused: it cannot be read, or its positions do not continue.
            WrongSetting: another hash seed decided it.
        """
        if offset != self.next_offset:
            raise Refused(
                f"journal, partition {self.partition}: offset {offset} follows {self.next_offset - 1}. Records are "
                "missing: the journal must be neither compacted nor written in transactions; see `tally journal verify`"
            )
        try:
            link = read_link(value or b"")
            if not extends(link, self.last_id):
                self.mark = self.mark._replace(next_offset=offset + 1)
                return False
            record = record or decode(value or b"")[1]
        except NotARecord as error:
            log.warning(
                "journal, partition %s, offset %s: %s: ignored. Something else writes to this topic: stop it",
                self.partition,
                offset,
                error,
            )
            self.mark = self.mark._replace(next_offset=offset + 1)
            return False
        except (UnknownFormat, EOFError) as error:
            raise Refused(f"journal, partition {self.partition}, offset {offset}: {error}") from error
        self._check(record, offset)
        self._core.apply(self.state, record)
        self.positions.update({source.topic: source.next for source in record.sources})
        self.topics.update(record.topics)
        self.partitions = record.partitions or self.partitions
        self.events += record.read
        self.mark = Mark(link.id, offset, offset + 1)
        return True

    def accept_all(self, entries: list[Entry]) -> int:
        """Apply entries in order; returns how many were of the chain."""
        valid = 0
        for entry in entries:
            valid += self.accept(entry.value, entry.offset)
            reached(Failpoint.MID_FOLD)
        return valid

    def _check(self, record: Record, offset: int) -> None:
        if record.rules.seed_fingerprint != self._core.rules.seed_fingerprint:
            raise WrongSetting(
                f"journal, partition {self.partition}, offset {offset}: decided with another hash seed. "
                "TALLY_HASH_SEED must be the same for all workers of a deployment, for ever: set it to the former one"
            )
        positions = dict(self.positions)
        for source in record.sources:
            expected = positions.get(source.topic, source.first)
            if source.first != expected:
                raise Refused(
                    f"journal, partition {self.partition}, offset {offset}: {source.topic} goes on at "
                    f"{source.first}, not at {expected}. See `tally journal verify`"
                )
            positions[source.topic] = source.next
