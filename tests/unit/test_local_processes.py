"""Processes of the local stack: known beyond doubt, ended by a deadline, bound to their starter's life."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from connectors.local.processes import Mark, end, find, mark, runs, spawn

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 10.0
SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]
IGNORES_SIGTERM = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "process.log"


@pytest.fixture
def sleeper(log: Path) -> Iterator[Mark]:
    process = spawn(SLEEPS, log, {})
    marked = mark(process.pid)
    yield marked
    end(marked, 1)


def wait_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_process_is_found_by_its_mark_and_a_stranger_with_its_pid_is_not(sleeper: Mark) -> None:
    assert runs(sleeper)
    stranger = sleeper._replace(started=sleeper.started - 3600)
    assert find(stranger) is None
    assert end(stranger, 1)
    assert runs(sleeper), "a process was ended that only shared a pid"


def test_a_process_has_a_session_of_its_own(sleeper: Mark) -> None:
    status = Path(f"/proc/{sleeper.pid}/stat")
    if status.exists():
        session = int(status.read_text().rsplit(")", 1)[1].split()[3])
        assert session == sleeper.pid


def test_a_process_that_obeys_is_ended_cleanly(sleeper: Mark) -> None:
    assert end(sleeper, DEADLINE_SECONDS)
    assert not runs(sleeper)


def test_a_process_that_does_not_obey_is_killed_after_the_deadline(log: Path) -> None:
    marked = mark(spawn(IGNORES_SIGTERM, log, {}).pid)
    wait_until(lambda: log.read_text() == "deaf\n")
    assert not end(marked, 0.2)
    assert not runs(marked)


def test_a_zombie_does_not_run() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        marked = mark(process.pid)
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert not runs(marked)


HALF_DEAD = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(1.5,), daemon=True).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_one_whose_other_threads_still_end_runs_although_it_looks_like_a_zombie() -> None:
    with subprocess.Popen([sys.executable, "-c", HALF_DEAD]) as process:
        marked = mark(process.pid)
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert runs(marked)
        wait_until(lambda: not runs(marked))


def test_output_goes_to_the_end_of_the_log(log: Path) -> None:
    for text in ("one", "two"):
        process = spawn([sys.executable, "-c", "import os; print(os.environ['WORD'])"], log, {"WORD": text})
        process.wait(DEADLINE_SECONDS)
    assert log.read_text() == "one\ntwo\n"


STARTER = """
import sys, time
from pathlib import Path
from connectors.local.keeper import Keeper
from connectors.local.processes import mark, spawn
keeper = Keeper()
marked = mark(spawn([sys.executable, "-c", "import time; time.sleep(60)"], Path(sys.argv[1]), {}).pid)
keeper.bind(marked)
print(marked.pid, marked.started, keeper.pid, flush=True)
if sys.argv[2] == "close":
    keeper.close()
else:
    time.sleep(60)
"""


@pytest.mark.parametrize("way", ["close", "kill"])
def test_a_bound_process_ends_with_its_starter_even_when_that_is_killed(log: Path, way: str) -> None:
    command = [sys.executable, "-c", STARTER, str(log), way]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid, started, keeper = starter.stdout.readline().split()
        marked = Mark(int(pid), float(started))
        if way == "kill":
            assert runs(marked)
            starter.kill()
        wait_until(lambda: not runs(marked))
        wait_until(lambda: not psutil.pid_exists(int(keeper)) or psutil.Process(int(keeper)).status() == "zombie")
