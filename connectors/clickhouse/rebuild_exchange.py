"""The exchange at the end of a rebuild: fresh tables under the live names, and the sinks behind them.

What was done can be seen: a fence in the commits of the sinks' group, an exchange in the tables' UUIDs, the end in the
database's name. So a rebuild that was killed between any two steps, or within one, is simply run again. Why this is
exact stands in `docs/decisions/rebuild.md`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from connectors.clickhouse import migrations, ranges
from connectors.clickhouse import rebuild_statements as sql
from connectors.clickhouse.ranges import START, Position
from connectors.clickhouse.rebuild_group import Commit, Group
from connectors.clickhouse.rebuild_statements import Names
from connectors.clickhouse.service import Service


class RebuildRefused(Exception):
    """A rebuild cannot begin or go on; the message says how to mend it."""


class At(NamedTuple):
    """A rebuild's names, and the one that its database has now."""

    names: Names
    place: str


class Tables(NamedTuple):
    """The tables of a database that store rows: their UUIDs by name, and their bytes together."""

    uuids: dict[str, str]
    size: int


class Exchange:
    """See the module. `uuids` are those of the fresh tables before they were exchanged."""

    def __init__(self, service: Service, at: At, groups: tuple[Group, Group], uuids: Mapping[str, str]) -> None:
        """`service`: to the live database. `groups`: the rebuild's own, and the sinks'."""
        self._service, self._names, self._uuids = service, at.names, uuids
        self._own, self._sinks = groups
        self._live = service.target
        self._fresh = replace(service.target, database=at.place)

    @property
    def place(self) -> str:
        """The name that the fresh tables' database has now, or had when this process named it last."""
        return self._fresh.database

    def begun(self, partitions: int) -> bool:
        """Whether there is no way back but forward."""
        return self._fresh.database != self._names.fresh or self.is_fenced(partitions)

    def steps(self, partitions: int) -> list[Callable[[], None]]:
        """What is still to be done, in order. Each may raise GroupTaken, KafkaAway, Unavailable, Refused."""
        fenced = self.is_fenced(partitions)
        if not fenced and self.is_exchanged():
            return [self._finish]
        first = [] if fenced else [lambda: self._fence(partitions)]
        rest = [self._clear, self._claim, self._complete, self._exchange, self._make_views]
        return [*first, *rest, lambda: self._hand_over(partitions), self._finish]

    def is_fenced(self, partitions: int) -> bool:
        """Whether the sinks wait for this very rebuild."""
        commits = self._sinks.commits(partitions).values()
        return any(ranges.fenced_by(commit.metadata) == self._names.fresh for commit in commits)

    def is_exchanged(self) -> bool:
        """Whether every fresh table is under its live name."""
        return sql.exchanged(self._uuids, tables(self._service, self._live.database).uuids)

    def _fence(self, partitions: int) -> None:
        """From here on every sink that starts refuses its partitions. Not where nobody would lift it."""
        if not self._service.query(sql.has_notes(), {"database": self._fresh.database}).rows[0][0]:
            raise RebuildRefused(f"database {self._fresh.database} is gone")
        commits = self._sinks.commits(partitions)
        mark = ranges.fence(self._names.fresh)
        self._sinks.commit({p: Commit(commits[p].offset if p in commits else 0, mark) for p in range(partitions)})

    def _clear(self) -> None:
        """The fresh tables' own views speak of a name that ends now."""
        for (name,) in self._service.query(sql.views(self._live), {"database": self._fresh.database}).rows:
            self._service.command(sql.drop_view(self._fresh, name))

    def _claim(self) -> None:
        """From here on another process that does the same finds nothing under the name that it knows."""
        name = sql.claimed(self._live.database, self._names.fresh, secrets.randbits(sql.NONCE_BITS))
        self._rename(name)

    def _complete(self) -> None:
        """Give the live database the tables that it lacks."""
        for statement in sql.make_tables(self._live, self._texts()):
            self._service.command(statement)

    def _exchange(self) -> None:
        live = tables(self._service, self._live.database).uuids
        rest = [name for name, uuid in self._uuids.items() if live[name] != uuid]
        if rest:
            self._service.command(sql.exchange(self._live, self._fresh, rest))

    def _make_views(self) -> None:
        """Views and what fills the rollups as this program has them, whatever the live ones were."""
        for statement in sql.make_views(self._live, self._texts()):
            self._service.command(statement)

    def _hand_over(self, partitions: int) -> None:
        """The sinks go on where the rebuild has come to."""
        found = positions(self._own, partitions)
        assert all(position.end is None for position in found.values()), "a rebuild ends with complete ranges"
        if self.is_fenced(partitions):
            self._sinks.commit({p: Commit(at.offset, ranges.metadata(at)) for p, at in found.items()})

    def _finish(self) -> None:
        self._rename(self._names.former)

    def _rename(self, name: str) -> None:
        self._service.command(sql.rename(self._fresh, name))
        self._fresh = replace(self._fresh, database=name)

    @staticmethod
    def _texts() -> list[str]:
        return [migration.text for migration in migrations.committed()]


def positions(group: Group, partitions: int) -> dict[int, Position]:
    """Where a sinks' group stands in every partition.

    Raises:
        KafkaAway
        JournalGone: a commit is not a sink's.
    """
    commits = group.commits(partitions)
    return {p: ranges.position(*commits[p]) if p in commits else START for p in range(partitions)}


def tables(service: Service, database: str) -> Tables:
    """The tables of a database that store rows.

    Raises:
        RebuildRefused: the hosts of a cluster do not have the same ones.
        Unavailable, Refused
    """
    found: dict[str, str] = {}
    size = 0
    for name, uuids, stored in service.query(sql.storage(service.target), {"database": database}).rows:
        if len(uuids) > 1:
            raise RebuildRefused(
                f"the hosts of cluster {service.target.cluster} do not have the same table {database}.{name} (UUIDs"
                f" {', '.join(sorted(uuids))}): a statement ON CLUSTER has not come to all of them. Look into"
                " system.distributed_ddl_queue, let it finish or exchange the table on the hosts that lag, and run"
                " this again"
            )
        found[str(name)] = str(uuids[0])
        size += int(stored)
    return Tables(found, size)
