"""The journal of one partition, folded once, up to one offset after another."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection
from typing import Any

from connectors.clickhouse.ranges import NOWHERE, Position
from connectors.clickhouse.views import ALERTS, ALLOWANCE, BURN, CONSERVATION, ENGAGEMENT, OFFSETS, PERSONS, ROLLUP
from pipeline.audit.comparison import Kind, Side
from pipeline.audit.faults import AuditFailed
from pipeline.audit.folded import UNIQUES, Absolutes, Moved, first_day, uniques
from pipeline.audit.sums import Key, Sums
from pipeline.context import rules_in_force
from pipeline.core import fold
from pipeline.core.record import Damaged, Record
from pipeline.core.state import State
from pipeline.journal.ports import Place, Session
from pipeline.refusal import Refused
from pipeline.settings import Settings
from pipeline.state.store import PartitionStore
from pipeline.topics import JOURNAL, physical

JOURNAL_ROWS, STATE = "journal", "state"


class Fold:
    """The chain rule, the state and the sums of one partition. It goes forward only."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self.partition = partition
        self._seed = settings.seed()
        self.rules = rules_in_force(settings)
        self.place = Place(physical(settings.topics.prefix, JOURNAL), partition)
        self._sums, self._absolutes, self._moved = Sums(partition), Absolutes(), Moved(self._seed)
        self._store = PartitionStore(partition, self)
        self.records = array("q")  # offsets of the valid ones

    @property
    def offset(self) -> int:
        """The next offset to read."""
        return self._store.next_offset

    @property
    def events(self) -> int:
        """Events that the records so far have read."""
        return self._sums.events

    @property
    def accounts(self) -> set[str]:
        """Accounts that the records so far have named."""
        return self._sums.named()

    async def advance(self, session: Session, position: Position, tell: Callable[[int], None]) -> None:
        """Fold up to a position of the sinks; `tell` is called with the next offset.

        Raises:
            AuditFailed: the journal is not the one that the sinks inserted from, or is not whole.
            WrongSetting: another hash seed.
        """
        bounds = (await session.bounds([self.place]))[self.place]
        if bounds.first > 0:
            raise AuditFailed(
                f"journal partition {self.partition} begins at offset {bounds.first}: its beginning is gone, so there"
                " is no total to compare with"
            )
        if not self.offset <= position.offset <= bounds.next:
            raise AuditFailed(
                f"journal partition {self.partition} ends at offset {bounds.next}; the sinks are at {position.offset}:"
                " it was truncated, or the sinks' group was set back. See `tally journal verify`"
            )
        try:
            async for entries in session.read(self.place, self.offset, position.offset):
                self._store.accept_all(entries)
                tell(self.offset)
        except Refused as error:
            raise AuditFailed(str(error)) from error
        self._check(position)

    async def behind(self, session: Session) -> int:
        """How many records the journal has behind where this fold stands."""
        return (await session.bounds([self.place]))[self.place].next - self.offset

    def sides(self, kind: Kind, accounts: Collection[str]) -> list[Side]:
        """What the journal's rows and the folded state say."""
        state, sums = self._store.state, self._sums
        match kind:
            case Kind.ENGAGEMENT:
                first = first_day(state, self.rules)
                known = uniques(state, self.rules, accounts)
                return [
                    Side(JOURNAL_ROWS, ENGAGEMENT, sums.engagement(accounts)),
                    Side(STATE, UNIQUES, known, lambda key, _column: key[3] >= first),
                ]
            case Kind.ALLOWANCE:
                return [
                    Side(JOURNAL_ROWS, ("used_as_corrected",), sums.used(accounts)),
                    Side(STATE, ALLOWANCE, self._absolutes.allowance(accounts)),
                ]
            case Kind.BURN:
                return [Side(JOURNAL_ROWS, BURN, sums.burn(accounts))]
            case Kind.ALERTS:
                return [Side(JOURNAL_ROWS, ALERTS, self._absolutes.alerts(accounts))]
            case Kind.PERSONS:
                return [Side(STATE, PERSONS, self._moved.persons(state, accounts))]
            case Kind.CONSERVATION:
                return [Side(JOURNAL_ROWS, (*CONSERVATION, ROLLUP, OFFSETS), sums.conservation())]
        return []

    def is_recounted(self, key: Key, column: str) -> bool:
        """Whether a recount knows this number of a cycle: not how many it had as closed, where its end was moved."""
        return column != "used_as_closed" or key not in self._absolutes.stretched

    def pairs(self, account: str, bucket: int) -> dict[str, str]:
        """Profile and person of the profiles of a bucket that stand for another, as the registers say."""
        return self._moved.pairs(self._store.state, account, bucket)

    def empty(self) -> State:
        """The state before the first record; for the store."""
        return State()

    def apply(self, state: Any, record: Record) -> None:
        """What follows from a valid record; for the store."""
        fold.apply(state, record, self._seed)
        self.rules = record.rules
        try:
            self._sums.take(record)
        except Damaged as error:
            where = f"journal partition {self.partition}, offset {self._store.next_offset}"
            raise AuditFailed(f"{where}: {error}: restore the journal's topic from a copy") from error
        self.records.append(self._store.next_offset)
        self._absolutes.take(record)
        self._moved.take(record.persons)

    def _check(self, position: Position) -> None:
        mark = self._store.mark
        if position.at != NOWHERE and (mark.last_id, mark.last_offset) != (position.id, position.at):
            raise AuditFailed(
                f"journal partition {self.partition}: the sinks' last record is {position.id:016x} at offset"
                f" {position.at}, the chain's is {mark.last_id:016x} at {mark.last_offset}: the journal was replaced."
                " See `tally journal verify`"
            )
