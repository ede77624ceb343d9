"""`tally import` without Kafka: what a dry run says, and what is wrong before anything is read."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app, console, import_
from pipeline.cli.import_told import Told
from pipeline.settings_tree import Rules

RUNNER = CliRunner()
HEADER = "event_id,type,occurred_at,profile_id"


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An endpoint of vendor `own`, in a home of the test's own."""
    monkeypatch.setenv("TALLY_HOME", str(tmp_path))
    options = ("--vendor", "own", "--account", "acme", "--source", "crm", "--format", "json")
    made = RUNNER.invoke(app.app, ["endpoints", "new", *options])
    assert made.exit_code == console.Exit.OK, made.output
    return str(json.loads(made.stdout)["id"])


def tally(*arguments: str | Path, stdin: str | bytes = "") -> Any:
    return RUNNER.invoke(app.app, ["import", "--dry-run", *map(str, arguments)], input=stdin)


def table(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_dry_run_counts_by_type_and_reason_with_the_lines_of_faults(endpoint: str, tmp_path: Path) -> None:
    good, wrong = "1,email_opened,2026-11-21T10:00:00Z,p", "2,email_bakced,2026-11-21T10:00:00Z,p"
    path = table(tmp_path / "a.csv", good, wrong, good.replace("opened", "clicked"))
    run = tally(path, "--endpoint", endpoint, "--format", "json")
    (file,) = json.loads(run.stdout)["files"]
    assert (file["form"], file["delimiter"], file["rows"]) == ("csv", ",", 3)
    assert file["types"] == {"email_opened": 1, "email_clicked": 1}
    assert file["reasons"] == {"unknown_type": 1}
    assert [(fault["line"], fault["reason"]) for fault in file["faults"]] == [(3, "unknown_type")]
    assert run.exit_code == console.Exit.DIFFERENT
    assert not (tmp_path / "imports").exists()


def test_what_lies_outside_the_window_is_told_with_its_days_and_the_setting(endpoint: str, tmp_path: Path) -> None:
    old = [f"{n},email_opened,2024-0{n}-01T10:00:00Z,p" for n in (1, 2, 3)]
    run = tally(table(tmp_path / "a.csv", *old, "9,email_opened,2999-01-01T00:00:00Z,p"), "--endpoint", endpoint)
    assert run.exit_code == console.Exit.DIFFERENT
    said = " ".join(run.stderr.split())
    assert "3 events from 2024-01-01 to 2024-03-01: older than the acceptance window of 7 days" in said
    assert "TALLY_RULES__WINDOW_DAYS" in said
    assert "dead_letters" in said
    assert "1 event from 2999-01-01 to 2999-01-01: of the future" in said
    assert "4 events and 0 refusals would be sent" in said


def test_the_first_faults_are_lines_and_the_rest_is_counted(endpoint: str, tmp_path: Path) -> None:
    run = tally(table(tmp_path / "a.csv", *["x"] * 1_013), "--endpoint", endpoint)
    assert run.stderr.count("a.csv: line ") == 10
    assert "and 1,003 more: --format json tells the first 1,000" in run.stderr


def test_standard_input_and_several_files_are_read(endpoint: str, tmp_path: Path) -> None:
    one = '{"event_id":"1","type":"email_opened","occurred_at":"2026-11-21T10:00:00Z","profile_id":"p"}'
    path = table(tmp_path / "a.csv", "1,email_opened,2026-11-21T10:00:00Z,p")
    run = tally("-", path, "--endpoint", endpoint, "--format", "json", stdin=f"{one}\n{one}\n")
    assert [(file["form"], file["rows"]) for file in json.loads(run.stdout)["files"]] == [("lines", 2), ("csv", 1)]


@pytest.mark.parametrize(("given", "character"), [("|", "|"), ("tab", "\t"), ("\\t", "\t")])
def test_a_delimiter_is_a_character_or_its_name(endpoint: str, tmp_path: Path, given: str, character: str) -> None:
    row = character.join(["1", "email_opened", "2026-11-21T10:00:00Z", "p"])
    path = table(tmp_path / "a.csv", row, header=HEADER.replace(",", character))
    run = tally(path, "--endpoint", endpoint, "--delimiter", given, "--format", "json")
    assert json.loads(run.stdout)["files"][0]["events"] == 1


@pytest.mark.parametrize("given", ["", ";;", '"', "\n"])
def test_a_delimiter_that_is_none_is_told(endpoint: str, given: str) -> None:
    run = tally("a.csv", "--endpoint", endpoint, "--delimiter", given)
    assert run.exit_code == console.Exit.USAGE
    assert "--delimiter" in run.stderr


def test_files_that_cannot_be_read_are_told_and_the_others_read(endpoint: str, tmp_path: Path) -> None:
    good = table(tmp_path / "good.csv", "1,email_opened,2026-11-21T10:00:00Z,p")
    twice = table(tmp_path / "twice.csv", header="type,type")
    run = tally(tmp_path / "nothing.csv", twice, good, "--endpoint", endpoint, "--format", "json")
    assert run.exit_code == console.Exit.FAILED
    failures = [file["failure"] for file in json.loads(run.stdout)["files"]]
    assert "nothing.csv cannot be read: No such file" in failures[0]
    assert "twice.csv names the column 'type' twice" in failures[1]
    assert failures[2] is None


def test_an_endpoint_that_is_not_there_is_told(endpoint: str) -> None:
    run = tally("a.csv", "--endpoint", f"{endpoint}x")
    assert run.exit_code == console.Exit.USAGE
    assert "tally endpoints list" in run.stderr


def test_an_encoding_that_nobody_knows_is_a_wrong_option(endpoint: str) -> None:
    run = tally("a.csv", "--endpoint", endpoint, "--encoding", "bogus")
    assert run.exit_code == console.Exit.USAGE
    assert "--encoding" in run.stderr
    assert "'bogus'" in run.stderr


def test_a_wrong_delimiter_is_told_before_any_row(endpoint: str, tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "1,email_opened,2026-11-21T10:00:00Z,p")
    run = tally(path, "--endpoint", endpoint, "--delimiter", "|", "--format", "json")
    assert run.exit_code == console.Exit.FAILED
    assert "'|' is not its delimiter" in run.stderr
    assert "rows" not in json.loads(run.stdout)["files"][0]


@pytest.mark.parametrize("form", ["auto", "lines"])
def test_a_first_line_that_is_too_long_is_one_undecodable_row_and_with_lines_the_next_one_is_read(
    endpoint: str, tmp_path: Path, form: str
) -> None:
    good = '{"event_id":"1","type":"email_opened","occurred_at":"2026-11-21T10:00:00Z","profile_id":"p"}\n'
    path = tmp_path / "a.ndjson"
    path.write_text('{"x":"' + "x" * (9 << 20) + '"}\n' + good, encoding="utf-8")
    run = tally(path, "--endpoint", endpoint, "--form", form, "--format", "json")
    (file,) = json.loads(run.stdout)["files"]
    assert file["reasons"] == {"undecodable": 1}
    assert file["events"] == (1 if form == "lines" else 0)
    assert ("say --form lines" in (file["failure"] or "")) == (form == "auto")
    assert "more than 8,388,608 bytes" in (file["failure"] or "") or form == "lines"


@pytest.mark.parametrize("ended", [KeyboardInterrupt(), SystemExit(143)])
def test_an_import_that_a_signal_ends_says_that_it_goes_on(
    ended: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    for dry_run in (False, True):
        with pytest.raises(type(ended)), import_._stopped_in_words(Told([], Rules(), dry_run)):
            raise ended
        assert ("start it again with the same options: it goes on" in capsys.readouterr().err) != dry_run


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_has_its_own_exit_code(endpoint: str, number: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "pipeline.cli.app", "import", "-", "--dry-run", "--endpoint", endpoint]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(b'{"a": 1}\n' * 200_000)  # taken up to what a pipe holds: it reads, and waits for more
        process.stdin.flush()
        process.send_signal(number)
        assert process.wait(30) == code
    finally:
        process.kill()
        process.communicate()
