"""What every test run does: names the real parts that ran, and the seed that repeats it.

Fixtures that start a real part say so: `real_part("kafka", "4.1.1")`. The run ends with one line that lists them.
With TALLY_REQUIRE_REAL="kafka clickhouse", as CI sets it, a run in which one of them did not take part, or in which
any test was skipped, fails; with "nothing" no part is required, and no skip is allowed.
In a run of several workers (pytest -n 2) all of them have the seed that the header prints.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import hypothesis
import hypothesis.core
import pytest

pytest_plugins = ["tests.real_parts"]

REQUIRED = "TALLY_REQUIRE_REAL"
NOTHING = "nothing"
SEED = "TALLY_TEST_SEED"

_parts = pytest.StashKey[dict[str, str]]()
_required = pytest.StashKey[list[str]]()
_seed = pytest.StashKey[int]()

# A failure prints the blob that repeats it; a shared machine's pauses are no failure.
hypothesis.settings.register_profile("tally", print_blob=True, deadline=None, derandomize=False)
hypothesis.settings.load_profile("tally")


def pytest_configure(config: pytest.Config) -> None:
    """Takes both variables out of the environment: to the program itself an unknown TALLY_ setting is a fault."""
    config.stash[_parts] = {}
    config.stash[_required] = os.environ.pop(REQUIRED, "").split()
    told = getattr(config, "workerinput", {})  # what the run tells its worker
    config.stash[_seed] = int(told.get(SEED) or os.environ.pop(SEED, random.SystemRandom().randrange(1 << 32)))
    hypothesis.core.global_force_seed = config.stash[_seed]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A worker of this run is about to start."""
    node.workerinput[SEED] = node.config.stash[_seed]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of this run has ended: what ran there ran here."""
    node.config.stash[_parts].update(getattr(node, "workeroutput", {}).get("parts", {}))


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.stash[_seed]} (repeat with {SEED}={config.stash[_seed]})"


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The run's seed, printed in its header: what a test draws at random, it draws from here."""
    return pytestconfig.stash[_seed]


@pytest.fixture(scope="session")
def real_part(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Call it as real_part(name, version) once a real part answers."""

    def ran(name: str, version: str) -> None:
        pytestconfig.stash[_parts][name] = version

    return ran


def _faults(session: pytest.Session) -> list[str]:
    """What CI must not accept about a run; empty where nothing is required."""
    required, ran = session.config.stash[_required], session.config.stash[_parts]
    if not required:
        return []
    absent = [name for name in required if name not in ran and name != NOTHING]
    faults = [f"{name} did not run, but {REQUIRED} names it" for name in absent]
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter else 0
    return faults + ([f"{skipped} tests were skipped, and {REQUIRED} allows none"] if skipped else [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["parts"] = session.config.stash[_parts]
    if _faults(session) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    session, parts = terminalreporter._session, terminalreporter.config.stash[_parts]
    terminalreporter.section("real parts")
    terminalreporter.line("real parts: " + (", ".join(f"{name} {parts[name]}" for name in sorted(parts)) or "none"))
    for fault in _faults(session):
        terminalreporter.line(f"FAILED: {fault}", red=True)
