"""The quick bench warns of what is slower than its baseline beyond the noise that was measured, and of nothing else."""

from __future__ import annotations

import gc
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import quick
from tests.bench.plan import Bench
from tests.bench.quick import told
from tests.bench.quick_baseline import NOISE_MIN, Baseline, Ratio, compare, of_runs
from tests.unit.bench_world import QUIET, ROOT


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def baseline(median: float = 4.0, noise: float = 0.05, cpu: str = "a CPU") -> Baseline:
    return Baseline({"core": ratio(median, noise, cpu)})


def ratio(median: float, noise: float, cpu: str = "a CPU") -> Ratio:
    return Ratio(median, noise, "abc", cpu, "2026-01-02 03:04")


def verdict(value: float, median: float = 4.0, noise: float = 0.05) -> tuple[str, int]:
    (line,), warnings = compare(baseline(median, noise), {"core": value})
    return line.rsplit(": ", 1)[1], len(warnings)


def test_a_ratio_beyond_twice_the_noise_is_slower_and_one_at_it_is_not() -> None:
    assert verdict(4.0) == ("as before", 0)
    assert verdict(4.4) == ("as before", 0)  # 4.0 and twice 5 %
    assert verdict(4.41) == ("slower", 1)


def test_a_ratio_below_the_noise_is_faster_and_warns_of_nothing() -> None:
    assert verdict(3.65) == ("as before", 0)
    assert verdict(3.63) == ("faster", 0)


def test_a_baseline_whose_runs_were_alike_by_chance_has_the_least_noise() -> None:
    assert verdict(4.0 * (1 + 2 * NOISE_MIN), noise=0.0) == ("as before", 0)
    assert verdict(4.0 * (1 + 2 * NOISE_MIN) + 0.01, noise=0.0) == ("slower", 1)


def test_the_baseline_is_the_median_of_its_runs_and_the_farthest_run_its_noise() -> None:
    found = of_runs([{"core": 4.0, "worker": 2.0}, {"core": 4.2, "worker": 2.0}, {"core": 3.0, "worker": 2.0}], QUIET)
    assert found == {"core": ratio(4.0, 0.25), "worker": ratio(2.0, 0.0)}


def test_what_only_one_of_them_has_is_told() -> None:
    lines, warnings = compare(baseline(), {"worker": 2.5})
    assert lines == ["worker: 2.50 times the floor; not in the baseline", "core: in the baseline, not measured now"]
    assert warnings == []


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    baseline().write(tmp_path / "baseline.json")
    assert Baseline.read(tmp_path / "baseline.json") == baseline()
    assert Baseline.read(tmp_path / "none.json") is None


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle machine, another commit, a worker that was measured."""
    values = iter((2.0, 2.2))
    monkeypatch.setattr(quick, "worker", lambda: next(values))
    monkeypatch.setattr(quick, "at_start", lambda: replace(QUIET, commit="def", date="2026-02-03 04:05"))


@pytest.mark.usefixtures("later")
def test_a_baseline_of_one_part_leaves_the_other_as_it_was_with_its_commit_and_date(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    baseline().write(path)
    assert quick.main(["--only", "worker", "--update-baseline", "--runs", "2", "--baseline", str(path)]) == 0
    found = Baseline.read(path)
    assert found is not None
    new = Ratio(2.1, 0.0476, "def", "a CPU", "2026-02-03 04:05")
    assert found.ratios == {"core": ratio(4.0, 0.05), "worker, short backlog": new}


def test_no_baseline_is_taken_of_a_busy_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    baseline().write(tmp_path / "baseline.json")
    states = iter((QUIET, replace(QUIET, busy_before=0.5)))
    monkeypatch.setattr(quick, "at_start", lambda: next(states))
    monkeypatch.setattr(quick, "worker", lambda: 2.0)
    asked = ["--only", "worker", "--update-baseline", "--baseline", str(tmp_path / "baseline.json")]
    assert quick.main(asked) == 1
    assert "50% of its cores in use by others" in capsys.readouterr().out
    assert Baseline.read(tmp_path / "baseline.json") == baseline()


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (["--runs", "2"], "--runs is of --update-baseline: leave it out, or give both"),
        (["--only", "cores"], "argument --only: cores: not among core, worker"),
        (["--only", ""], "argument --only: '' names no part"),
        (["--baseline", "none.json"], "argument --baseline: 'none.json' is not there"),
        (["--baseline", "/proc"], "argument --baseline: '/proc' is a folder: name a file"),
        (["--update-baseline", "--baseline", "/proc/x/y"], "argument --baseline: no file can be made in '/proc/x'"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_measured(
    words: list[str], right: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(quick, "measure")
    with pytest.raises(SystemExit) as ended:
        quick.main(words)
    assert ended.value.code == 2
    assert right in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", '{"ratios": {"core": {"median": 1.0}}}'])
@pytest.mark.parametrize("words", [[], ["--update-baseline"]])
def test_a_file_that_is_no_baseline_is_told_before_anything_is_measured(
    text: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delattr(quick, "measure")
    (tmp_path / "baseline.json").write_text(text, encoding="utf-8")
    assert quick.main([*words, "--baseline", str(tmp_path / "baseline.json")]) == 2
    assert f"{tmp_path / 'baseline.json'} is no baseline" in capsys.readouterr().out
    assert (tmp_path / "baseline.json").read_text(encoding="utf-8") == text


def test_parts_are_named_as_benches_are(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(quick, "core", lambda: {"core": 4.0})
    monkeypatch.setattr(quick, "worker", lambda: 2.0)
    monkeypatch.setattr(quick, "at_start", lambda: QUIET)
    assert quick.main(["--only", "core,worker"]) == 0
    out = capsys.readouterr().out
    assert "core: 4.00 times the floor" in out
    assert "worker, short backlog: 2.00 times the floor" in out


def test_the_stored_baseline_can_be_read() -> None:
    stored = Baseline.read(quick.BASELINE)
    assert stored is not None
    assert list(stored.ratios) == ["core, 2,000 a batch", "core, 10,000 a batch", "worker, short backlog"]
    assert min(len(one.commit) for one in stored.ratios.values()) >= 7


def test_the_list_of_targets_stands_in_columns() -> None:
    done = subprocess.run(["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [re.fullmatch(r"  make (\S+ +)(\S.*)", row) for row in done.stdout.splitlines()]
    assert len(rows) >= 20
    assert len({len(row[1]) for row in rows if row is not None}) == 1
    assert None not in rows


def test_a_worker_that_fails_ends_it_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quick, "WORKER", Bench("tests.bench.nothing", "is not there", 1))
    assert quick.main(["--only", "worker"]) == 1
    assert "No module named tests.bench.nothing\nexit code 1" in capsys.readouterr().out


def test_a_regression_is_a_warning_and_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(baseline(), {"core": 5.0}, "a CPU") == 0
    out = capsys.readouterr().out
    assert "core: 5.00 times the floor, 4.00 at abc (+25%, slower above 4.40): slower" in out
    assert "WARNING: core is slower: 5.00 times the floor, above 4.40 of the baseline" in out
    assert "another CPU" not in out


def test_another_cpu_and_no_baseline_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(baseline(cpu="an old CPU"), {"core": 4.0}, "a CPU") == 0
    assert "the baseline is of another CPU (an old CPU)" in capsys.readouterr().out
    assert told(None, {"core": 4.0}, "a CPU") == 0
    assert "there is no baseline yet" in capsys.readouterr().out


def test_the_core_is_measured_over_batches_of_both_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "EVENTS", 2_000)
    monkeypatch.setattr(quick, "ROUNDS", 1)
    monkeypatch.setattr(quick, "SMALL", quick.Size(1_000, 500, 10))
    found = quick.core()
    assert list(found) == ["core, 2,000 a batch", "core, 10,000 a batch"]
    assert min(found.values()) > 0
