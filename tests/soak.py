"""The properties with one new seed after another, until the time is over or one fails.

`python -m tests.soak [minutes] -- [options of pytest]`; without minutes until Ctrl-C.
"""

from __future__ import annotations

import math
import os
import random
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tests.everything import PROCESSES

ROOT = Path(__file__).parents[1]
SEED = "TALLY_TEST_SEED"
QUIET = ("-q", "--no-header", "--durations=0", "--durations-min=60", "-n", str(PROCESSES), "--dist", "worksteal")


def arguments(given: list[str]) -> tuple[float, list[str]]:
    """Seconds to run for (infinity: until stopped), and options of pytest.

    Raises:
        SystemExit: minutes that are no number above 0.
    """
    parting = given.index("--") if "--" in given else len(given)
    before, options = given[:parting], given[parting + 1 :]
    if not before:
        return math.inf, options
    try:
        seconds = float(before[0]) * 60
    except ValueError:
        seconds = 0
    if not 0 < seconds < math.inf or len(before) > 1:
        raise SystemExit(f"MINUTES is {' '.join(before)!r}: give a number above 0, or none to run until Ctrl-C")
    return seconds, options


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # before what the round itself writes


def rounds(seconds: float, options: list[str]) -> int:
    """Rounds with seeds of their own; none begins after `seconds`, none after one that failed. Returns its code."""
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        number += 1
        seed = str(random.SystemRandom().randrange(1 << 32))
        _say(f"round {number}: {SEED}={seed}")
        command = [sys.executable, "-m", "pytest", "tests/property", *QUIET, *options]
        code = subprocess.run(command, cwd=ROOT, env=os.environ | {SEED: seed}, check=False).returncode
        if code:
            _say(f"round {number} failed; its errors name the cases. All of it again:")
            _say(f"  {SEED}={seed} {shlex.join([os.path.relpath(sys.executable, ROOT), *command[1:]])}")
            return code
    _say(f"{number} rounds held")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(rounds(*arguments(sys.argv[1:])))
    except KeyboardInterrupt:
        sys.exit("stopped")
