"""All benches one after the other: one that fails, hangs, is skipped or was killed; and what /proc says of them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import child, conditions, measure, report
from tests.bench.kept import Kept
from tests.bench.plan import BENCHES, Bench
from tests.bench.results import Outcome
from tests.unit.bench_world import MARKS, QUIET, ROOT, figure


def with_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **texts: str) -> None:
    """Benches that are these texts, as modules beside nothing else."""
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    made = {name: Bench(name, "made for a test", 0.5) for name in texts}
    monkeypatch.setattr(bench, "BENCHES", made)
    monkeypatch.setattr(report, "BENCHES", made)


GOOD = """
import sys
from pathlib import Path
from tests.bench.results import Figure, Outcome, write
with Path("{seen}").open("a") as file:
    file.write("{name} " + " ".join(sys.argv[1:-2]) + "\\n")
write(Path(sys.argv[-1]), Outcome("x", (Figure("{name}", "x", "ms", (1.0,)),)))
"""
BAD = "import sys\nprint('it began')\nsys.exit('the disk is full')\n"


def good(name: str, tmp_path: Path) -> str:
    return GOOD.format(name=name, seen=tmp_path / "seen")


def run(tmp_path: Path, *words: str) -> int:
    page = tmp_path / "page.md"
    page.write_text(MARKS, encoding="utf-8")
    return bench.main([*words, "--kept", str(tmp_path / "kept.json"), "--page", str(page)])


def test_a_bench_that_fails_is_kept_with_its_last_words_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_module(monkeypatch, tmp_path, bad_one=BAD, good_one=good("good_one", tmp_path))
    assert run(tmp_path, "--only", "bad_one,good_one", "--rounds", "2") == 1
    kept = Kept.read(tmp_path / "kept.json")
    assert [(one.bench, one.failed) for one in kept.outcomes] == [
        ("bad_one", "it began\nthe disk is full\nexit code 1"),
        ("good_one", ""),
    ]
    assert kept.open == ()
    assert (tmp_path / "seen").read_text() == "good_one --rounds 2\n"
    assert "the disk is full" in (tmp_path / "page.md").read_text(encoding="utf-8")


def test_figures_of_small_sizes_are_neither_kept_nor_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_module(monkeypatch, tmp_path, one=good("one", tmp_path))
    assert run(tmp_path, "--only", "one", "--quick") == 0
    assert not (tmp_path / "kept.json").exists()
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == MARKS
    assert (tmp_path / "seen").read_text() == "one --quick\n"
    assert "nothing is kept" in capsys.readouterr().out


def test_a_run_that_was_killed_goes_on_with_what_it_left_and_with_its_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    texts = {name: good(name, tmp_path) for name in ("one", "two", "three")}
    with_module(monkeypatch, tmp_path, **texts)
    killed = Kept((Outcome("one", (figure(1.0),), QUIET),)).planned(["two", "three"], ["--rounds", "5"])
    killed.write(tmp_path / "kept.json")
    assert run(tmp_path, "--only", "one,two,three", "--resume") == 0
    assert (tmp_path / "seen").read_text() == "two --rounds 5\nthree --rounds 5\n"
    kept = Kept.read(tmp_path / "kept.json")
    assert [one.bench for one in kept.outcomes] == ["one", "two", "three"]
    assert kept.open == ()


def test_a_run_in_which_nothing_was_left_open_says_so_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_module(monkeypatch, tmp_path, one=good("one", tmp_path))
    Kept((Outcome("one", failed="exit code 1"),)).write(tmp_path / "kept.json")
    assert run(tmp_path, "--resume") == 0
    assert capsys.readouterr().out == "nothing was left open\n"
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == MARKS


def test_a_bench_that_fails_keeps_the_figures_of_its_run_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_module(monkeypatch, tmp_path, one=BAD, two=good("two", tmp_path))
    Kept((Outcome("one", (figure(7.0),), QUIET),)).write(tmp_path / "kept.json")
    assert run(tmp_path, "--only", "one") == 1
    failed = Outcome("one", (figure(7.0),), QUIET, "it began\nthe disk is full\nexit code 1")
    assert Kept.read(tmp_path / "kept.json").outcomes == (failed,)
    assert "failed: one: the disk is full (exit code 1)\n" in capsys.readouterr().out
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "the disk is full" in page
    assert "These figures are of its run before, of 2026-01-02 03:04:" in page
    assert "| 2,000 a batch | µs/event | 7.00 (one round) |" in page
    assert "| one | 2026-01-02 03:04 | `abc` | 0 | 1, **failed since** |" in page


def test_what_an_earlier_run_missed_or_failed_is_no_matter_of_this_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_module(monkeypatch, tmp_path, one=good("one", tmp_path), two=good("two", tmp_path))
    old = Kept((Outcome("one", failed="exit code 1"), Outcome("two", (figure(99.0),), QUIET)))
    for words in (["--only", "one"], ["--page-only"], ["--only", "one", "--quick"]):
        old.write(tmp_path / "kept.json")
        assert run(tmp_path, *words) == 0
        told = capsys.readouterr().out
        assert "missed:" not in told
        assert "failed:" not in told


def test_a_missed_aim_of_this_run_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aimed = good("one", tmp_path).replace('"ms", (1.0,)', '"µs/event", (9.0,), aim="core.2000"')
    with_module(monkeypatch, tmp_path, one=aimed)
    assert run(tmp_path, "--only", "one") == 0
    assert ": 9.00 (one round) µs/event\n" in capsys.readouterr().out


def test_outcomes_stand_in_the_order_of_the_benches_however_they_were_run() -> None:
    kept = Kept().done(Outcome("two"), ["one", "two"]).done(Outcome("one"), ["one", "two"])
    assert [outcome.bench for outcome in kept.outcomes] == ["one", "two"]


def test_what_is_skipped_keeps_its_last_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_module(monkeypatch, tmp_path, one=good("one", tmp_path), two=good("two", tmp_path))
    Kept((Outcome("two", (figure(7.0),), QUIET),)).write(tmp_path / "kept.json")
    assert run(tmp_path, "--only", "one,two", "--skip", "two") == 0
    kept = Kept.read(tmp_path / "kept.json")
    assert kept.of("two") == Outcome("two", (figure(7.0),), QUIET)
    assert (tmp_path / "seen").read_text() == "one \n"


def test_a_bench_that_hangs_is_ended_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text("import time\nprint('begins', flush=True)\ntime.sleep(100)\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    found = child.outcome("hangs", Bench("hangs", "", 1 / 60), [])
    assert found.failed == "begins\nit took longer than 0.0166667 minutes"


def test_a_bench_has_options_of_its_own_before_those_of_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "one.py").write_text(good("one", tmp_path), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    assert child.outcome("profile", Bench("one", "", 1, ("--profile",)), ["--rounds", "2"]).bench == "profile"
    assert (tmp_path / "seen").read_text() == "one --profile --rounds 2\n"


def test_a_bench_that_writes_no_figures_has_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text("print('all is well')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    assert child.outcome("silent", Bench("silent", "", 1), []).failed == "all is well\nit wrote no figures"


def test_every_bench_of_the_plan_is_there() -> None:
    assert [name for name, one in BENCHES.items() if importlib.util.find_spec(one.module) is None] == []


def test_a_bench_that_is_none_is_a_wrong_option(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, "--only", "cores")
    assert ended.value.code == 2
    assert f"cores: not among {', '.join(BENCHES)}" in capsys.readouterr().err


SPINS = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\n"


def test_the_cpu_of_children_counts_while_they_run_and_once_they_ended() -> None:
    spins = (
        f"import subprocess, sys\n{SPINS.format(0.1)}subprocess.run([sys.executable, '-c', {SPINS.format(0.3)!r}])\n"
    )
    stays = "print('spun', flush=True)\nsys.stdin.read()\n"
    with subprocess.Popen(
        [sys.executable, "-c", spins + stays], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        alone, together = measure.cpu_seconds(process.pid), measure.cpu_seconds_with_children(process.pid)
        process.communicate("")
    assert together - alone >= 0.29
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True) as running:
        assert running.pid in measure.children(os.getpid())
        running.communicate("\n")


def test_the_peak_of_memory_stays_when_the_memory_is_given_back() -> None:
    takes = "x = bytearray(100 << 20)\ndel x\nprint('gone', flush=True)\ninput()\n"
    with subprocess.Popen(
        [sys.executable, "-c", takes], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert measure.peak_rss_bytes(process.pid) >= 100 << 20
        assert measure.rss_bytes(process.pid) < 100 << 20
        process.communicate("\n")
    with pytest.raises((ProcessLookupError, FileNotFoundError)):
        measure.rss_bytes(process.pid)


def test_the_machine_is_busy_above_its_bound_alone() -> None:
    assert not replace(QUIET, busy_before=conditions.BUSY_SHARE_MAX).is_busy
    loud = replace(QUIET, busy_before=conditions.BUSY_SHARE_MAX + 0.001)
    assert loud.is_busy
    assert "10% of its cores in use by others" in loud.busy_words
    assert 0 <= conditions.busy_share(0.05) <= 1
