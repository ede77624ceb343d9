"""Logs do not flood, and do not quote events."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from pipeline import logs
from pipeline.transport import fatal


def record(name: str, message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, "file.py", 1, message, args, None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(logs, "monotonic", lambda: now[0])
    return now


def test_a_flood_of_one_template_is_cut_to_its_burst_and_counted(clock: list[float]) -> None:
    limit = logs.RateLimit()
    passed = [limit.filter(record("aiokafka.conn", "no route to %s", i)) for i in range(100)]
    assert passed == [True] * logs.BURST + [False] * (100 - logs.BURST)
    clock[0] = logs.PERIOD_S
    after = record("aiokafka.conn", "no route to %s", 7)
    assert limit.filter(after)
    assert after.getMessage() == f"no route to 7 (and {100 - logs.BURST} times more)"


def test_our_own_messages_count_as_the_same_only_when_they_are(clock: list[float]) -> None:
    limit = logs.RateLimit()
    assert all(limit.filter(record("pipeline.transport", "partition %s is ready", i)) for i in range(100))
    assert [limit.filter(record("pipeline.x", "same")) for _ in range(4)] == [True, True, True, False]


def test_the_places_remembered_are_bounded(clock: list[float]) -> None:
    limit = logs.RateLimit()
    for i in range(logs.PLACES_MAX + 10):
        limit.filter(record("pipeline", f"message {i}"))
    assert len(limit._places) == logs.PLACES_MAX


FATAL = """
from pipeline import logs
from pipeline.transport.fatal import fatal
logs.setup()
def inner():
    raise {error}
try:
    inner()
except Exception as error:
    fatal("deciding a batch", error)
"""


def died(error: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", FATAL.format(error=error)]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)


def test_the_unexpected_ends_the_process_with_its_place_and_without_an_events_words() -> None:
    ended = died("ValueError('could not convert anna@example.org')")
    assert ended.returncode == fatal.UNEXPECTED
    assert "CRITICAL deciding a batch: ValueError; the process ends here" in ended.stderr
    assert "in inner" in ended.stderr
    assert "anna" not in ended.stderr


def test_a_broken_assumption_says_which() -> None:
    ended = died("AssertionError('offsets go up')")
    assert "deciding a batch: AssertionError: offsets go up;" in ended.stderr
