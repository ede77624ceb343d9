"""A bench as a process: what it says is passed on, its last words are kept, it ends in time and with its starter."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from tests.bench.child_keeper import END_SECONDS, Keeper
from tests.bench.plan import Bench
from tests.bench.results import Outcome, read

ROOT = Path(__file__).parents[2]
LAST_WORDS = 12  # lines of a bench that failed
LOOK_SECONDS = 0.2


def outcome(name: str, bench: Bench, words: Sequence[str]) -> Outcome:
    """Run a bench's module with these options; one that fails, hangs or writes no figures is an outcome too."""
    began = time.monotonic()
    with Keeper() as keeper, tempfile.TemporaryDirectory(prefix="tally-bench-") as folder:
        keeper.folder(folder)
        written = Path(folder) / "figures.json"
        command = [sys.executable, "-m", bench.module, *bench.words, *words, "--json", str(written)]
        end, said = _followed(command, bench.minutes_max, Path(folder) / "said.txt", keeper)
        seconds = round(time.monotonic() - began, 1)
        if not end and written.exists():
            return replace(read(written), bench=name, seconds=seconds)
    last = [line for line in said.splitlines() if line.strip()][-LAST_WORDS:]
    return Outcome(name, failed="\n".join([*last, end or "it wrote no figures"]), seconds=seconds)


def _followed(command: Sequence[str], minutes_max: float, said: Path, keeper: Keeper) -> tuple[str, str]:
    """How it ended, "" where well, and all that it said: into a file, since what it started may outlive a pipe.

    It has a session of its own: of a Ctrl-C it hears from here, once, and may clean up.
    """
    late = time.monotonic() + minutes_max * 60
    with said.open("w", encoding="utf-8") as out, said.open(encoding="utf-8", errors="replace") as spoken:
        at_once = os.environ | {"PYTHONUNBUFFERED": "1"}  # what it says and what it complains of, in their order
        process = subprocess.Popen(
            command, cwd=ROOT, env=at_once, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            keeper.process(process.pid)
            while process.poll() is None and time.monotonic() < late:
                _pass_on(spoken)
                time.sleep(LOOK_SECONDS)
            hangs = process.poll() is None
        finally:
            _stop(process)
        _pass_on(spoken)
    end = f"it took longer than {minutes_max:g} minutes" if hangs else f"exit code {process.returncode}"
    return "" if process.returncode == 0 and not hangs else end, said.read_text(encoding="utf-8", errors="replace")


def _pass_on(spoken: TextIO) -> None:
    text = spoken.read()
    if text:
        sys.stdout.write(text)
        sys.stdout.flush()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, so that it ends what it started; SIGKILL where that takes too long."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
