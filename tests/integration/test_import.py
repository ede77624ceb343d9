"""`tally import` on real parts: twice changes nothing; killed and resumed, every row counts once."""

from __future__ import annotations

import csv
import gzip
import json
import random
import signal
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.files.positions import FOLDER
from tests.e2e.deployment import Deployment, deployed
from tests.integration.intake_world import Account, ago, await_that, hook, started, tally

ROWS = 9_000
KILLS = 3
DEATH_SECONDS = 60  # within which a few thousand rows are sent
WINDOW_DAYS = 30  # of the deployment's rules


@pytest.fixture(scope="module")
def deployment(kafka: str, clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, clickhouse, tmp_path_factory.mktemp("import")) as one:
        yield one


@pytest.fixture
def account(deployment: Deployment) -> Account:
    return Account(deployment)


def opened(number: int, at: datetime) -> dict[str, str]:
    """A row of a producer's own table."""
    when = at.isoformat().replace("+00:00", "Z")
    return {
        "event_id": f"e{number}",
        "type": "email_opened",
        "occurred_at": when,
        "profile_id": f"p{number}",
        "campaign_id": "c1",
    }


def table(path: Path, rows: list[dict[str, str]], delimiter: str = ";") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def imported(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    """What the command says as JSON."""
    run = tally("import", *map(str, arguments), "--format", "json")
    assert run.returncode == code, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_importing_twice_changes_nothing_whatever_the_form_of_the_file(
    deployment: Deployment, account: Account, tmp_path: Path
) -> None:
    endpoint = account.endpoint("own", "--source", "crm")
    rows = [opened(number, ago(days=2)) for number in range(300)]
    semicolons = table(tmp_path / "a.csv", rows)
    first = imported(semicolons, "--endpoint", endpoint)
    (file,) = first["files"]
    assert (file["form"], file["delimiter"], file["rows"], file["events"], first["sent"]) == ("csv", ";", 300, 300, 300)
    assert account.counted(300) == {"read": 300, "accepted": 300, "duplicates": 0, "rejected": 0}
    expected = [("c1", "email", 300, 300)]
    assert account.engagement() == expected
    lines = tmp_path / "a.ndjson.gz"
    lines.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))
    a_list = tmp_path / "a.json"
    a_list.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    again = imported(semicolons, lines, a_list, "--endpoint", endpoint)
    assert [file["form"] for file in again["files"]] == ["csv", "lines", "list"]
    assert account.counted(1_200) == {"read": 1_200, "accepted": 300, "duplicates": 900, "rejected": 0}
    assert account.engagement() == expected
    assert not list((deployment.settings.home / FOLDER).iterdir())


def test_what_the_tool_delivered_before_is_a_duplicate_of_its_export(account: Account, tmp_path: Path) -> None:
    endpoint = account.endpoint("altcraft")
    at = ago(days=1)
    delivered, exported = tmp_path / "delivered.json", tmp_path / "history.csv"
    delivered.write_text(json.dumps([hook(number, at) for number in range(50)]), encoding="utf-8")
    table(exported, [_flat(hook(number, at)) for number in range(80)], ",")
    imported(delivered, "--endpoint", endpoint)
    account.counted(50)
    assert imported(exported, "--endpoint", endpoint)["sent"] == 80
    assert account.counted(130) == {"read": 130, "accepted": 80, "duplicates": 50, "rejected": 0}
    assert account.engagement() == [("130", "email", 80, 80)]


def _flat(one: dict[str, Any]) -> dict[str, str]:
    """A hook as a row of a table: what is inside with a dot."""
    inner = {f"event_data.{name}": value for name, value in one["event_data"].items()}
    plain = {name: value for name, value in one.items() if name != "event_data"} | inner
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in plain.items()}


def test_killed_at_random_points_and_resumed_every_row_counts_once(
    deployment: Deployment, account: Account, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    endpoint = account.endpoint("own", "--source", "crm")
    path, log = tmp_path / "history.ndjson", tmp_path / "import.log"
    at, broken = ago(days=2), sorted(dice.sample(range(ROWS), 20))
    lines = ["{" + str(n) if n in broken else json.dumps(opened(n, at)) for n in range(ROWS)]
    path.write_text("\n".join(lines), encoding="utf-8")
    came_to = [_killed(deployment, dice, log, path, endpoint) for _ in range(KILLS)]
    assert came_to == sorted(came_to)
    assert 0 < came_to[-1] < ROWS, came_to
    (file,) = imported(path, "--endpoint", endpoint, code=3)["files"]
    assert file["skipped"] == came_to[-1]
    assert file["rows"] == ROWS
    assert file["refused"] <= len(broken)
    await_that(lambda: account.fates()["accepted"] >= ROWS - len(broken), 60, lambda: str(account.fates()))
    tally("wait", "--timeout", "60")
    found = account.fates()
    assert found["accepted"] == ROWS - len(broken)
    assert account.dead_letters() == {b"{%d" % n: "undecodable" for n in broken}
    assert account.engagement() == [("c1", "email", ROWS - len(broken), ROWS - len(broken))]


def _killed(deployment: Deployment, dice: random.Random, log: Path, path: Path, endpoint: str) -> int:
    """Import, dead at a random row beyond those that are remembered; returns the rows that are remembered now."""
    rows = dice.randrange(ROWS // KILLS // 2, ROWS // KILLS)
    dying = (sys.executable, "-m", "tests.integration.dying_import", str(rows))
    process = started(log, "import", str(path), "--endpoint", endpoint, program=dying)
    assert process.wait(DEATH_SECONDS) == -signal.SIGKILL, f"it ended otherwise: {log.read_text()}"
    return sum(json.loads(state.read_bytes())["rows"] for state in (deployment.settings.home / FOLDER).glob("*.json"))


def test_old_rows_are_told_with_the_setting_and_stay_as_dead_letters_with_their_bytes(
    account: Account, tmp_path: Path
) -> None:
    endpoint = account.endpoint("own", "--source", "crm")
    ages = [1, WINDOW_DAYS - 1, WINDOW_DAYS + 1, 400]
    rows = [opened(number, ago(days=days)) for number, days in enumerate(ages)]
    path = table(tmp_path / "history.csv", rows, ",")
    dry = tally("import", str(path), "--endpoint", endpoint, "--dry-run")
    assert dry.returncode == 3, dry.stderr
    assert f"2 events from {rows[3]['occurred_at'][:10]} to {rows[2]['occurred_at'][:10]}" in dry.stderr
    assert "TALLY_RULES__WINDOW_DAYS" in dry.stderr
    assert "dead_letters" in dry.stderr
    (file,) = imported(path, "--endpoint", endpoint, code=3)["files"]
    assert file["too_late"]["events"] == 2
    assert account.counted(4) == {"read": 4, "accepted": 2, "duplicates": 0, "rejected": 2}
    found = account.dead_letters()
    assert set(found.values()) == {"too_late"}
    assert len(found) == 2
    for number in (2, 3):  # the event as it was published: its id, profile and type are in its bytes
        assert [raw for raw in found if f"e{number}".encode() in raw and f"p{number}".encode() in raw]


def test_refused_rows_are_dead_letters_with_the_files_own_bytes(account: Account, tmp_path: Path) -> None:
    endpoint = account.endpoint("altcraft")
    path = tmp_path / "history.csv"
    unknown = b'"made_up",2026-11-21T10:00:00Z,"a,\nb"\r\n'
    short = b"open,2026-11-21T10:00:00Z\r\n"
    path.write_bytes(b"event_type,event_date,profile_id\r\n" + unknown + short)
    run = imported(path, "--endpoint", endpoint, code=3)
    assert [fault["line"] for fault in run["files"][0]["faults"]] == [2, 4]
    assert account.counted(2) == {"read": 2, "accepted": 0, "duplicates": 0, "rejected": 2}
    assert account.dead_letters() == {unknown: "unknown_type", short: "undecodable"}


def test_files_that_cannot_be_read_are_told_and_others_are_imported(account: Account, tmp_path: Path) -> None:
    endpoint = account.endpoint("own", "--source", "crm")
    good = table(tmp_path / "good.csv", [opened(1, ago(days=1))])
    cut = tmp_path / "cut.ndjson.gz"
    lines = "\n".join(json.dumps(opened(number, ago(days=1))) for number in range(5_000))
    cut.write_bytes(gzip.compress(lines.encode())[:-100])
    run = tally("import", str(cut), str(tmp_path / "nothing.csv"), str(good), "--endpoint", endpoint)
    assert run.returncode == 1
    assert "cut.ndjson.gz ends in the middle" in run.stderr
    assert "nothing.csv cannot be read: No such file or directory" in run.stderr
    await_that(lambda: account.fates()["accepted"] > 1, 60, lambda: str(account.fates()))
