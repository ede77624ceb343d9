"""All tests in two runs at once: those with real parts, which mostly wait, and behind them, with what time the
processors have left, those without. What the second run says is shown when the first one has ended. A third, short run
has what must be alone.

`python -m tests.everything [options of pytest]`; ends with 0 if all runs passed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import pytest

TESTS = Path(__file__).parent
PROCESSES = 2
NICE = 10  # of the run without real parts: the other one's timeouts must not wait for it
BEHIND_SECONDS = 600  # that one of its tests may take: a tenth of a processor may be left for it
# They start Kafka, ClickHouse and workers: each process of the run has a stack of its own.
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
    several = ["-n", str(PROCESSES), "--dist"]
    nothing = {REQUIRED: "nothing"} if os.environ.get(REQUIRED) else {}
    without = [f"--ignore={path}" for path in _paths(ALONE)]
    return [
        ([*several, "worksteal", f"--timeout={BEHIND_SECONDS}", *without, *_paths(pure), *options], nothing),
        ([*several, "loadfile", *_paths(real), *options], {}),
        ([*_paths(ALONE), *options], nothing),
    ]


def _paths(names: Iterable[str]) -> list[str]:
    return [str(Path("tests") / name) for name in names]


def main(options: list[str]) -> int:
    """Run all, each run to its end. With options that choose tests, a run may have none."""
    pure, real, alone = commands(options)
    with tempfile.TemporaryFile() as said:
        behind = _start(*pure, said)
        try:
            codes = [_start(*real, None).wait(), behind.wait()]
        finally:
            behind.terminate()
        said.seek(0)
        shutil.copyfileobj(said, sys.stdout.buffer)
        sys.stdout.flush()
    codes.append(_start(*alone, None).wait())
    if options and NO_TESTS in codes and set(codes) != {NO_TESTS}:
        codes.remove(NO_TESTS)
    return max(codes)


def _start(arguments: list[str], environment: dict[str, str], out: IO[bytes] | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", *arguments]
    if out is not None:
        command = ["nice", "-n", str(NICE), *command]
    return subprocess.Popen(command, cwd=TESTS.parent, env=os.environ | environment, stdout=out, stderr=out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
