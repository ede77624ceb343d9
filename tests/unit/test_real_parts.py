"""A run that claims to have met the real parts has met them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGIN = Path(__file__).parents[1] / "conftest.py"
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


def run(pytester: pytest.Pytester, tests: str, **environment: str) -> pytest.RunResult:
    pytester.makeconftest(PLUGIN.read_text(encoding="utf-8"))
    pytester.makepyfile(tests)
    for name in ("TALLY_REQUIRE_REAL", "TALLY_TEST_SEED"):
        pytester._monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        pytester._monkeypatch.setenv(name, value)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider")


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
