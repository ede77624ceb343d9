"""The audit of one partition: looks at ClickHouse first, then the fold up to where each of them was taken.

What differs is looked at again at another moment, with the fold advanced to it: only what differs both times is drift.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from pipeline.audit.comparison import Difference, Found, Kind, Side, compare, still
from pipeline.audit.fold import STATE, Fold
from pipeline.audit.look import RECOUNT, VIEW, Look, Looks, Unit, units
from pipeline.audit.result import Audit, Part
from pipeline.audit.trace import Trace
from pipeline.journal.ports import Session

BUCKETS_MAX = 20  # of persons, in one look, that are told profile by profile; beyond it as counts

Tell = Callable[[Callable[[], str]], None]


class PartitionAudit:
    """See the module. It adds what it finds to `result`."""

    def __init__(self, fold: Fold, looks: Looks, result: Audit, tell: Tell) -> None:
        self._fold, self._looks, self._result, self._tell = fold, looks, result, tell
        self._differs: list[Difference] = []
        self._again: list[Unit] = []

    async def run(self, session: Session, wanted: Sequence[Unit], whole: bool) -> None:
        """Audit the units; where they are the whole partition, the accounts too that only the journal knows.

        Raises:
            AuditFailed, WrongSetting, Unavailable, Refused
        """
        listed = {account for unit in wanted for account in unit.accounts}
        await self._first(session, wanted)
        if whole and (more := sorted(self._fold.accounts - listed)):
            listed.update(more)
            await self._first(session, units([(account, self._fold.partition, 0) for account in more]))
        if await self._second(session):
            trace = Trace(self._looks.service, session, self._fold.place, None if whole else listed)
            self._result.take(await trace.rows(self._fold.records, self._fold.offset))
        self._result.accounts |= listed
        behind = await self._fold.behind(session)
        self._result.parts.append(Part(self._fold.partition, self._fold.offset, behind, self._fold.events, len(listed)))

    async def _first(self, session: Session, wanted: Sequence[Unit]) -> None:
        async for look in self._seen(session, wanted):
            found = self._compared(look)
            for kind, compared in found.items():
                self._result.numbers[kind] += compared.numbers
            self._result.not_recounted += look.not_recounted
            differs = [difference for compared in found.values() for difference in compared.differences]
            if differs:
                buckets = dict.fromkeys(d.key for d in differs if d.kind is Kind.PERSONS)
                self._again.append(look.unit._replace(buckets=tuple(buckets)[:BUCKETS_MAX]))
                self._differs += differs

    async def _second(self, session: Session) -> bool:
        """Whether anything differs still."""
        before = len(self._result.differences)
        self._result.looked_again += len(self._differs)
        async for look in self._seen(session, self._again):
            found = self._compared(look)
            drift = still(self._differs, [d for compared in found.values() for d in compared.differences])
            apart = {d.key for d in drift if d.kind is Kind.PERSONS and d.key in look.pairs}
            told = [d for key in sorted(apart) for d in self._told_apart(look, key)]
            self._result.differences += [d for d in drift if d.kind is not Kind.PERSONS or d.key not in apart]
            self._result.differences += told
        return len(self._result.differences) > before

    async def _seen(self, session: Session, wanted: Sequence[Unit]) -> AsyncIterator[Look]:
        """A look at each unit, in the order of their offsets; the fold is there when it comes."""
        where = f"partition {self._fold.partition}"

        def tell_look(done: int) -> None:
            self._tell(lambda: f"{where}: views and raw rows, {done} parts read")

        def tell_fold(offset: int) -> None:
            self._tell(lambda: f"{where}: {offset:,} journal records folded, {self._fold.events:,} events")

        # In a thread: it may wait for a minute, and the journal's client must not be still for so long.
        looks = await asyncio.to_thread(self._looks.all, wanted, tell_look)
        for look in sorted(looks, key=lambda look: look.position.offset):
            await self._fold.advance(session, look.position, tell_fold)
            yield look

    def _compared(self, look: Look) -> dict[Kind, Found]:
        found = {}
        for kind in look.sides:
            sides = self._sides(kind, look)
            found[kind] = compare(kind, sides, self._fold.partition, look.position.offset)
            if kind is Kind.ENGAGEMENT:
                self._result.days |= {key[3] for side in sides for key in side.rows}
        return found

    def _sides(self, kind: Kind, look: Look) -> list[Side]:
        sides = [*self._fold.sides(kind, frozenset(look.unit.accounts)), *look.sides[kind]]
        if kind is not Kind.ALLOWANCE:
            return sides
        return [side._replace(says=self._fold.is_recounted) if side.name == RECOUNT else side for side in sides]

    def _told_apart(self, look: Look, key: tuple[str, ...]) -> list[Difference]:
        """The profiles of a bucket that stand for one person by the registers and for another by the view."""
        account, bucket = key
        state, view = self._fold.pairs(account, int(bucket)), look.pairs[key]
        at = (self._fold.partition, look.position.offset)
        return [
            Difference(Kind.PERSONS, (account, profile), "person", *at, values)
            for profile in sorted(state.keys() | view.keys())
            if len(set((values := {STATE: state.get(profile, profile), VIEW: view.get(profile, profile)}).values())) > 1
        ]
