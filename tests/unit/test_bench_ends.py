"""However a run of benches ends, no bench and no folder of it stays; what it was doing can go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench import child
from tests.bench.kept import Kept
from tests.bench.plan import Bench
from tests.bench.results import Outcome
from tests.unit.bench_world import MARKS, QUIET, ROOT, figure

WAIT_SECONDS = 60.0
# A bench that has a folder and takes its time to remove it; it says when it is at work and when it begins to clean up.
SLOW = """
import argparse, os, sys, tempfile, time
from pathlib import Path
from tests.bench import conditions, results
conditions.BUSY_SECONDS = 0.0
results.at_start = lambda: None
def measure(chosen):
    with tempfile.TemporaryDirectory(prefix="tally-slow-"):
        try:
            print("pid", os.getpid(), flush=True)
            time.sleep(100)
        finally:
            print("cleans", flush=True)
            time.sleep(1.0)
results.at_start = type("Quiet", (), {"is_busy": False})
results.run("slow", measure, results.options(None))
"""
RUNS = """
import sys
from pathlib import Path
from tests.bench import __main__ as bench, endings, report
from tests.bench.plan import Bench
bench.BENCHES = report.BENCHES = {"slow": Bench("slow", "made for a test", 5), "next": Bench("next", "", 5)}
endings.program(bench.main)
"""


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the processes of a test make their folders."""
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    (tmp_path / "page.md").write_text(MARKS, encoding="utf-8")
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def begun(temporary: Path, *command: str) -> tuple[subprocess.Popen[str], int]:
    """A program in a session of its own, and the bench that it runs, at work."""
    modules = os.pathsep.join((str(ROOT), str(temporary.parent)))
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": modules, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    return process, int(said(process, "pid ").split()[1])


def said(process: subprocess.Popen[str], begins: str) -> str:
    assert process.stdout is not None
    return next(line for line in process.stdout if line.startswith(begins))


def all_benches(temporary: Path) -> tuple[str, ...]:
    kept, page = temporary.parent / "kept.json", temporary.parent / "page.md"
    return "-c", RUNS, "--rounds", "2", "--kept", str(kept), "--page", str(page)


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_run_that_is_killed_takes_its_bench_and_the_folders_with_it(temporary: Path) -> None:
    process, bench = begun(temporary, *all_benches(temporary))
    assert len(list(temporary.iterdir())) == 2
    process.kill()
    process.communicate(timeout=WAIT_SECONDS)
    until(lambda: is_gone(bench), "the bench runs on")
    until(lambda: not list(temporary.iterdir()), "folders stay")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_with_its_bench_and_folders_and_what_is_left_is_told(
    temporary: Path, number: signal.Signals
) -> None:
    process, bench = begun(temporary, *all_benches(temporary))
    os.killpg(process.pid, number)  # as a terminal does
    told, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 128 + number
    assert is_gone(bench)
    assert list(temporary.iterdir()) == []
    assert "--resume" in told
    assert "Traceback" not in told
    assert Kept.read(temporary.parent / "kept.json").open == ("slow", "next")
    assert Kept.read(temporary.parent / "kept.json").arguments == ("--rounds", "2")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_bench_by_itself_cleans_up_after_a_signal_and_a_second_one_does_not_cut_that_short(
    temporary: Path, number: signal.Signals
) -> None:
    process, _ = begun(temporary, "-m", "slow")
    process.send_signal(number)
    said(process, "cleans")
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 128 + number
    assert list(temporary.iterdir()) == []
    assert "Traceback" not in told


def test_a_run_whose_reader_left_ends_quietly_with_its_bench(temporary: Path) -> None:
    process, bench = begun(temporary, *all_benches(temporary))
    assert process.stdout is not None
    process.stdout.close()
    os.kill(bench, signal.SIGTERM)  # its words are passed on, to nobody
    assert process.wait(WAIT_SECONDS) == 128 + signal.SIGPIPE
    assert list(temporary.iterdir()) == []
    assert Kept.read(temporary.parent / "kept.json").open == ("slow", "next")


def test_a_second_run_of_the_same_file_is_told_who_has_it_and_changes_nothing(temporary: Path) -> None:
    kept = temporary.parent / "kept.json"
    Kept((Outcome("old", (figure(1.0),), QUIET),)).write(kept)
    process, _ = begun(temporary, *all_benches(temporary))
    before = kept.read_bytes()
    second = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--only", "core", *all_benches(temporary)[-4:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert second.returncode == 1
    assert f"{kept} is being written by another run, process {process.pid}" in second.stderr
    assert kept.read_bytes() == before
    process.terminate()
    process.communicate(timeout=WAIT_SECONDS)


def test_a_bench_without_figures_has_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "from tests.bench.results import options, run\nrun('none', lambda chosen: [], options(None))\n"
    (tmp_path / "none.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    assert child.outcome("none", Bench("none", "", 1), []).failed.endswith("exit code 1")
