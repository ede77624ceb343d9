"""All tests: those without real parts in several processes, then those with them, one after another.

`python -m tests.everything [options of pytest]`; ends with 0 if both runs passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROCESSES = 2
# They start Kafka, ClickHouse and workers, and measure how long things take.
REAL = ("e2e", "integration")
# Without real parts, but they measure how long a command takes.
ALONE = ("unit/test_cli.py",)
REQUIRED = "TALLY_REQUIRE_REAL"
NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)


def folders() -> tuple[list[str], list[str]]:
    """The folders of tests without and with real parts."""
    found = sorted({str(path.relative_to(TESTS).parts[0]) for path in TESTS.glob("*/**/test_*.py")})
    return [name for name in found if name not in REAL], [name for name in found if name in REAL]


def commands(options: list[str]) -> list[tuple[list[str], dict[str, str]]]:
    """The runs, each with what it changes in the environment. Where parts are required, no run may skip a test."""
    pure, real = folders()
    several = ["-n", str(PROCESSES), "--dist", "worksteal"]
    nothing = {REQUIRED: "nothing"} if os.environ.get(REQUIRED) else {}
    without = [f"--ignore={path}" for path in _paths(ALONE)]
    return [([*several, *without, *_paths(pure), *options], nothing), ([*_paths([*real, *ALONE]), *options], {})]


def _paths(names: Iterable[str]) -> list[str]:
    return [str(Path("tests") / name) for name in names]


def main(options: list[str]) -> int:
    """Run all; the second run also where the first fails. With options that choose tests, a run may have none."""
    codes = []
    for arguments, environment in commands(options):
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments], cwd=TESTS.parent, env=os.environ | environment, check=False
        )
        codes.append(run.returncode)
    if options and NO_TESTS in codes and set(codes) != {NO_TESTS}:
        codes.remove(NO_TESTS)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
