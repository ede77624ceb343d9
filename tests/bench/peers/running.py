"""One run of one contestant: started, watched from /proc, stopped. Figures are over its last two thirds.

Start-up and the first third of the events are nobody's: a JVM compiles, a consumer group forms.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from connectors.local.faults import tail
from connectors.local.keeper import Keeper
from connectors.local.processes import Mark, end, mark, runs, spawn
from tests.bench.measure import children, cpu_seconds, cpu_seconds_with_children, peak_rss_bytes

LOOK_SECONDS = 0.1
STOP_SECONDS = 25.0  # a peer commits what it has, and says goodbye to its group
_PROGRESS = re.compile(rb"^P (\d+)$", re.MULTILINE)


class Failed(RuntimeError):
    """A contestant did not come to its end; the message has its last words."""


class Sample(NamedTuple):
    """How far a contestant was, and what it and the broker had used."""

    at: float
    events: int
    cpu: float
    broker_cpu: float


class Measured(NamedTuple):
    """Figures of a run: of the process with its children, and of the broker."""

    cpu_us: float
    broker_us: float
    events_s: float
    rss_mb: float


class Child(NamedTuple):
    """What is to be run; its output goes to the log."""

    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    events: int
    seconds_max: float


class Said:
    """The events processed, as a peer tells them in its log."""

    def __init__(self, log: Path) -> None:
        self._log, self._at, self._events = log, 0, 0

    def __call__(self) -> int:
        """The newest number."""
        with self._log.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        whole = new.rfind(b"\n") + 1
        found = _PROGRESS.findall(new[:whole])
        self._at += whole
        self._events = int(found[-1]) if found else self._events
        return self._events


def watch(child: Child, done: Callable[[], int], broker: int, keeper: Keeper, settled: Callable[[], None]) -> Measured:
    """Run it until `done` says that all events are processed; let its output settle; stop it.

    Raises:
        Failed: it ended, or took too long.
    """
    process = spawn(child.command, child.log, child.environment)
    marked = mark(process.pid)
    keeper.bind(marked)
    try:
        samples, peak = _samples(child, done, broker, marked)
        settled()
    finally:
        end(marked, STOP_SECONDS)
    return figures(samples, child.events, peak)


def _samples(child: Child, done: Callable[[], int], broker: int, marked: Mark) -> tuple[list[Sample], int]:
    """From its start to its last event, and the peak of its memory in bytes."""
    samples: list[Sample] = []
    peak = 0
    deadline = time.monotonic() + child.seconds_max
    while not samples or samples[-1].events < child.events:
        events = done()
        try:
            used, peak = cpu_seconds_with_children(marked.pid), max(peak, _memory(marked.pid))
        except (FileNotFoundError, ProcessLookupError):
            used = 0.0
        if not runs(marked):
            raise Failed(
                f"it ended after {events:,} of {child.events:,} events; its log ends: {_last_words(child.log)}"
            )
        now = time.monotonic()
        if not samples or events > samples[-1].events:
            samples.append(Sample(now, events, used, cpu_seconds(broker)))
        if now > deadline:
            words = f"{events:,} of {child.events:,} events after {child.seconds_max:g} s"
            raise Failed(f"{words}; its log ends: {_last_words(child.log)}")
        time.sleep(LOOK_SECONDS)
    return samples, peak


def figures(samples: Sequence[Sample], events: int, peak: int) -> Measured:
    """Over the last two thirds of the events.

    Raises:
        Failed: it was so quick that nothing lies between.
    """
    first = next(sample for sample in samples if sample.events >= events / 3)
    last = samples[-1]
    counted = last.events - first.events
    if counted <= 0:
        raise Failed(f"all {events:,} events were processed between two looks: give it more")
    return Measured(
        (last.cpu - first.cpu) / counted * 1e6,
        (last.broker_cpu - first.broker_cpu) / counted * 1e6,
        counted / (last.at - first.at),
        peak / 2**20,
    )


def _memory(pid: int) -> int:
    """Peak of a process, and of its children that run."""
    return peak_rss_bytes(pid) + sum(map(_memory, children(pid)))


def _last_words(log: Path) -> str:
    lines = [line for line in tail(log).splitlines() if not line.startswith("P ")]
    return " / ".join(lines[-8:])


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Of a child; the rest is this process's."""
    return {"PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8", "TZ": os.environ.get("TZ", "UTC"), **more}
