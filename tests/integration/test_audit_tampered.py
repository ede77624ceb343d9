"""Every row of ClickHouse that is lost, added or changed is found by the audit, with its coordinates."""

from __future__ import annotations

import json

import pytest

from tests.integration import audit_world
from tests.integration.audit_world import ACCOUNTS, SETTLED, AuditWorld, Tally, auditing, journaled

world = pytest.fixture(journaled)
filled = pytest.fixture(audit_world.filled)
tally = pytest.fixture(auditing)

OPENED = "hits = 1 AND NOT is_test AND type = 'email_opened' AND unique_open = 1"
ONE = f"(SELECT min((journal_partition, origin_offset)) FROM {{db}}.events WHERE {OPENED})"
OPEN_AT_ONE = f"type = 'email_opened' AND hits = 1 AND (journal_partition, origin_offset) = {ONE}"
TAMPER = {
    "a row deleted from events": (
        f"ALTER TABLE {{db}}.events DELETE WHERE {OPEN_AT_ONE} {SETTLED}",
        {("engagement", "opened"), ("engagement", "events"), ("conservation", "accepted")},
    ),
    "a row added to events": (
        (
            "INSERT INTO {db}.events SELECT * REPLACE (origin_offset + 5000 AS origin_offset)"
            f" FROM (SELECT * FROM {{db}}.events WHERE {OPEN_AT_ONE})"
        ),
        {("engagement", "opened"), ("engagement", "events"), ("conservation", "sum of offsets")},
    ),
    "a row of engagement changed": (
        (
            "INSERT INTO {db}.engagement SELECT * FROM {db}.engagement"
            " WHERE type = 'email_delivered' AND hits = 1 ORDER BY ALL LIMIT 1"
        ),
        {("engagement", "delivered"), ("engagement", "events"), ("conservation", "accepted in engagement")},
    ),
    "a row of allowance changed": (
        (
            "INSERT INTO {db}.allowance SELECT * REPLACE (used + 1 AS used, version + 1 AS version)"
            " FROM {db}.allowance ORDER BY version DESC LIMIT 1"
        ),
        {("allowance", "used_as_corrected")},
    ),
    "a row of burn added": (
        "INSERT INTO {db}.burn SELECT * FROM {db}.burn ORDER BY ALL LIMIT 1",
        {("burn", "used")},
    ),
    "a row of person_map changed": (
        (
            "INSERT INTO {db}.person_map SELECT * REPLACE ('nobody@shop.example' AS person_id, version + 1 AS version)"
            " FROM {db}.person_map WHERE person_id != profile_id ORDER BY version DESC LIMIT 1"
        ),
        {("persons", "person")},
    ),
    "a row of intake changed": (
        "INSERT INTO {db}.intake VALUES ('events.email', 1, 1, 0, 1, 0)",
        {("conservation", "read"), ("conservation", "duplicates")},
    ),
    "an alert lost": (
        f"ALTER TABLE {{db}}.alerts DELETE WHERE kind = 'threshold' {SETTLED}",
        {("alerts", "alerts")},
    ),
    "a profile never seen": (
        "INSERT INTO {db}.profile_seen SELECT * REPLACE ('ghost' AS profile_id) FROM {db}.profile_seen LIMIT 1",
        {("profiles", "profiles")},
    ),
    "an account in two partitions": (
        (
            "INSERT INTO {db}.engagement SELECT * REPLACE (1 AS partition, 0 AS hits, 0 AS accepted, 0 AS unique_open,"
            " 0 AS unique_click, 0 AS unique_link_click, 1 AS activities)"
            " FROM {db}.engagement WHERE account_id = 'acc-0-a' LIMIT 1"
        ),
        {("partitions", "partitions")},
    ),
}


@pytest.mark.parametrize(("what", "kept"), [("deleted", "missing"), ("added", "foreign")])
def test_the_raw_row_is_named_by_its_source_and_its_journal_record(
    filled: AuditWorld, tally: Tally, what: str, kept: str
) -> None:
    one = filled.service.query(f"SELECT * FROM {ONE.format(db=filled.name)}").rows[0][0]
    filled.service.command(
        TAMPER[f"a row {what} {'from' if what == 'deleted' else 'to'} events"][0].format(db=filled.name)
    )
    _, found = tally()
    (row,) = found["rows"]
    assert (row["what"], row["type"], row["topic"], row["partition"]) == (kept, "email_opened", "events.email", one[0])
    assert row["offset"] == one[1] + (5000 if what == "added" else 0)
    assert row["account"] in ACCOUNTS
    assert row["journal_offset"] < filled.ends[one[0]]


@pytest.mark.parametrize("column", ["message_id", "arrived_at"])
def test_a_changed_column_of_raw_rows_is_named(filled: AuditWorld, tally: Tally, column: str) -> None:
    value = {"message_id": "'m-other'", "arrived_at": "arrived_at + INTERVAL 40 DAY"}[column]
    which = "hits = 1 AND activity = 1" if column == "arrived_at" else OPENED
    filled.service.command(f"ALTER TABLE {filled.name}.events UPDATE {column} = {value} WHERE {which} {SETTLED}")
    code, found = tally()
    assert code == 3
    assert {(row["what"], tuple(row["columns"])) for row in found["rows"]} == {("changed", (column,))}
    assert found["records_left_off"] > 0


def test_the_digests_of_rows_that_are_right_agree(filled: AuditWorld, tally: Tally) -> None:
    filled.service.command(TAMPER["a row of engagement changed"][0].format(db=filled.name))
    code, found = tally()
    assert (code, found["rows"], found["rows_left_off"], found["records_left_off"]) == (3, [], 0, 0)


@pytest.mark.parametrize("what", TAMPER)
def test_tampering_is_found_with_its_coordinates(filled: AuditWorld, tally: Tally, what: str) -> None:
    sql, expected = TAMPER[what]
    filled.service.command(sql.format(db=filled.name))
    code, found = tally()
    assert code == 3, found
    differing = {(difference["comparison"], difference["counter"]) for difference in found["differences"]}
    assert differing >= expected, found["differences"]
    assert "nobody@shop.example" not in json.dumps(found)
    for difference in found["differences"]:
        assert difference["journal_partition"] in (0, 1)
        assert difference["meaning"]
        assert difference.get("account", "acc-0-a") in ACCOUNTS
        assert len(set(difference["values"].values()) - {None}) > 1
