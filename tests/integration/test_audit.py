"""The audit on a real Kafka and a real engine: no drift where all is sound, and what is said where it cannot tell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from connectors.clickhouse import recount
from tests.integration import audit_world
from tests.integration.audit_world import ACCOUNTS, SETTLED, AuditWorld, Tally, auditing, journaled
from tests.integration.sink_world import ROOT, STOP_SECONDS, await_that

world = pytest.fixture(journaled)
filled = pytest.fixture(audit_world.filled)
tally = pytest.fixture(auditing)


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
