"""The frame of the benches: figures keep what they mean, aims are judged, the page says what the kept file says."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.capacity.figures import load
from tests.bench import __main__ as bench
from tests.bench import capacity_figures, report
from tests.bench.aims import AIMS, Better
from tests.bench.kept import Kept
from tests.bench.results import Figure, Outcome, Verdict, line, number, said
from tests.unit.bench_world import MARKS, QUIET, ROOT, figure


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


def test_the_aims_say_which_figures_are_older_than_a_failure() -> None:
    text = report.aims(Kept((Outcome("core", (figure(5.0),), QUIET, "exit code 3"), Outcome("sink", failed="no room"))))
    told = "Failed when they were run last, so that their figures are of the run before: core."
    assert text.splitlines()[-1] == told


def test_the_page_says_where_the_machine_was_busy_and_which_versions_ran() -> None:
    busy = replace(QUIET, busy_before=0.11, versions={"Python": "3.12.1"})
    text = report.conditions(Kept((Outcome("core", (figure(1.0),), QUIET), Outcome("sink", (figure(1.0),), busy))))
    assert "| core | 2026-01-02 03:04 | `abc` | 0 | 1 | 0.1 | 2% | 1.0 |" in text
    assert "11% **busy**" in text
    assert "Versions: Python 3.11.7 and 3.12.1." in text


def test_the_page_says_which_bench_was_on_which_machine() -> None:
    other = replace(QUIET, machine={"CPU": "another CPU", "cores": "8"})
    same = report.conditions(Kept((Outcome("core", (figure(1.0),), QUIET), Outcome("sink", (figure(1.0),), QUIET))))
    assert "\nMachine: CPU a CPU, cores 2, memory 8 GiB, system Linux 6.\n" in same
    outcomes = [Outcome(name, (figure(1.0),), on) for name, on in (("core", QUIET), ("worker", other), ("sink", QUIET))]
    assert (
        "\nMachines differ: core, sink on CPU a CPU, cores 2, memory 8 GiB, system Linux 6; "
        "worker on CPU another CPU, cores 8.\n"
    ) in report.conditions(Kept(tuple(outcomes)))


def test_profiles_stand_on_the_page_as_they_were_written(tmp_path: Path) -> None:
    assert report.profiles(tmp_path) == "No profile of a worker was taken yet."
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
