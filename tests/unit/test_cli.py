"""The command line: quick help, examples everywhere, exit codes, generated docs."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app, console, reference

ROOT = Path(__file__).parents[2]
TALLY = [sys.executable, "-m", "pipeline.cli.app"]
SLOW = (
    "aiokafka",
    "chdb",
    "clickhouse_connect",
    "confluent_kafka",
    "fastavro",
    "faust",
    "numpy",
    "pyarrow",
    "pydantic",
)
NOWHERE = "127.0.0.1:9"  # the discard port: nobody listens there
RUNNER = CliRunner()


def tally(*arguments: str, home: Path, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """A run of the command in an environment of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    return subprocess.run(
        [*TALLY, *arguments],
        env={**clean, "TALLY_HOME": str(home), **environ},
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_help_imports_nothing_slow() -> None:
    code = "import sys; from pipeline.cli import app; from typer.testing import CliRunner; "
    code += "assert CliRunner().invoke(app.app, ['--help']).exit_code == 0; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(SLOW) & set(loaded.stdout.split())


def test_the_help_lists_every_command_with_its_line() -> None:
    shown = " ".join(RUNNER.invoke(app.app, ["--help"]).output.split())
    for name in app.COMMANDS:
        assert name.split(" ", maxsplit=1)[0] in shown
    assert app.COMMANDS["wait"][1].split(" until")[0] in shown


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_command_explains_itself_with_examples(name: str) -> None:
    shown = RUNNER.invoke(app.app, [*name.split(), "--help"])
    assert shown.exit_code == 0
    text = inspect.getdoc(app.resolve(name).callback) or ""
    assert "Examples:" in text
    assert f"tally {name}" in text or f"{name}" in text
    assert text.splitlines()[0].split()[0] in shown.output


PAGES = [
    "settings.md",
    "commands.md",
    "metrics.md",
    "capacity.md",
    *(f"vendors/{name}.md" for name in reference.VENDORS),
]


@pytest.mark.parametrize("page", PAGES)
def test_the_docs_are_what_the_code_says(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert text == reference.with_section(text, reference.sections()[page]), "run `make docs`"


def test_an_unknown_command_or_option_is_exit_2() -> None:
    assert RUNNER.invoke(app.app, ["nonsense"]).exit_code == console.Exit.USAGE
    assert RUNNER.invoke(app.app, ["wait", "--nonsense"]).exit_code == console.Exit.USAGE


def test_wrong_settings_are_told_together_and_are_exit_2(tmp_path: Path) -> None:
    run = tally("topics", "plan", home=tmp_path, TALLY_TOPICS__PARTITIONS="0", TALLY_SINK__ROW="1")
    assert run.returncode == console.Exit.USAGE
    assert "2 settings are wrong" in run.stderr
    assert "TALLY_TOPICS__PARTITIONS" in run.stderr
    assert "TALLY_SINK__ROWS is meant" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_setting_may_be_an_option(tmp_path: Path) -> None:
    run = tally("--set", "topics.partitions=9", "settings", "--format", "json", home=tmp_path)
    rows = {row["setting"]: row for row in json.loads(run.stdout)}
    assert rows["topics.partitions"]["value"] == "9"
    assert rows["topics.partitions"]["origin"] == "option"
    assert rows["home"]["origin"] == "environment"
    assert tally("--set", "topics.partitions", "settings", home=tmp_path).returncode == console.Exit.USAGE


def test_a_pipe_that_is_closed_ends_the_command_without_a_trace(tmp_path: Path) -> None:
    run = subprocess.run(
        f"{' '.join(TALLY)} settings | head -1", shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr


def test_an_absent_kafka_is_told_within_10_seconds_with_the_address_and_what_to_do(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    absent = {"TALLY_KAFKA__BOOTSTRAP_SERVERS": NOWHERE, "TALLY_CLICKHOUSE__URL": f"http://{NOWHERE}"}
    began = time.monotonic()
    runs = [
        subprocess.Popen(
            [*TALLY, *command.split()], cwd=ROOT, env=clean | absent, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for command in ("topics plan", "produce -", "simulate --events 1", "wait")
    ]
    said = [run.communicate(timeout=60)[1].decode() for run in runs]
    seconds = time.monotonic() - began
    assert [run.returncode for run in runs] == [console.Exit.FAILED] * len(runs)
    assert not [text for text in said if NOWHERE not in text or "TALLY_KAFKA__BOOTSTRAP_SERVERS" not in text]
    assert seconds < 10.0


def test_without_a_stack_the_message_says_what_to_run(tmp_path: Path) -> None:
    run = tally("topics", "apply", home=tmp_path)
    assert run.returncode == console.Exit.USAGE
    assert "tally up" in run.stderr


GOOD = '{"account_id":"a","source":"s","type":"email_opened","occurred_at":"2026-11-21T10:00:00Z"}\n'


def test_a_dry_run_needs_no_kafka_and_tells_every_bad_line(tmp_path: Path) -> None:
    lines = GOOD + "\n" + "nonsense\n" + GOOD + '{"type":"email_opend"}\n'
    run = tally("produce", "-", "--dry-run", "--on-error", "skip", "--format", "json", home=tmp_path, stdin=lines)
    assert run.returncode == console.Exit.FAILED
    facts = json.loads(run.stdout)
    assert (facts["lines"], facts["events"], facts["bad"], facts["sent"]) == (5, 2, 2, 0)
    assert [(fault["line"], fault["field"]) for fault in facts["faults"]] == [(3, "line"), (5, "type")]
    assert "line 5: type: 'email_opend' is unknown; near it: email_opened" in run.stderr


def test_a_dry_run_stops_at_the_first_bad_line(tmp_path: Path) -> None:
    run = tally("produce", "-", "--dry-run", home=tmp_path, stdin=GOOD + "nonsense\n" + GOOD)
    assert run.returncode == console.Exit.FAILED
    assert "stopped at line 2" in run.stderr
    assert "2 lines: 1 event would be sent, 1 bad line;" in run.stderr


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    run = tally("produce", "--dry-run", str(tmp_path / "gone.jsonl"), home=tmp_path)
    assert run.returncode == console.Exit.FAILED
    assert "No such file" in run.stderr


def test_traffic_goes_to_a_file_and_the_file_through_produce(tmp_path: Path) -> None:
    file = tmp_path / "traffic.jsonl"
    arguments = ("--events", "2000", "--seed", "3", "--start", "2026-11-21T10:00:00Z", "--format", "json")
    run = tally("simulate", "--to", str(file), *arguments, home=tmp_path)
    assert run.returncode == console.Exit.OK, run.stderr
    facts = json.loads(run.stdout)
    checked = tally("produce", str(file), "--dry-run", "--format", "json", home=tmp_path)
    assert checked.returncode == console.Exit.OK
    assert json.loads(checked.stdout)["events"] == facts["published"]
    first = file.read_bytes()
    tally("simulate", "--to", str(file), *arguments, home=tmp_path)
    assert file.read_bytes() == first


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_traffic_without_end_stops_cleanly_on_a_signal(number: int, tmp_path: Path) -> None:
    file = tmp_path / "traffic.jsonl"
    command = [*TALLY, "simulate", "--rate", "500", "--to", str(file), "--format", "json"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    process = subprocess.Popen(command, cwd=ROOT, env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 20
        while (not file.exists() or not file.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        said, complaint = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == console.Exit.OK, complaint
    assert json.loads(said)["published"] == len(file.read_text().splitlines())


def test_bulk_traffic_to_a_file_is_refused(tmp_path: Path) -> None:
    run = tally("simulate", "--traffic", "bulk", "--to", "x.jsonl", home=tmp_path)
    assert run.returncode == console.Exit.USAGE
