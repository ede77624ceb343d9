"""The SQL that the connector sends: migrations split and filled in, tokens, names."""

from __future__ import annotations

import re

import pytest

from connectors.clickhouse import migrations, statements
from connectors.clickhouse.rows import TABLES
from connectors.clickhouse.settings import WINDOW_BLOCKS, WINDOW_SECONDS, Target

ALONE = Target("127.0.0.1", 8123, False, "default", "", "tally", None)
CLUSTER = Target("127.0.0.1", 8123, False, "default", "", "tally", "main")
ENGINE = re.compile(r"^ENGINE = (\w*)MergeTree", re.MULTILINE)
AGAIN = re.compile(
    r"CREATE (TABLE|MATERIALIZED VIEW) IF NOT EXISTS |CREATE OR REPLACE VIEW |ALTER TABLE \S+ \s*MODIFY COLUMN "
    r"|DROP VIEW IF EXISTS "
)
COLUMN = re.compile(r"^    (\w+) +[A-Z](.*)$", re.MULTILINE)


def all_statements(target: Target) -> list[str]:
    values = statements.variables(target)
    return [s for m in migrations.committed() for s in statements.split(m.text, values)]


def tables(target: Target) -> dict[str, str]:
    made = [(re.match(r"CREATE TABLE IF NOT EXISTS `tally`\.(\w+)", s), s) for s in all_statements(target)]
    return {match[1]: s for match, s in made if match}


def stored(target: Target) -> dict[str, str]:
    """Without the relays, which store nothing."""
    return {name: statement for name, statement in tables(target).items() if "\nENGINE = Null\n" not in statement}


def test_a_token_names_partition_and_both_ends_of_the_range() -> None:
    assert statements.token(3, 70, 141) == "journal-3-70-141"


def test_every_statement_can_be_run_again() -> None:
    for statement in all_statements(ALONE):
        assert AGAIN.match(statement), statement


def test_no_variable_and_no_semicolon_is_left_in_a_statement() -> None:
    for statement in all_statements(CLUSTER):
        assert "${" not in statement
        assert not statement.endswith(";")


def test_an_unknown_variable_is_an_error() -> None:
    with pytest.raises(KeyError, match="NOWHERE"):
        statements.split("CREATE TABLE ${NOWHERE}.x;\n", statements.variables(ALONE))


def test_text_that_statements_share_is_written_once_and_stands_in_each() -> None:
    text = "-- ${BOTH} is what both ask for.\n    a,\n    ${DB}.b\n-- end\n\nSELECT\n${BOTH};\nSELECT 1,\n${BOTH};\n"
    assert statements.split(text, {"DB": "d"}) == ["SELECT\n    a,\n    d.b", "SELECT 1,\n    a,\n    d.b"]


def test_a_semicolon_inside_a_line_ends_no_statement() -> None:
    assert statements.split("SELECT 1 COMMENT 'a; b';\n-- a comment;\nSELECT 2", {}) == [
        "SELECT 1 COMMENT 'a; b'",
        "SELECT 2",
    ]


def test_every_table_has_a_deduplication_window() -> None:
    for name, statement in stored(ALONE).items():
        assert f"non_replicated_deduplication_window = {WINDOW_BLOCKS}" in statement, name


def test_on_a_cluster_every_table_is_replicated_and_remembers_as_long() -> None:
    for name, statement in stored(CLUSTER).items():
        assert "ON CLUSTER `main`" in statement
        assert (found := ENGINE.search(statement)) is not None
        assert found[1].startswith("Replicated"), name
        assert f"replicated_deduplication_window_seconds = {WINDOW_SECONDS}" in statement, name


def test_every_statement_is_for_the_cluster_where_there_is_one() -> None:
    target_statements = [
        *all_statements(CLUSTER),
        statements.create_database(CLUSTER),
        statements.create_migrations(CLUSTER),
    ]
    assert all("ON CLUSTER `main`" in statement for statement in target_statements)


def test_the_columns_of_a_table_are_those_that_its_rows_have() -> None:
    made = tables(ALONE)
    for name, schema in TABLES.items():
        assert {match[1] for match in COLUMN.finditer(made[name])} == set(schema.names), name


def test_every_table_and_column_has_a_comment() -> None:
    for name, statement in tables(ALONE).items():
        assert statement.splitlines()[-1].startswith("COMMENT '"), name
        for match in COLUMN.finditer(statement):
            assert " COMMENT '" in match[2], f"{name}.{match[1]}"


def test_a_name_with_a_backtick_stays_inside_its_quotes() -> None:
    assert statements.quoted("a`b\\") == "`a\\`b\\\\`"
