"""A run that claims to have met the real parts has met them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGIN = Path(__file__).parents[1] / "conftest.py"
REAL_FIXTURES = 'pytest_plugins = ["tests.real_parts"]\n'  # these runs have parts of their own
TWO_TESTS = """
import pytest

@pytest.fixture(scope="session")
def kafka(real_part):
    real_part("kafka", "4.1.1")

def test_meets_kafka(kafka, monkeypatch):
    import os
    assert not [name for name in os.environ if name.startswith("TALLY_")]
"""
A_SKIP = """
@pytest.mark.skip(reason="not here")
def test_is_skipped():
    pass
"""


TWO_WORKERS = ("-n", "2")


def run(pytester: pytest.Pytester, tests: str, *options: str, **environment: str) -> pytest.RunResult:
    pytester.makeconftest(PLUGIN.read_text(encoding="utf-8").replace(REAL_FIXTURES, ""))
    pytester.makepyfile(tests)
    for name in ("TALLY_REQUIRE_REAL", "TALLY_TEST_SEED"):
        pytester._monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        pytester._monkeypatch.setenv(name, value)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)


def test_a_run_lists_the_real_parts_that_ran(pytester: pytest.Pytester) -> None:
    result = run(pytester, TWO_TESTS, TALLY_REQUIRE_REAL="kafka")
    result.stdout.fnmatch_lines(["real parts: kafka 4.1.1"])
    assert result.ret == pytest.ExitCode.OK


def test_a_run_without_a_required_part_fails(pytester: pytest.Pytester) -> None:
    result = run(pytester, TWO_TESTS, TALLY_REQUIRE_REAL="kafka clickhouse")
    result.stdout.fnmatch_lines(["FAILED: clickhouse did not run, but TALLY_REQUIRE_REAL names it"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_run_with_a_skip_fails_where_parts_are_required(pytester: pytest.Pytester) -> None:
    result = run(pytester, TWO_TESTS + A_SKIP, TALLY_REQUIRE_REAL="kafka")
    result.stdout.fnmatch_lines(["FAILED: 1 tests were skipped, and TALLY_REQUIRE_REAL allows none"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_run_of_a_developer_may_skip(pytester: pytest.Pytester) -> None:
    result = run(pytester, TWO_TESTS + A_SKIP)
    result.stdout.fnmatch_lines(["real parts: kafka 4.1.1"])
    assert result.ret == pytest.ExitCode.OK


def test_the_seed_is_printed_and_repeated(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_seed(seed):\n    assert seed == 4242\n", TALLY_TEST_SEED="4242")
    result.stdout.fnmatch_lines(["seed: 4242 (repeat with TALLY_TEST_SEED=4242)"])
    assert result.ret == pytest.ExitCode.OK


def test_hypothesis_draws_from_the_run_s_seed(pytester: pytest.Pytester) -> None:
    drawing = """
import hypothesis.strategies as st
from hypothesis import given, settings

@settings(max_examples=20, database=None)
@given(st.integers())
def test_draws(number):
    print("drawn", number)
"""
    drawn = []
    for seed in ("1", "1", "2"):
        result = run(pytester, drawing, "-s", TALLY_TEST_SEED=seed)
        drawn.append([line for line in result.outlines if "drawn" in line])
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_nothing_required_allows_no_skip_either(pytester: pytest.Pytester) -> None:
    fine = "import pytest\n\ndef test_is_fine():\n    pass\n"
    assert run(pytester, fine, TALLY_REQUIRE_REAL="nothing").ret == pytest.ExitCode.OK
    result = run(pytester, fine + A_SKIP, TALLY_REQUIRE_REAL="nothing")
    result.stdout.fnmatch_lines(["FAILED: 1 tests were skipped, and TALLY_REQUIRE_REAL allows none"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_workers_of_one_run_have_its_seed_and_say_what_ran(pytester: pytest.Pytester) -> None:
    seeds = "".join(f"def test_{n}(seed):\n    assert seed == 4242\n" for n in range(8))
    result = run(pytester, TWO_TESTS + seeds, *TWO_WORKERS, TALLY_TEST_SEED="4242", TALLY_REQUIRE_REAL="kafka")
    result.stdout.fnmatch_lines(["seed: 4242 (repeat with TALLY_TEST_SEED=4242)", "real parts: kafka 4.1.1"])
    assert result.ret == pytest.ExitCode.OK


def test_workers_of_one_run_without_a_seed_share_the_one_that_is_printed(pytester: pytest.Pytester) -> None:
    shares = "".join(f"def test_{n}(seed):\n    print('has seed', seed, '')\n" for n in range(8))
    result = run(pytester, shares, *TWO_WORKERS, "-rP")
    printed = {line.split()[1] for line in result.outlines if line.startswith("seed: ")}
    assert printed == {line.split()[2] for line in result.outlines if line.startswith("has seed ")}
    assert len(printed) == 1


@pytest.mark.parametrize("required", ["kafka clickhouse", "nothing"])
def test_a_run_of_workers_is_held_to_what_is_required(pytester: pytest.Pytester, required: str) -> None:
    result = run(pytester, TWO_TESTS + A_SKIP, *TWO_WORKERS, TALLY_REQUIRE_REAL=required)
    result.stdout.fnmatch_lines(["FAILED: 1 tests were skipped, and TALLY_REQUIRE_REAL allows none"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
