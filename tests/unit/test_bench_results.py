"""The frame of the benches: figures keep what they mean, aims are judged, the page says what the kept file says."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.capacity.figures import load
from tests.bench import __main__ as bench
from tests.bench import capacity_figures, child, conditions, measure, report
from tests.bench.aims import AIMS, Better
from tests.bench.conditions import Conditions
from tests.bench.kept import Kept
from tests.bench.plan import BENCHES, Bench
from tests.bench.results import Figure, Outcome, Verdict, line, number, said

ROOT = Path(__file__).parents[2]
MACHINE = {"CPU": "a CPU", "cores": "2", "memory": "8 GiB", "system": "Linux 6"}
QUIET = Conditions("2026-01-02 03:04", "abc", MACHINE, {"Python": "3.11.7"}, 0.1, 0.02, 1.0)
MARKS = "".join(f"{report.BEGIN.format(name)}\n{report.END.format(name)}\n" for name in report.parts(Kept(), ROOT))


def figure(*values: float, aim: str | None = "core.2000", **more: Any) -> Figure:
    given = {"group": "core", "name": "2,000 a batch", "unit": "µs/event"} | more
    return Figure(**given, values=values, aim=aim)


def test_a_figure_is_its_median_and_its_range() -> None:
    one = figure(5.0, 4.0, 9.0)
    assert (one.median, one.range) == (5.0, (4.0, 9.0))


@pytest.mark.parametrize(
    ("values", "verdict", "is_close"),
    [
        ((4.5,), Verdict.MET, False),
        ((4.51,), Verdict.MISSED, False),
        ((4.0, 4.4, 5.0), Verdict.MET, True),
        ((4.0, 4.6, 5.0), Verdict.MISSED, True),
    ],
)
def test_an_aim_of_less_is_met_at_its_limit_by_the_median(
    values: tuple[float, ...], verdict: Verdict, is_close: bool
) -> None:
    assert (figure(*values).verdict, figure(*values).is_close) == (verdict, is_close)


def test_an_aim_of_more_is_met_at_its_limit() -> None:
    def sink(value: float) -> Figure:
        return figure(value, aim="sink.rows", unit="rows/CPU s", better=Better.MORE)

    assert sink(200_000).verdict is Verdict.MET
    assert sink(199_999).verdict is Verdict.MISSED


def test_a_figure_stands_as_many_times_above_its_floor_as_it_is_worse() -> None:
    assert figure(4.0, floor=(1.0, 2.0, 3.0), floor_of="reads").to_floor == 2.0
    faster = figure(50.0, aim=None, better=Better.MORE, unit="events/s", floor=(100.0,), floor_of="reads")
    assert faster.to_floor == 2.0
    assert figure(4.0).to_floor is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"values": ()}, "needs a number for each round"),
        ({"values": (math.nan,)}, "needs a number for each round"),
        ({"floor": (math.inf,), "floor_of": "x"}, "needs a number for each round"),
        ({"floor": (1.0,)}, "needs its `floor_of`"),
        ({"aim": "core.2001"}, "names the aim 'core.2001'"),
        ({"unit": "ms"}, "is less ms; its aim core.2000 is less µs/event"),
        ({"better": Better.MORE}, "is more µs/event; its aim core.2000 is less"),
    ],
)
def test_a_figure_that_means_nothing_is_refused(given: dict[str, Any], told: str) -> None:
    whole = {"group": "core", "name": "x", "unit": "µs/event", "values": (1.0,), "aim": "core.2000"}
    with pytest.raises(ValueError, match=told):
        Figure(**whole | given)


def test_what_is_kept_is_read_as_it_was(tmp_path: Path) -> None:
    whole = figure(5.0, 4.0, floor=(1.0,), floor_of="reads", note="a note", better=Better.LESS)
    kept = Kept((Outcome("core", (whole,), QUIET, "", 3.0, ("--rounds", "2")), Outcome("sink", failed="no room")))
    kept = replace(kept, open=("worker",), arguments=("--rounds", "2"))
    kept.write(tmp_path / "kept.json")
    assert Kept.read(tmp_path / "kept.json") == kept
    assert Kept.read(tmp_path / "none.json") == Kept()


def test_the_place_of_the_results_is_not_kept() -> None:
    assert said(["--rounds", "2", "--json", "/x/y.json", "--quick"]) == ("--rounds", "2", "--quick")


def test_numbers_have_the_digits_that_mean_something() -> None:
    told = [number(value) for value in (0.01234, 0.5, 4.5, 12.34, 123.4, 243123.4, 0)]
    assert told == ["0.0123", "0.500", "4.50", "12.3", "123", "243,123", "0"]


def test_the_page_tells_a_missed_aim_loudly_and_one_that_nobody_measured() -> None:
    text = report.aims(Kept((Outcome("core", (figure(5.0, 4.0, 9.0), figure(3.0, aim="core.10000")), QUIET),)))
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in text.splitlines()}
    assert rows[f"{AIMS['core.2000'].what}: 2,000 a batch"].endswith(
        "| 5.00 (4.00 to 9.00) |  |  | **missed**, rounds on both sides |"
    )
    assert rows[f"{AIMS['core.10000'].what}: 2,000 a batch"].endswith("| 3.00 (one round) |  |  | met |")
    assert rows[AIMS["sink.rows"].what].endswith("| at least 200,000 rows/CPU s |  |  |  | **not measured** |")
    assert text.splitlines()[-1] == f"{len(AIMS)} aims: 1 met, 1 missed, {len(AIMS) - 2} not measured."


def test_an_aim_with_one_figure_that_misses_is_missed() -> None:
    text = report.aims(Kept((Outcome("core", (figure(5.0), figure(4.0)), QUIET),)))
    assert text.splitlines()[-1].startswith(f"{len(AIMS)} aims: 0 met, 1 missed")


def test_stricter_limits_are_told_beside_the_aim() -> None:
    worker = figure(4.0, aim="worker.cpu", group="worker")
    assert report.verdict(worker) == "met; 4.2 met; 3.5 missed"


def test_the_page_shows_a_bench_that_failed_with_its_last_words() -> None:
    kept = Kept((Outcome("sink", failed="a word\n```\nexit code 3", seconds=7.0),))
    assert "**Failed.** Its last words:\n\n```\na word\n'''\nexit code 3\n```" in report.figures(kept)
    assert "| sink |  |  | 7 | failed |  |  |  |" in report.conditions(kept)
    assert "(bench failed: sink)" in report.aims(kept)


def test_the_page_says_where_the_machine_was_busy_and_which_versions_ran() -> None:
    busy = replace(QUIET, busy_before=0.11, versions={"Python": "3.12.1"})
    text = report.conditions(Kept((Outcome("core", (figure(1.0),), QUIET), Outcome("sink", (figure(1.0),), busy))))
    assert "| core | 2026-01-02 03:04 | `abc` | 0 | 1 | 0.1 | 2% | 1.0 |" in text
    assert "11% **busy**" in text
    assert "Versions: Python 3.11.7 and 3.12.1." in text


def test_profiles_stand_on_the_page_as_they_were_written(tmp_path: Path) -> None:
    assert report.profiles(tmp_path) == "No profile was taken yet."
    for name, text in (("profile-worker.md", "of the worker\n"), ("profile-sink.md", "of the sink\n"), ("x.md", "x")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert report.profiles(tmp_path) == "of the sink\n\nof the worker"


def test_what_is_written_by_hand_stays_and_marks_that_lack_are_told() -> None:
    page = report.with_parts(f"by hand\n{MARKS}the end\n", report.parts(Kept(), ROOT))
    assert page.startswith("by hand\n")
    assert page.endswith("the end\n")
    assert report.with_parts(page, report.parts(Kept(), ROOT)) == page
    with pytest.raises(ValueError, match="begin aims --> and <!-- measured: end aims --> once"):
        report.with_parts("nothing", report.parts(Kept(), ROOT))


def test_the_page_is_what_the_kept_figures_say() -> None:
    text = bench.PAGE.read_text(encoding="utf-8")
    assert text == report.with_parts(text, report.parts(Kept.read(bench.KEPT), bench.KEPT.parent)), (
        "run `make bench ARGS=--page-only`"
    )


def test_the_calculators_figures_are_the_kept_ones(tmp_path: Path) -> None:
    known = load().by_name
    for name, one in capacity_figures.found(Kept.read(bench.KEPT)):
        assert known[name] == one, f"{name}: run `make bench ARGS=--capacity-figures`, then `make docs`"


# --------------------------------------------------------------------------------------------- running them all


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


# ------------------------------------------------------------------------------------------------ what /proc says

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


def test_a_terminals_line_says_floor_aim_and_verdict() -> None:
    told = line(figure(5.0, 4.0, 9.0, floor=(2.0,), floor_of="reads"))
    assert told == (
        "core: 2,000 a batch: 5.00 µs/event (4.00 to 9.00, 3 rounds) floor 2.00 (reads), 2.50 times "
        "aim 4.50: missed, close"
    )


def test_figures_that_no_bench_has_keep_their_value_and_source(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "figures.toml"
    file.write_text('[fact_bytes]\nvalue = 7.5\nunit = "bytes"\nwhat = "x"\nsource = "a page"\n', encoding="utf-8")
    worker = figure(4.056, aim="worker.cpu", group="worker", name="backlog, one worker: CPU")
    assert capacity_figures.update(Kept((Outcome("worker", (worker,), QUIET),)), file) == 0
    known = load(file).by_name
    assert known["worker_us"].value == 4.06
    assert known["worker_us"].source == "worker: backlog, one worker: CPU"
    assert (known["worker_us"].date, known["worker_us"].commit) == ("2026-01-02", "abc")
    assert known["fact_bytes"].source == "a page"
    assert "fact_bytes: in no kept bench, stays at 7.5 of a page" in capsys.readouterr().out
    again = replace(worker, values=(5.0,))
    assert capacity_figures.update(Kept((Outcome("worker", (again,), QUIET),)), file) == 0
    known = load(file).by_name
    assert known["worker_us"].value == 5.0
    assert capacity_figures.update(Kept(), file) == 1
    assert load(file).by_name == known
    assert json.dumps(list(known)) == '["worker_us", "fact_bytes"]'
