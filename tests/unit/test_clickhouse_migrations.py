"""What is applied, what is pending, and what is refused."""

from __future__ import annotations

import pytest

from connectors.clickhouse.migrations import Applied, Migration, MigrationRefused, Status, committed, plan

ONE, TWO = Migration(1, "0001_a.sql", "SELECT 1;"), Migration(2, "0002_b.sql", "SELECT 2;")


def applied(migration: Migration, sha256: str | None = None) -> Applied:
    return Applied(migration.number, migration.name, sha256 or migration.sha256, "then")


def test_a_migration_is_pending_until_it_is_applied() -> None:
    steps = plan([ONE, TWO], [applied(ONE)])
    assert [(s.migration, s.status, s.applied_at) for s in steps] == [
        (ONE, Status.APPLIED, "then"),
        (TWO, Status.PENDING, None),
    ]


def test_a_file_that_changed_after_it_was_applied_is_refused_with_the_way_out() -> None:
    with pytest.raises(MigrationRefused, match=r"0001_a\.sql was changed after it was applied: put the file back"):
        plan([ONE, TWO], [applied(ONE, "0" * 64)])


def test_a_database_ahead_of_the_program_is_refused() -> None:
    with pytest.raises(MigrationRefused, match=r"0002_b\.sql.*use a newer one"):
        plan([ONE], [applied(ONE), applied(TWO)])


def test_the_committed_files_are_numbered_without_a_gap() -> None:
    assert [m.number for m in committed()] == list(range(1, len(committed()) + 1))
