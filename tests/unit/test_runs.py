"""How the tests themselves are run: all of them, and soaks."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import everything, soak

ROOT = Path(__file__).parents[2]


def test_every_test_is_in_one_of_the_runs() -> None:
    pure, real = everything.folders()
    assert not set(pure) & set(real)
    assert {*pure, *real} == {path.relative_to(ROOT / "tests").parts[0] for path in ROOT.glob("tests/**/test_*.py")}
    assert {"contract", "property", "unit"} <= set(pure)
    assert {"integration"} <= set(real) <= set(everything.REAL)


def test_what_measures_time_runs_alone() -> None:
    (pure, _), (real, _), (alone, _) = everything.commands([])
    for path in everything.ALONE:
        assert (ROOT / "tests" / path).is_file()
        assert f"--ignore=tests/{path}" in pure
        assert f"tests/{path}" in alone
        assert "tests/unit" not in real


def test_no_test_without_real_parts_asks_for_one() -> None:
    pure, _ = everything.folders()
    texts = [path.read_text("utf-8") for name in pure for path in (ROOT / "tests" / name).rglob("test_*.py")]
    assert not [text for text in texts if re.search(r"def \w+\([^)]*\b(kafka|clickhouse): str", text)]


def test_what_is_required_holds_for_all_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TALLY_REQUIRE_REAL", raising=False)
    assert [environment for _, environment in everything.commands([])] == [{}, {}, {}]
    monkeypatch.setenv("TALLY_REQUIRE_REAL", "kafka clickhouse")
    (pure, nothing), (real, unchanged), (alone, as_nothing) = everything.commands(["-k", "x"])
    assert (nothing, unchanged, as_nothing) == (
        {"TALLY_REQUIRE_REAL": "nothing"},
        {},
        {"TALLY_REQUIRE_REAL": "nothing"},
    )
    assert pure[pure.index("--dist") + 1] == "worksteal"
    assert real[real.index("--dist") + 1] == "loadfile", "a file's tests share a world"
    assert pure[-2:] == real[-2:] == alone[-2:] == ["-k", "x"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], (math.inf, [])),
        (["--"], (math.inf, [])),
        (["30", "--"], (1800.0, [])),
        (["0.5", "--", "-k", "order"], (30.0, ["-k", "order"])),
        (["--", "-x"], (math.inf, ["-x"])),
    ],
)
def test_a_soak_lasts_so_many_minutes_or_until_it_is_stopped(given: list[str], expected: tuple[float, list]) -> None:
    assert soak.arguments(given) == expected


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_soak_refuses_minutes_that_are_none(minutes: str) -> None:
    with pytest.raises(SystemExit, match="MINUTES"):
        soak.arguments([minutes, "--"])


def soaked(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.soak", "0.0001", "--", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_soak_prints_the_seed_of_every_round() -> None:
    done = soaked("-k", "skipped_begins_with_its_day", "-p", "no:cacheprovider")
    assert "round 1: TALLY_TEST_SEED=" in done.stdout
    assert "1 rounds held" in done.stdout
    assert done.returncode == 0


def test_a_soak_ends_with_the_first_round_that_fails_and_says_how_to_repeat_it() -> None:
    done = soaked("-k", "no_test_has_this_name", "-p", "no:cacheprovider")
    seed = done.stdout.partition("TALLY_TEST_SEED=")[2].split()[0]
    assert f"  TALLY_TEST_SEED={seed} " in done.stdout.partition("All of it again:")[2]
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
