"""The numbered migrations of schemas/clickhouse: what is applied, what is pending, and applying it.

Every statement can be run again, so a migration that stopped half-way is simply run again. A file that was applied
never changes: what comes later is a new file. A range that was cut off is finished through the views that it began
with: until then nothing is applied.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import NamedTuple

from connectors.clickhouse import statements
from connectors.clickhouse.service import Service

FOLDER = "clickhouse"
PLACES_TOLD = 5  # in a refusal
_FILE = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


class MigrationRefused(Exception):
    """The database's migrations and the program's do not go together; the message says how to mend it."""


class Status(StrEnum):
    """Where a migration stands."""

    APPLIED = "applied"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Of the text, as the database keeps it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class Applied(NamedTuple):
    """One row of the table of migrations."""

    number: int
    name: str
    sha256: str
    applied_at: object


class Step(NamedTuple):
    """A migration and where it stands."""

    migration: Migration
    status: Status
    applied_at: object | None


def committed() -> list[Migration]:
    """The files of this program, in order.

    Raises:
        MigrationRefused: a number is missing or there twice.
    """
    files = resources.files("schemas").joinpath(FOLDER).iterdir()
    found = [(int(match[1]), file) for file in files if (match := _FILE.match(file.name))]
    found.sort(key=lambda entry: entry[0])
    migrations = [Migration(number, file.name, file.read_text(encoding="utf-8")) for number, file in found]
    numbers = [m.number for m in migrations]
    if numbers != list(range(1, len(numbers) + 1)):
        raise MigrationRefused(f"schemas/{FOLDER} has the numbers {numbers}: they must be 1, 2, 3 and so on, each once")
    return migrations


def plan(migrations: Sequence[Migration], applied: Sequence[Applied]) -> list[Step]:
    """Where every migration stands.

    Raises:
        MigrationRefused: an applied file was changed, or the database is ahead of this program.
    """
    done = {a.number: a for a in applied}
    if unknown := sorted(done.keys() - {m.number for m in migrations}):
        names = ", ".join(done[n].name for n in unknown)
        raise MigrationRefused(f"the database has migrations that this tally does not know ({names}): use a newer one")
    changed = [m.name for m in migrations if m.number in done and done[m.number].sha256 != m.sha256]
    if changed:
        raise MigrationRefused(
            f"{', '.join(changed)} was changed after it was applied: put the file back as it was"
            " and write the change as a new migration, or migrate an empty database (TALLY_CLICKHOUSE__DATABASE)"
        )
    return [
        Step(m, Status.APPLIED, done[m.number].applied_at) if m.number in done else Step(m, Status.PENDING, None)
        for m in migrations
    ]


def find(service: Service) -> list[Step]:
    """Where every migration stands in the database; changes nothing.

    Raises:
        MigrationRefused, Unavailable, Refused
    """
    target = service.target
    there = service.query(statements.has_migrations(), {"database": target.database}).rows[0][0]
    rows = service.query(statements.applied_migrations(target)).rows if there else []
    return plan(committed(), [Applied(*row) for row in rows])


def apply(service: Service, steps: Sequence[Step]) -> None:
    """Apply what is pending, in order. Running it again is harmless, two at once too.

    Raises:
        MigrationRefused: a sink is in the middle of a range.
        Unavailable, Refused
    """
    target = service.target
    values = statements.variables(target)
    if {step.status for step in steps} == {Status.APPLIED, Status.PENDING}:
        _require_whole(service)
    service.command(statements.create_database(target))
    service.command(statements.create_migrations(target))
    for migration in (step.migration for step in steps if step.status is Status.PENDING):
        for statement in statements.split(migration.text, values):
            service.command(statement)
        noted = {"number": migration.number, "name": migration.name, "sha256": migration.sha256}
        service.command(statements.record_migration(target), noted)


def _require_whole(service: Service) -> None:
    """That no range is there in part: its repetition would go through other views, which do not know it again.

    Raises:
        MigrationRefused, Unavailable, Refused
    """
    rows = service.query(statements.cut_off(service.target)).rows
    if rows:
        places = ", ".join(f"{topic}/{partition}" for topic, partition in rows[:PLACES_TOLD])
        more = f" and {len(rows) - PLACES_TOLD} more" if len(rows) > PLACES_TOLD else ""
        raise MigrationRefused(
            f"a sink is at work or was cut off: events of {places}{more} are there in part, and a migration now could"
            " let them count twice. End the sinks with SIGTERM and run this again; where none runs, start one of the"
            " version before, wait for it (`tally wait`) and end it with SIGTERM. `tally audit` says what else is wrong"
        )


def require(service: Service) -> None:
    """That the database is where this program expects it.

    Raises:
        MigrationRefused: migrations are pending, or see `plan`.
        Unavailable, Refused
    """
    pending = [step.migration.name for step in find(service) if step.status is Status.PENDING]
    if pending:
        place = f"database {service.target.database} at {service.target.address}"
        raise MigrationRefused(f"{place} lacks {', '.join(pending)}: run `tally migrate`")
