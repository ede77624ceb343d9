"""The audit on a real Kafka and a real engine: no drift where all is sound; every row tampered with is found."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.clickhouse import recount
from connectors.clickhouse.ranges import Position
from pipeline.audit.comparison import Kind
from pipeline.audit.faults import AuditFailed
from pipeline.audit.look import Looks, Unit
from pipeline.cli import console
from pipeline.cli.audit import audit
from tests.integration.audit_world import AuditWorld
from tests.integration.sink_world import ROOT, STOP_SECONDS, await_that

ACCOUNTS = {"acc-0-a", "acc-0-b", "acc-1-a", "acc-1-b"}
Tally = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def world(kafka: str, clickhouse: str, tmp_path: Path, seed: int) -> Iterator[AuditWorld]:
    """Journals in Kafka, tables without a row."""
    made = AuditWorld(kafka, clickhouse, tmp_path, seed)
    made.make_topic()
    made.migrate()
    made.publish_journals()
    yield made
    made.drop()


@pytest.fixture
def filled(world: AuditWorld) -> AuditWorld:
    """All of it in the tables."""
    world.fill()
    return world


@pytest.fixture
def tally(world: AuditWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tally:
    """`tally audit --format json` over the world: its exit code and what it printed."""
    for name, value in world.settings.items():
        monkeypatch.setenv(name, value)

    def run(*accounts: str, timeout: float = 30.0, metrics_file: Path | None = None) -> tuple[int, dict[str, Any]]:
        code = 0
        try:
            audit(list(accounts), console.Format.JSON, timeout, metrics_file)
        except SystemExit as ended:
            code = int(ended.code or 0)
        out = capsys.readouterr()
        return code, json.loads(out.out) if out.out else {"err": out.err}

    return run


def test_what_a_real_sink_inserted_does_not_drift(world: AuditWorld, tally: Tally) -> None:
    with world.sink() as sink:
        world.await_all()
        assert sink.stop() == 0
    code, found = tally()
    assert (code, found.get("err"), found.get("differences")) == (0, None, [])
    assert found["accounts"] == len(ACCOUNTS)
    assert found["looked_again"] == 0
    assert [part["offset"] for part in found["partitions"]] == [world.ends[0], world.ends[1]]
    assert all(count > 0 for count in found["numbers"].values()), found["numbers"]


def test_opens_tied_under_two_campaigns_are_left_out_of_the_recount_and_counted(
    filled: AuditWorld, tally: Tally
) -> None:
    code, found = tally()
    assert (code, found["differences"]) == (0, [])
    assert found["campaigns_not_recounted"] == 4  # two campaigns in one account of each partition
    assert recount.compare(filled.service) == []


def test_one_account_can_be_audited_alone(filled: AuditWorld, tally: Tally) -> None:
    code, found = tally("acc-1-b")
    assert (code, found["accounts"]) == (0, 1)
    assert [part["partition"] for part in found["partitions"]] == [1]


def test_an_account_that_is_audited_alone_is_not_held_for_another_ones_rows(filled: AuditWorld, tally: Tally) -> None:
    filled.service.command(
        f"ALTER TABLE {filled.name}.events DELETE WHERE account_id = 'acc-1-a' AND type = 'email_opened' {SETTLED}"
    )
    code, found = tally("acc-1-b")
    assert (code, found["drift"], found["rows"]) == (0, 0, [])
    assert "conservation" not in found["numbers"]
    filled.service.command(
        f"ALTER TABLE {filled.name}.events DELETE WHERE account_id = 'acc-1-b' AND type = 'email_clicked' OR"
        f" account_id = 'acc-1-b' AND type = 'push_opened' {SETTLED}"
    )
    code, found = tally("acc-1-b")
    assert code == 3
    assert {row["account"] for row in found["rows"]} == {"acc-1-b"}
    assert {difference["account"] for difference in found["differences"]} == {"acc-1-b"}


def test_an_unknown_account_is_told_with_near_names(filled: AuditWorld, tally: Tally) -> None:
    code, said = tally("acc-1-c")
    assert code == 2
    assert "no account 'acc-1-c'" in said["err"]
    assert "acc-1-a" in said["err"]


def test_nothing_inserted_yet_is_no_drift(world: AuditWorld, tally: Tally) -> None:
    code, found = tally()
    assert (code, found["drift"]) == (0, 0)
    assert [part["behind"] for part in found["partitions"]] == [world.ends[0], world.ends[1]]


def test_rows_of_another_group_are_refused(filled: AuditWorld, tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_SINK__GROUP_ID", "somebody-else")
    code, said = tally()
    assert code == 1
    assert "TALLY_SINK__GROUP_ID" in said["err"]


def test_a_range_that_stays_open_gives_no_verdict(filled: AuditWorld, tally: Tally) -> None:
    end = filled.ends[0]
    filled.commit(0, end, json.dumps({"id": "01", "at": end - 1, "end": end + 5}))
    code, said = tally(timeout=0.5)
    assert code == 1
    assert f"the range [{end}, {end + 5}) has been open for 0." in said["err"]
    assert "the sink that began it has died or cannot go on" in said["err"]


def test_an_open_range_over_tables_that_were_set_back_is_told_with_the_rebuild_and_not_waited_for(
    filled: AuditWorld, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = filled.ends[0]
    monkeypatch.setattr("pipeline.audit.look.OPEN_SECONDS_MAX", 0.2)
    filled.commit(0, end, json.dumps({"id": "01", "at": end - 1, "end": end + 5}))
    older = f"INSERT INTO {filled.name}.ranges SELECT 0, {end - 2}"
    for statement in (f"TRUNCATE TABLE {filled.name}.ranges", older):
        filled.service.command(statement)
    began = time.monotonic()
    code, said = tally(timeout=60.0)
    assert code == 1
    assert time.monotonic() - began < 30
    assert (
        f"the range [{end}, {end + 5}) is open, and no sink will complete it: the group has inserted records up to"
        in (said["err"])
    )
    assert "the tables are new or were set back" in said["err"]
    assert "Run `tally rebuild clickhouse`" in said["err"]


def test_ranges_that_open_one_behind_the_other_are_a_busy_sink(filled: AuditWorld) -> None:
    ranges = [Position(5 + n, 1, 4 + n, end=6 + n) for n in range(20)]
    with pytest.raises(AuditFailed, match="The sink is busy: audit again when it has caught up"):
        looks(filled, Moving(*ranges), timeout=0.3).all([Unit(0)], lambda done: None)


class Said:
    """Offset commits as a test says them, the last one for ever."""

    def __init__(self, *positions: Position) -> None:
        self._positions = list(positions)

    def position(self, partition: int) -> Position:
        return self._positions.pop(0) if len(self._positions) > 1 else self._positions[0]


class Moving(Said):
    """The same round and round: every question gets another answer."""

    def position(self, partition: int) -> Position:
        self._positions.append(self._positions.pop(0))
        return self._positions[-1]


def looks(world: AuditWorld, said: Said, timeout: float = 5.0) -> Looks:
    return Looks(world.service, said, 80, timeout)


@pytest.mark.parametrize("accounts", [(), ("acc-0-a", "acc-0-b")])
def test_a_look_during_which_something_was_inserted_is_taken_again(
    filled: AuditWorld, accounts: tuple[str, ...]
) -> None:
    closed, later = Position(5, 1, 4), Position(6, 2, 5)
    said = Said(closed, closed, later, later)  # asked before the wait, before the views, behind them, and so on
    seen = looks(filled, said).all([Unit(0, accounts)], lambda done: None)
    assert {look.position for look in seen} == {later}
    assert sorted(account for look in seen for account in look.unit.accounts) == sorted(accounts)


def test_no_look_is_taken_while_a_range_is_open(filled: AuditWorld) -> None:
    closed = Position(6, 2, 5)
    said = Said(Position(5, 1, 4, end=6), Position(5, 1, 4, end=6), closed)
    (look,) = looks(filled, said).all([Unit(0)], lambda done: None)
    assert look.position == closed


def test_where_nothing_is_open_one_look_is_taken_however_short_the_time(filled: AuditWorld) -> None:
    closed = Position(6, 2, 5)
    (look,) = looks(filled, Said(closed), timeout=0.0).all([Unit(0)], lambda done: None)
    assert look.position == closed


def test_a_range_that_opens_behind_the_wait_tears_the_look(filled: AuditWorld) -> None:
    closed, opened, done = Position(5, 1, 4), Position(5, 1, 4, end=6), Position(6, 2, 5)
    (look,) = looks(filled, Said(closed, closed, opened, opened, done)).all([Unit(0)], lambda done: None)
    assert look.position == done


def test_raw_rows_of_later_records_are_left_out(filled: AuditWorld) -> None:
    (look,) = looks(filled, Said(Position(2, 1, 1))).all([Unit(0)], lambda done: None)
    view, raw = look.sides[Kind.CONSERVATION]
    key = ("events.email", "0")
    assert 0 < (raw.number(key, "accepted") or 0) < (view.number(key, "accepted") or 0)


def test_another_hash_seed_is_refused(filled: AuditWorld, tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_HASH_SEED", "00000000deadbeef")
    code, said = tally()
    assert code == 2
    assert "TALLY_HASH_SEED" in said["err"]


def test_an_absent_clickhouse_is_said(filled: AuditWorld, tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_CLICKHOUSE__URL", "http://127.0.0.1:9")
    code, said = tally()
    assert code == 1
    assert "TALLY_CLICKHOUSE__URL" in said["err"]


def test_the_metrics_are_written_whole(filled: AuditWorld, tally: Tally, tmp_path: Path) -> None:
    path = tmp_path / "tally_audit.prom"
    tally(metrics_file=path)
    text = path.read_text(encoding="utf-8")
    assert 'tally_drift{comparison="engagement"} 0.0' in text
    assert "tally_audit_last_success_timestamp_seconds" in text
    assert "tally_events" not in text
    assert [file.name for file in tmp_path.iterdir() if file.name.endswith(".tmp")] == []


def test_an_audit_that_goes_on_serves_its_drift_and_ends_on_sigterm(filled: AuditWorld, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    command = [sys.executable, "-m", "pipeline.cli.app", "audit", "--every", "1"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=kept | filled.settings, stdout=output, stderr=output)
    try:
        await_that(lambda: "recount agree" in log.read_text(encoding="utf-8"), lambda: log.read_text(encoding="utf-8"))
        url = re.search(r"http://127\.0\.0\.1:\d+/metrics", log.read_text(encoding="utf-8"))
        assert url is not None
        with urllib.request.urlopen(url[0], timeout=10) as answer:
            assert b'tally_drift{comparison="persons"} 0.0' in answer.read()
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


OPENED = "hits = 1 AND NOT is_test AND type = 'email_opened' AND unique_open = 1"
ONE = f"(SELECT min((journal_partition, origin_offset)) FROM {{db}}.events WHERE {OPENED})"
OPEN_AT_ONE = f"type = 'email_opened' AND hits = 1 AND (journal_partition, origin_offset) = {ONE}"
SETTLED = "SETTINGS mutations_sync = 2"
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
