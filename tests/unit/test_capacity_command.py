"""`tally capacity`: what it takes, in force and as people write it, what it prints, and its exit codes."""

from __future__ import annotations

import inspect
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.capacity import figures as measured
from pipeline.capacity.figures import Figures
from pipeline.capacity.load import Load
from pipeline.capacity.needs import needs
from pipeline.cli import app, capacity_examples
from pipeline.cli.capacity import capacity
from pipeline.cli.capacity_told import shown
from pipeline.cli.quantities import count, share
from tests.unit.capacity_world import COSTS, KNOWN

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("TALLY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TALLY_HOME", str(tmp_path))


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app.app, ["capacity", *words])
    return done.exit_code, done.stdout, done.stderr


def tally(*words: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    command, environ = [sys.executable, "-m", "pipeline.cli.app", *words], {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, encoding=encoding, check=False)


def test_the_command_prints_json_in_which_limits_are_apart_from_notes() -> None:
    code, out, _ = run("--events-per-day", "1000000", "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert list(found) == ["load", "feasible", "limits", "would_do", "notes", "needs", "figures"]
    assert (found["feasible"], found["limits"], found["would_do"]) == (True, [], None)
    assert found["notes"]
    assert found["load"]["events_per_day"] == 1_000_000
    assert list(found["needs"][0]) == ["what", "value", "unit", "how"]
    fields = {"value", "unit", "what", "source", "date", "commit", "machine", "rate", "partitions"}
    assert fields == set(found["figures"]["worker_us"])


def test_a_plan_that_is_not_possible_is_exit_code_3_and_false_in_json() -> None:
    code, out, _ = run("--events-per-day", "300M", "--format", "json")
    found = json.loads(out)
    assert (code, found["feasible"]) == (3, False)
    assert found["limits"]
    assert "--worker-memory" in [one["option"] for one in found["would_do"]["each"]]
    code, out, said = run("--events-per-day", "300M")
    assert code == 3
    assert out.startswith("NOT POSSIBLE as given.\n- A worker needs ")
    assert "What comes nearest:" in out
    assert "NOT POSSIBLE" not in said


def test_a_latency_that_nothing_measured_keeps_is_a_limit() -> None:
    code, out, _ = run("--events-per-day", "1000000", "--latency", "1", "--format", "json")
    found = json.loads(out)
    assert (code, found["feasible"]) == (3, False)
    (limit,) = found["limits"]
    assert "more than the 1 asked for" in limit
    assert found["would_do"]["musts"][0]["option"] == "--latency"


ONE_ACCOUNT = "--accounts 1 --headroom 0 --worker-memory 100000 --remember-days 1 --window-days 1"


def beyond(times: float) -> list[str]:
    """Options of a load that is so many times the largest at which p99 was measured, and of one just above that p99."""
    curve = COSTS.latency
    assert curve is not None
    events, ms = round(curve.last * times * 86_400 / 4), max(curve.values) + 40
    return ["--events-per-day", f"{events}", *ONE_ACCOUNT.split(), "--latency", f"{ms:.0f}"]


def test_a_latency_is_not_promised_at_a_load_at_which_none_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "load", lambda: KNOWN)
    assert COSTS.latency is not None
    last = COSTS.latency.last
    assert run(*beyond(0.99))[0] == 0
    code, out, _ = run(*beyond(1.05), "--format", "json")
    found = json.loads(out)
    assert (code, found["feasible"]) == (3, False)
    assert any(f"was not measured beyond {last:,.0f} events/s of a worker" in limit for limit in found["limits"])
    row = next(row for row in found["needs"] if row["what"].startswith("busiest worker"))
    assert "between the loads that were measured" not in row["how"]


def test_only_what_can_help_one_account_at_its_bounds_is_advised_in_text_as_in_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measured, "load", lambda: KNOWN)
    words = [*beyond(1.15), "--largest-account", "0"]
    code, out, _ = run(*words, "--format", "json")
    would_do = json.loads(out)["would_do"]
    assert code == 3
    assert list(would_do) == ["musts", "each", "together"]
    assert [one["option"] for one in would_do["each"]] == ["--accounts", "--peak-factor"]
    said = run(*words)[1].partition("What comes nearest:")[0]
    for one in would_do["each"]:
        assert f"{one['option']} {one['value']:.12g} ({one['means']})" in said
        assert run(*words, one["option"], str(one["value"]))[0] == 0
    assert "--worker-memory" not in said
    assert "--largest-account" not in said


def test_options_that_only_do_together_are_told_in_text_as_in_json_and_do() -> None:
    words = ["--events-per-day", "1e12"]
    would_do = json.loads(run(*words, "--format", "json")[1])["would_do"]
    assert would_do["each"] == []
    told = "; ".join(f"{one['option']} {one['value']:.12g} ({one['means']})" for one in would_do["together"])
    assert f"No one option makes it possible. These together do: {told}." in run(*words)[1].replace("\n", " ")
    given = [word for one in would_do["together"] for word in (one["option"], f"{one['value']:.12g}")]
    assert run(*words, *given)[0] == 0


def test_the_command_passes_every_option_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "load", lambda: KNOWN)
    words = "--peak-factor 3 --accounts 7 --largest-account 0.3 --profiles 9 --campaigns 6 --window-days 5"
    words += " --remember-days 11 --retention-days 12 --source-days 13 --headroom 0.2 --latency 990 --freshness 8"
    words += " --worker-memory 14 --replicas 2 --clickhouse-replicas 4"
    code, out, _ = run("--events-per-day", "15", *words.split(), "--format", "json")
    assert code == 0
    assert list(json.loads(out)["load"].values()) == [15, 3, 7, 0.3, 9, 6, 5, 11, 12, 13, 0.2, 990, 8, 14, 2, 4]


def test_days_that_are_not_given_are_those_of_the_settings_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    def days(*words: str) -> list[float]:
        load = json.loads(run("--events-per-day", "15", *words, "--format", "json")[1])["load"]
        return [load[name] for name in ("window_days", "remember_days", "source_days")]

    assert days() == [7, 90, 7]
    monkeypatch.setenv("TALLY_RULES__UNIQUE_DAYS", "30")
    monkeypatch.setenv("TALLY_RULES__WINDOW_DAYS", "3")
    monkeypatch.setenv("TALLY_TOPICS__SOURCE_RETENTION_HOURS", "36")
    assert days() == [3, 30, 1.5]
    assert days("--remember-days", "4", "--window-days", "2", "--source-days", "9") == [2, 4, 9]
    done = tally("--set", "rules.unique_days=20", "capacity", "--events-per-day", "15", "--format", "json")
    assert json.loads(done.stdout)["load"]["remember_days"] == 20


@pytest.mark.parametrize("text", ["300000000", "300_000_000", "300,000,000", "300M", "300m", "3e8", "0.3bn", "0.3B"])
def test_a_count_may_be_written_as_people_write_it(text: str) -> None:
    assert count(1, 10**12)(text) == 300_000_000


@pytest.mark.parametrize(
    "text", ["0", "many", "3,00", "1.5", "-5", "1e13", "inf", "nan", "1e-3", "300 000", "1__0", ""]
)
def test_what_is_no_count_is_refused_with_what_would_do(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"is no whole number from 1 to 1,000,000,000,000; 300000000, 300_000_000, .* 3e8"
    ):
        count(1, 10**12)(text)


def test_a_share_may_be_a_number_or_per_cent() -> None:
    assert [share()(text) for text in ("0.1", "10%", ".1", "1e-1", "0", "100%", "12.5%")] == [
        0.1, 0.1, 0.1, 0.1, 0, 1, 0.125,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["1.5", "101%", "-1", "nan", "inf", "a tenth"])
def test_what_is_no_share_is_refused_with_what_would_do(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no share from 0 to 1, such as 0.1 or 10%"):
        share()(text)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--events-per-day", "0"], "'--events-per-day'"),
        (["--events-per-day", "many"], "'--events-per-day'"),
        (["--events-per-day", "5", "--headroom", "1"], "'--headroom'"),
        (["--events-per-day", "5", "--headroom", "40"], "0.4 is 40%"),
        (["--events-per-day", "5", "--largest-account", "1.5"], "'--largest-account'"),
        (["--events-per-day", "5", "--peak-factor", "0.5"], "'--peak-factor'"),
        (["--events-per-day", "5", "--peak-factor", "nan"], "'--peak-factor'"),
        (["--events-per-day", "5", "--latency", "inf"], "'--latency'"),
        (["--events-per-day", "5", "--latency", "nan"], "'--latency'"),
        (["--events-per-day", "5", "--freshness", "inf"], "'--freshness'"),
        (["--events-per-day", "5", "--worker-memory", "inf"], "'--worker-memory'"),
        ([], "'--events-per-day'"),
    ],
)
def test_a_wrong_option_is_named_and_ends_with_exit_code_2(words: list[str], told: str) -> None:
    code, _, said = run(*words)
    assert code == 2
    assert told in " ".join(said.replace("│", " ").split())


def test_a_figure_that_nobody_measured_ends_the_command_with_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "load", lambda: Figures({}))
    code, _, said = run("--events-per-day", "5")
    assert code == 1
    assert "tally: worker_fixed_mib has not been measured: `make bench`" in said


def test_the_examples_options_are_their_loads_and_their_plans_are_possible() -> None:
    for example in capacity_examples.EXAMPLES:
        words = ["--events-per-day", str(example.load.events_per_day), *example.options.split()]
        code, out, _ = run(*words, "--format", "json")
        assert Load(**json.loads(out)["load"]) == example.load
        assert code == 0, example.title
        assert needs(example.load, measured.load()).feasible


def test_the_helps_examples_are_possible() -> None:
    lines = [line.strip() for line in (inspect.getdoc(capacity) or "").splitlines()]
    examples = [shlex.split(line)[2:] for line in lines if line.startswith("tally capacity")]
    assert [run(*words)[0] for words in examples] == [0] * 3


def test_a_closed_output_is_told_in_a_sentence() -> None:
    for more in ("", " --format json"):
        command = f"{sys.executable} -m pipeline.cli.app capacity --events-per-day 5{more}"
        done = subprocess.run(f"{command} >&-", shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.splitlines()) == (
            1,
            ["tally: standard output is closed: redirect it to a file or to /dev/null"],
        )
        both = subprocess.run(f"{command} >&- 2>&-", shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
        assert both.returncode == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_output_that_lacks_characters_gets_what_python_writes_for_them(encoding: str) -> None:
    done = tally("capacity", "--events-per-day", "300M", encoding=encoding)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    told = tally("capacity", "--events-per-day", "5", "--format", "json", encoding=encoding)
    assert json.loads(told.stdout)["needs"][0]["how"].startswith("5 events ÷ 86,400 s x 4")


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.5, "GiB", "512 MiB"),
        (1.04, "GiB", "1.0 GiB"),
        (1024.0, "GiB", "1.0 TiB"),
        (2, "processes", "2 processes"),
        (0.0099, "cores", "under 0.01 cores"),
        (0.0123, "cores", "0.012 cores"),
        (12.6, "cores", "13 cores"),
        (46296.3, "events/s", "46,296 events/s"),
    ],
)
def test_values_are_shown_as_people_read_them(value: float, unit: str, told: str) -> None:
    assert shown(value, unit) == told
