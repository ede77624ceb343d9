"""Standard input that somebody waits for: a signal ends the wait, bytes are all there, what cannot be read is told."""

from __future__ import annotations

import array
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import standard_input

TALLY = [sys.executable, "-m", "pipeline.cli.app"]
COMMANDS = {
    "import": ["import", "-", "--dry-run", "--endpoint", "own-1"],
    "produce": ["produce", "-", "--dry-run"],
    "query": ["query", "-"],
}
COUNTS = """
import signal, sys
from pipeline import standard_input
told = []
signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
with standard_input.opened() as given:
    print(len(given.read()), len(told))
"""
WAIT_SECONDS = 20.0
ENDPOINTS = """{"format": 1, "endpoints": [{"id": "own-1", "vendor": "own", "account": "acme", "source": "crm",
"event": null, "time_zone": "UTC", "fields": {}, "allow": [], "created_at": "2026-11-21T10:00:00Z", "credentials": []}]}
"""


Run = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs a command behind a pipe, in a home that has an endpoint; it has ended when the test has."""
    (tmp_path / "endpoints.json").write_text(ENDPOINTS, encoding="utf-8")
    begun: list[subprocess.Popen[bytes]] = []
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}

    def start(*command: str) -> subprocess.Popen[bytes]:
        pipe, environ = subprocess.PIPE, {**clean, "TALLY_HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environ, bufsize=0)
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def give(process: subprocess.Popen[bytes], content: bytes) -> None:
    """Writes and waits until it was taken: it waits for more then."""
    assert process.stdin is not None
    process.stdin.write(content)
    left, until = array.array("i", [1]), time.monotonic() + WAIT_SECONDS
    while left[0]:
        assert time.monotonic() < until, "it does not read"
        time.sleep(0.01)
        fcntl.ioctl(process.stdin, termios.FIONREAD, left)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_one_signal_that_comes_together_with_bytes_ends_a_command_that_waits_for_more(
    command: list[str], number: signal.Signals, code: int, run: Run
) -> None:
    process = run(*TALLY, *command)
    give(process, b"{")
    assert process.stdin is not None
    process.stdin.write(b'"a"')  # it wakes up for these, and the signal is there before it looks for more
    process.send_signal(number)
    assert process.wait(WAIT_SECONDS) == code


def test_a_signal_that_ends_nothing_costs_no_bytes(run: Run) -> None:
    process = run(sys.executable, "-c", COUNTS)
    give(process, b"x")
    for _ in range(3):
        process.send_signal(signal.SIGUSR1)
        give(process, b"x" * 1_000)
    counted, _ = process.communicate(timeout=WAIT_SECONDS)
    assert [int(found) for found in counted.split()] == [3_001, 3]


def test_a_standard_input_that_does_not_block_is_waited_for(run: Run) -> None:
    process = run(sys.executable, "-c", "import os; os.set_blocking(0, False)\n" + COUNTS)
    give(process, b"x")
    give(process, b"x")
    counted, _ = process.communicate(timeout=WAIT_SECONDS)
    assert counted.split()[0] == b"2"


def test_what_was_set_for_signals_before_is_set_again_and_no_descriptor_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 200_000)
    with path.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        before = len(list(Path("/dev/fd").iterdir()))
        with standard_input.opened() as given:
            assert given.read() == path.read_bytes()
        assert len(list(Path("/dev/fd").iterdir())) == before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_standard_input_that_is_closed_is_told(command: list[str], run: Run) -> None:
    process = run("sh", "-c", 'exec "$@" <&-', "sh", *TALLY, *command)
    _, said = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode in (1, 2)
    assert b"standard input is closed" in said and b"Traceback" not in said


def test_a_statement_in_another_encoding_is_told(run: Run) -> None:
    process = run(*TALLY, "query", "-")
    _, said = process.communicate(b"SELECT '\xff'", timeout=WAIT_SECONDS)
    assert process.returncode == 2
    assert b"cannot read the statement" in said and b"Traceback" not in said
