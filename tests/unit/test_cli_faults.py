"""What the command line says about output that cannot be written, answers to print, and files that it cannot read."""

from __future__ import annotations

import gzip
import json
import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app, clickhouse, console

ROOT = Path(__file__).parents[2]
TALLY = [sys.executable, "-m", "pipeline.cli.app"]
FULL = Path("/dev/full")
GOOD = '{"account_id":"a","source":"s","type":"email_opened","occurred_at":"2026-11-21T10:00:00Z"}\n'


def tally(*arguments: str, home: Path, stdin: str = "", stdout: int | None = None) -> subprocess.CompletedProcess[str]:
    """A run of the command; nothing is set but its home."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    return subprocess.run(
        [*TALLY, *arguments],
        env={**clean, "TALLY_HOME": str(home)},
        cwd=ROOT,
        input=stdin,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "command", [("settings",), ("settings", "--format", "json"), ("produce", "-", "--dry-run", "--format", "json")]
)
def test_output_that_cannot_be_written_is_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    with FULL.open("w") as full:
        run = tally(*command, home=tmp_path, stdout=full.fileno(), stdin=GOOD)
    assert run.returncode == console.Exit.FAILED
    assert run.stderr.splitlines()[-1] == "tally: cannot write the output: No space left on device"
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr


def test_the_example_of_produce_works_as_it_stands(tmp_path: Path) -> None:
    shown = app.resolve("produce").callback.__doc__ or ""
    found = re.search(r"^ *echo (.*) \| tally produce -$", shown, re.MULTILINE)
    assert found, "no example on one line"
    [line] = shlex.split(found[1])
    assert tally("produce", "-", "--dry-run", home=tmp_path, stdin=line).returncode == console.Exit.OK


def test_an_answer_is_json_whatever_its_numbers() -> None:
    row = {"a": math.nan, "b": [math.inf, 1.5], "c": {"d": -math.inf}, "e": b"\x01", "f": True}
    assert clickhouse.json_value(row) == {"a": None, "b": [None, 1.5], "c": {"d": None}, "e": "01", "f": True}


@pytest.mark.parametrize(
    ("value", "cell"),
    [(True, "true"), (False, "false"), ({"a": "b"}, '{"a": "b"}'), ([1, True], "[1, true]"),
     (("é", None), '["é", null]'), ("x", "x"), (b"\x01", "01"), (5, 5), (None, None)],
)  # fmt: skip
def test_a_csv_cell_is_in_jsons_notation(value: object, cell: object) -> None:
    assert clickhouse.csv_value(value) == cell


@pytest.mark.parametrize("sql", ["", " ;\n"])
def test_an_empty_statement_is_exit_2(sql: str) -> None:
    run = CliRunner().invoke(app.app, ["query", sql])
    assert run.exit_code == console.Exit.USAGE
    assert "no statement" in run.output


def test_one_line_is_one_event(tmp_path: Path) -> None:
    run = tally("produce", "-", "--dry-run", home=tmp_path, stdin=GOOD)
    assert "1 line: 1 event would be sent, 0 bad lines;" in run.stderr


def test_a_gzip_file_of_another_name_is_recognised(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(gzip.compress(GOOD.encode()))
    run = tally("produce", "--dry-run", str(file), home=tmp_path)
    assert run.returncode == console.Exit.FAILED
    assert "line 1: line: is gzip" in run.stderr
    assert ".gz" in run.stderr


def test_a_file_that_cannot_be_read_is_told_alone(tmp_path: Path) -> None:
    for file, why in ((tmp_path / "gone.jsonl", "No such file or directory"), (tmp_path, "Is a directory")):
        run = tally("produce", str(file), home=tmp_path)
        assert run.returncode == console.Exit.FAILED
        assert run.stderr == f"tally: cannot read {file}: {why}\n"
        assert not run.stdout


def test_a_summary_in_json_is_kept_when_a_line_names_nobody(tmp_path: Path) -> None:
    line = json.dumps({**json.loads(GOOD), "profile_id": "Guest "})
    run = tally("produce", "-", "--dry-run", "--format", "json", home=tmp_path, stdin=line)
    assert run.returncode == console.Exit.FAILED
    assert "line 1: profile_id: 'Guest ' names nobody" in run.stderr
    assert json.loads(run.stdout)["bad"] == 1


@pytest.mark.parametrize("command", ["produce --on-error x -", "journal show --format x"])
def test_a_wrong_choice_is_told_without_the_parsers_preface(command: str) -> None:
    run = CliRunner().invoke(app.app, command.split())
    assert run.exit_code == console.Exit.USAGE
    assert "Value error" not in run.output
    assert "'x' is not one of" in run.output
