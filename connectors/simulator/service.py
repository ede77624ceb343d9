"""Where traffic goes: Kafka through the producer, or a file of JSON lines; at a pace or as fast as it goes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TextIO

from connectors.producer.rows import Fault, Translator
from connectors.producer.service import Sender
from connectors.simulator.truth import Bytes, Item, Truth
from pipeline import rfc3339

_PAUSE_SECONDS_MAX = 0.2  # between two looks at whether it shall stop
_PLAN_SET = "account_plan_set"
_NOT_LINES = "no event: bytes, not JSON"


class Out(Protocol):
    """Where items go."""

    def send(self, item: Item) -> str:
        """Take one; returns why it was left out, or nothing."""


class KafkaOut:
    """Items as records. A plan is in Kafka before what comes after it: nothing else orders events across topics."""

    def __init__(self, sender: Sender, form: Bytes) -> None:
        self._sender, self._form = sender, form

    def send(self, item: Item) -> str:
        """Queue the record."""
        self._sender.send(item.topic, item.account.encode(), self._form.value(item))
        if item.event is not None and item.event["type"] == _PLAN_SET:
            self._sender.flush()
        return ""


class FileOut:
    """Items as JSON lines that `tally produce` takes; what it would refuse is left out."""

    def __init__(self, file: TextIO, translator: Translator) -> None:
        self._file, self._translator = file, translator
        self._lines = 0

    def send(self, item: Item) -> str:
        """Write the line, unless no line can say it."""
        if item.event is None:
            return _NOT_LINES
        line = text(item)
        found = self._translator.translate(line.encode(), self._lines + 1)
        if isinstance(found, Fault):
            return f"refused by tally produce: {item.fate}"
        self._file.write(line + "\n")
        self._lines += 1
        return ""


def text(item: Item) -> str:
    """The JSON line of an event; what says nothing is left out."""
    assert item.event is not None
    said: dict[str, Any] = {"topic": item.topic}
    for name, value in item.event.items():
        if value not in (None, False, "", {}, []):
            said[name] = rfc3339.text(value) if name == "occurred_at" else value
    return json.dumps(said, ensure_ascii=False)


def publish(
    items: Iterable[Item], out: Out, truth: Truth, rate: float, stopped: Callable[[], bool], shown: Callable[[], None]
) -> None:
    """Send the items, `rate` a second (0: without a pause), until they end or `stopped` says so."""
    started = time.monotonic()
    for number, item in enumerate(items):
        if rate > 0:
            _pause(started + number / rate, stopped)
        if stopped():
            return
        left_out = out.send(item)
        if left_out:
            truth.left_out[left_out] += 1
        else:
            truth.count(item.topic, item.fate)
        shown()


def _pause(until: float, stopped: Callable[[], bool]) -> None:
    while (left := until - time.monotonic()) > 0 and not stopped():
        time.sleep(min(left, _PAUSE_SECONDS_MAX))
