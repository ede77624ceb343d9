"""The quick bench warns of what is slower than its baseline beyond the noise that was measured, and of nothing else."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import quick
from tests.bench.plan import Bench
from tests.bench.quick import NOISE_MIN, Baseline, Ratio, compare, of_runs, told


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def baseline(median: float = 4.0, noise: float = 0.05, cpu: str = "a CPU") -> Baseline:
    return Baseline({"core": Ratio(median, noise)}, "abc", cpu, "2026-01-02 03:04")


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
    found = of_runs([{"core": 4.0, "worker": 2.0}, {"core": 4.2, "worker": 2.0}, {"core": 3.0, "worker": 2.0}])
    assert found == {"core": Ratio(4.0, 0.25), "worker": Ratio(2.0, 0.0)}


def test_what_only_one_of_them_has_is_told() -> None:
    lines, warnings = compare(baseline(), {"worker": 2.5})
    assert lines == ["worker: 2.50 times the floor; not in the baseline", "core: in the baseline, not measured now"]
    assert warnings == []


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    baseline().write(tmp_path / "baseline.json")
    assert Baseline.read(tmp_path / "baseline.json") == baseline()
    assert Baseline.read(tmp_path / "none.json") is None


def test_a_baseline_of_one_part_leaves_the_other_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    baseline().write(path)
    values = iter((2.0, 2.2))
    monkeypatch.setattr(quick, "worker", lambda: next(values))
    assert quick.main(["--only", "worker", "--update-baseline", "--runs", "2", "--baseline", str(path)]) == 0
    found = Baseline.read(path)
    assert found is not None
    assert found.ratios == {"core": Ratio(4.0, 0.05), "worker, short backlog": Ratio(2.1, 0.0476)}


def test_a_worker_that_fails_ends_it_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quick, "WORKER", Bench("tests.bench.nothing", "is not there", 1))
    assert quick.main(["--only", "worker"]) == 1
    assert "No module named tests.bench.nothing\nexit code 1" in capsys.readouterr().out


def test_a_regression_is_a_warning_and_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(baseline(), {"core": 5.0}, "a CPU") == 0
    out = capsys.readouterr().out
    assert "core: 5.00 times the floor, baseline 4.00 (+25%): slower" in out
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
