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


def test_a_kafka_that_is_away_is_one_steady_line_and_its_return_another(clock: list[float]) -> None:
    away = logs.KafkaAway("k:9092")
    noise = (
        ("aiokafka", "Unable connect to node with id %s: %s", 1, "[Errno 111] Connect call failed"),
        ("aiokafka", "Unable to update metadata from %s", [1]),
        ("aiokafka.consumer.group_coordinator", "Group Coordinator Request failed: %s", "NodeNotReadyError: node 1"),
        ("faust.transport", "KafkaConnectionError: KafkaConnectionError: <AddressFamily.AF_INET: 2>"),
        ("aiokafka.consumer.group_coordinator", "Marking the coordinator dead (node %s)", 1),
    )
    told = []
    for second in range(25):
        clock[0] = float(second)
        records = [record(*line) for line in noise]
        told += [one.getMessage() for one in records if away.filter(one)]
    assert told == ["Kafka at k:9092, or one of its brokers, does not answer; trying again"] * 3
    back = [record("aiokafka.consumer.group_coordinator", "Discovered coordinator %s", 1) for _ in range(2)]
    assert [one.getMessage() for one in back if away.filter(one)] == ["Kafka at k:9092 answers again"]


def test_other_messages_of_the_clients_pass(clock: list[float]) -> None:
    away = logs.KafkaAway("k:9092")
    clock[0] = 100.0
    assert away.filter(record("aiokafka", "Not authorized to read from topic %s.", "events.sms"))
    assert away.filter(record("aiokafka.consumer.group_coordinator", "Heartbeat session expired"))
    assert away.filter(record("pipeline.transport.precheck", "Kafka does not answer: Connect call failed"))


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
