"""A look at ClickHouse while it is filled: what the views and the raw rows say as of one journal offset.

The views are read between two equal offset commits without an open range: nothing was inserted meanwhile. Raw rows
carry the offset of the record that decided them, so the recount may take longer: it leaves out what came later.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from connectors.clickhouse import ranges, recount, recount_allowance, statements, views
from connectors.clickhouse.ranges import START, Position
from connectors.clickhouse.service import Service
from connectors.clickhouse.statements import quoted
from connectors.clickhouse.views import Scope, Select
from pipeline.audit.comparison import Kind, Side
from pipeline.audit.faults import AuditFailed
from pipeline.audit.sums import Key, Numbers

VIEW, RECOUNT = "view", "recount"
UNIT_ACCOUNTS_MAX = 100  # of one look: their ids fit into one request
UNIT_ROWS_MAX = 20_000  # rows of the rollup behind one look: read in some tenths of a second
OPEN_POLL_SECONDS = 0.05  # between two questions whether an insert is still open
OPEN_SECONDS_MAX = 5.0  # of one range: a sink at work takes a second; then it is looked why
AGAIN_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)  # before a look is tried again; the last one repeats
PAIRS_MAX = 10_000  # persons of one bucket that are told apart


class Unit(NamedTuple):
    """What one look is at: some accounts of a partition, or (without accounts) the partition as a whole."""

    partition: int
    accounts: tuple[str, ...] = ()
    buckets: tuple[Key, ...] = ()  # account and bucket of persons whose profiles are wanted one by one

    def halves(self) -> list[Unit]:
        """Two smaller units, where it can be cut."""
        if len(self.accounts) < 2:
            return [self]
        middle = len(self.accounts) // 2
        return [replace_accounts(self, self.accounts[:middle]), replace_accounts(self, self.accounts[middle:])]


def replace_accounts(unit: Unit, accounts: tuple[str, ...]) -> Unit:
    """The same look at fewer accounts."""
    return unit._replace(accounts=accounts, buckets=tuple(key for key in unit.buckets if key[0] in accounts))


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: all of it as of the journal records before `position.offset`."""

    unit: Unit
    position: Position
    sides: dict[Kind, list[Side]]
    pairs: dict[Key, dict[str, str]] = field(default_factory=dict)
    not_recounted: int = 0  # campaigns whose uniques the recount cannot know


class Committed(Protocol):
    """Where the sinks' offset commits come from."""

    def position(self, partition: int) -> Position | None:
        """The last commit of a partition."""


class _Torn(Exception):
    """Something was inserted meanwhile."""


class Looks:
    """Looks at units until each was seen whole."""

    def __init__(self, service: Service, commits: Committed, exact_days: int, timeout: float) -> None:
        """`exact_days`: the span of a person's opens up to which the recount's uniques are exact.

        `timeout`: seconds to wait for any one moment without an open insert.
        """
        self.service, self._commits, self._exact_days, self._timeout = service, commits, exact_days, timeout
        self._database = quoted(service.target.database)

    def accounts(self) -> list[tuple[str, int, int]]:
        """Account, partition, about how many rows: one of each partition that has rows of the account.

        Raises:
            Unavailable, Refused
        """
        return [(str(a), int(p), int(n)) for a, p, n in self.service.query(views.accounts(self._database)).rows]

    def all(self, units: Sequence[Unit], tell: Callable[[int], None]) -> list[Look]:
        """A whole look at every unit; `tell` is called with the number of looks done. Cuts units that take too long.

        Raises:
            AuditFailed: no moment without an open insert was long enough, within the timeout.
            Unavailable, Refused
        """
        waiting, done, tries = deque(units), list[Look](), 0
        deadline = time.monotonic() + self._timeout
        while waiting:
            unit = waiting.popleft()
            self._await_closed(unit.partition, deadline)
            try:
                done.append(self._look(unit))
                tries, deadline = 0, time.monotonic() + self._timeout
            except _Torn:
                self._check(unit.partition, deadline)
                waiting.extendleft(reversed(unit.halves()))
                time.sleep(AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)])
                tries += 1
            tell(len(done))
        return done

    def _await_closed(self, partition: int, deadline: float) -> None:
        """Until no range is open; a moment that has just begun is the longest."""
        seen, begun, looked = None, 0.0, False
        while (found := self._commits.position(partition)) is not None and found.end is not None:
            now = time.monotonic()
            if found != seen:
                seen, begun, looked = found, now, False
            is_over, is_long = now > deadline, now - begun >= min(OPEN_SECONDS_MAX, self._timeout)
            if is_over or (is_long and not looked):
                self._refuse_other_age(partition, found)
                looked = True
            if is_over and is_long:
                raise AuditFailed(
                    f"journal partition {partition}: the range [{found.offset}, {found.end}) has been open for"
                    f" {now - begun:.1f} s: the sink that began it has died or cannot go on. Start one, or read what"
                    " the one at work says, and audit again"
                )
            self._check(partition, deadline)
            time.sleep(OPEN_POLL_SECONDS)

    def _refuse_other_age(self, partition: int, found: Position) -> None:
        """Tell where a range stays open because the sinks refuse it: it and the tables are not of one age.

        Raises:
            AuditFailed, Unavailable, Refused
        """
        asked = statements.taken_in(self.service.target)
        inserted = int(self.service.query(asked, {"partition": partition}).rows[0][0])
        if self._commits.position(partition) != found:
            return
        try:
            ranges.agree(found, inserted)
        except ranges.JournalGone as error:
            raise AuditFailed(
                f"journal partition {partition}: the range [{found.offset}, {found.end}) is open, and no sink will"
                f" complete it: {error}"
            ) from None

    @staticmethod
    def _check(partition: int, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise AuditFailed(
                f"journal partition {partition}: no moment without an open insert was long enough to read the views."
                " The sink is busy: audit again when it has caught up (`tally status`), give a longer --timeout, or"
                " audit single accounts (--account)"
            )

    def _look(self, unit: Unit) -> Look:
        before = self._commits.position(unit.partition)
        if before is not None and before.end is not None:
            raise _Torn
        seen = self._views_of_accounts(unit) if unit.accounts else self._views_of_partition(unit)
        if self._commits.position(unit.partition) != before:
            raise _Torn
        look = replace(seen, position=before or START)
        counted = self._recount_accounts(look) if unit.accounts else self._recount_partition(look)
        if self._moved_since(look) and self._commits.position(unit.partition) != before:
            raise _Torn
        return counted

    def _views_of_accounts(self, unit: Unit) -> Look:
        scope = Scope(unit.accounts)
        sides = {
            Kind.ENGAGEMENT: [self._side(VIEW, scope, views.engagement)],
            Kind.ALLOWANCE: [self._side(VIEW, scope, views.allowance)],
            Kind.BURN: [self._side(VIEW, scope, views.burn)],
            Kind.ALERTS: [self._side(VIEW, scope, views.alerts)],
            Kind.PERSONS: [self._side(VIEW, scope, views.persons)],
            Kind.PROFILES: [self._side(VIEW, scope, views.profiles)],
        }
        return Look(unit, START, sides, {key: self._pairs(scope, key) for key in unit.buckets})

    def _views_of_partition(self, unit: Unit) -> Look:
        scope = Scope(partition=unit.partition)
        view = self._side(VIEW, scope, views.conservation, views.rollup)
        return Look(unit, START, {Kind.CONSERVATION: [view, self._side("duplicates", scope, recount.duplicates)]})

    def _recount_accounts(self, look: Look) -> Look:
        scope = Scope(look.unit.accounts, look.unit.partition, look.position.offset)
        counts = self._sums(scope, recount.counts(self._database, scope))
        uniques = self._sums(scope, recount.uniques(self._database, scope, self._exact_days))
        unknown = {key[:3] for key, numbers in uniques.items() if numbers.pop(recount.UNSURE)}
        engagement = Side(
            RECOUNT,
            views.ENGAGEMENT,
            _merged(counts, uniques),
            lambda key, column: column not in recount.UNIQUES or key[:3] not in unknown,
        )
        found = {
            Kind.ENGAGEMENT: engagement,
            Kind.ALLOWANCE: self._side(RECOUNT, scope, recount_allowance.allowance),
            Kind.BURN: self._side(RECOUNT, scope, recount_allowance.burn),
            Kind.PROFILES: self._side(RECOUNT, scope, recount.profiles),
        }
        sides = {kind: [*told, *([found[kind]] if kind in found else [])] for kind, told in look.sides.items()}
        return replace(look, sides=sides, not_recounted=len(unknown))

    def _recount_partition(self, look: Look) -> Look:
        scope = Scope(partition=look.unit.partition, before=look.position.offset)
        view, duplicates = look.sides[Kind.CONSERVATION]
        raw = self._side(RECOUNT, scope, recount.accepted, recount.rejected)
        columns = tuple(dict.fromkeys((*raw.columns, *duplicates.columns)))
        both = Side(RECOUNT, columns, _merged(raw.rows, duplicates.rows))
        return replace(look, sides={Kind.CONSERVATION: [view, both]})

    def _moved_since(self, look: Look) -> bool:
        if not look.unit.accounts:
            return False
        scope = Scope(look.unit.accounts, look.unit.partition, look.position.offset)
        return bool(self.service.query(views.moved_since(self._database, scope), scope.parameters()).rows[0][0])

    def _side(self, name: str, scope: Scope, *selects: Callable[[str, Scope], Select]) -> Side:
        made = [select(self._database, scope) for select in selects]
        columns = tuple(dict.fromkeys(column for select in made for column in select.numbers))
        return Side(name, columns, _merged(*(self._sums(scope, select) for select in made)))

    def _sums(self, scope: Scope, select: Select) -> dict[Key, Numbers]:
        width = len(select.keys)
        return {
            tuple(row[:width]): dict(zip(select.numbers, row[width:], strict=True))
            for row in self.service.query(views.sql(select), scope.parameters()).rows
        }

    def _pairs(self, scope: Scope, key: Key) -> dict[str, str]:
        parameters = {**scope.parameters(), "account": key[0], "bucket": int(key[1])}
        rows = self.service.query(views.pairs(self._database, scope, PAIRS_MAX), parameters).rows
        return {str(profile): str(person) for profile, person in rows}


def _merged(*parts: object) -> dict[Key, Numbers]:
    """Rows added up by key and column."""
    found: dict[Key, Numbers] = {}
    for part in parts:
        assert isinstance(part, dict)
        for key, numbers in part.items():
            row = found.setdefault(key, {})
            for column, number in numbers.items():
                row[column] = row.get(column, 0) + number
    return found


def units(sizes: Sequence[tuple[str, int, int]]) -> list[Unit]:
    """Units, of (account, partition, rows): not too many accounts nor rows in one."""
    found: dict[int, list[Unit]] = {}
    filled: dict[int, int] = {}
    for account, partition, rows in sizes:
        here = found.setdefault(partition, [])
        full = filled.get(partition, 0) + rows > UNIT_ROWS_MAX
        if not here or full or len(here[-1].accounts) >= UNIT_ACCOUNTS_MAX:
            here.append(Unit(partition))
            filled[partition] = 0
        here[-1] = here[-1]._replace(accounts=(*here[-1].accounts, account))
        filled[partition] += rows
    return [unit for here in found.values() for unit in here]
