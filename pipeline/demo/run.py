"""One run of the demo: stack, topics, tables, services, traffic, until every event is accounted for."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pipeline import topic_bounds
from pipeline.cli import console
from pipeline.demo.services import Services
from pipeline.demo.tail import JournalTail, Totals
from pipeline.settings import Settings

WORKER, SINK = "worker", "sink"
LOOK_SECONDS = 0.25  # between two looks at the journal
RATE_LOOKS = 8  # looks over which the rate shown is taken: two seconds
DRAIN_SECONDS = 120  # from the last event published to the last one in ClickHouse; it takes 2 to 5
KILLS = 3  # of worker and sink each, spread over the traffic


class Wanted(NamedTuple):
    """What to publish: events in all, events a second (0: as fast as it goes), seed; whether to kill under load."""

    events: int
    rate: int
    seed: int
    kill: bool


class DemoFailed(RuntimeError):
    """The run did not come to its end; the message says what to look at."""


def prepare() -> None:
    """Topics and tables, by the same commands that a user has."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_command, (["topics", "apply"], ["migrate"])))


def _command(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.app", *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DemoFailed(f"`tally {' '.join(command)}` failed:\n{done.stderr.strip()}")


def catch_up(settings: Settings, services: Services, in_clickhouse: Callable[[], int]) -> None:
    """Wait for what an earlier run that was interrupted has left in Kafka, so that this run's numbers are its own."""
    held = sum(topic_bounds.held(settings).values())
    deadline = time.monotonic() + DRAIN_SECONDS
    if in_clickhouse() < held:
        console.say(f"An earlier run has left {held - in_clickhouse():,} events: they come first.")
    while in_clickhouse() < held:
        services.check()
        if time.monotonic() > deadline:
            raise DemoFailed(
                f"after {DRAIN_SECONDS} s, {held - in_clickhouse():,} events of an earlier run are still not in "
                f"ClickHouse; logs: {services.log(WORKER).parent}"
            )
        time.sleep(LOOK_SECONDS)


def publish(settings: Settings, services: Services, wanted: Wanted, in_clickhouse: Callable[[], int]) -> _Run:
    """Publish, and watch until all of it is in ClickHouse. `in_clickhouse` counts the events there since the start."""
    run = _Run(JournalTail(settings), services, wanted, in_clickhouse)
    try:
        run.watch()
    finally:
        run.close()
    return run


class _Run:
    def __init__(self, tail: JournalTail, services: Services, wanted: Wanted, in_clickhouse: Callable[[], int]) -> None:
        self._tail, self._services, self._wanted, self._in_clickhouse = tail, services, wanted, in_clickhouse
        self._began = time.monotonic()
        self._looks: deque[tuple[float, int]] = deque([(self._began, 0)], RATE_LOOKS)
        self._kills = self._killed_at = self._inserted = 0
        self.truth: dict[str, object] = {}
        self.seconds = 0.0
        command = ["simulate", "--events", str(wanted.events), "--seed", str(wanted.seed), "--rate", str(wanted.rate)]
        self._traffic = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli.app", *command, "--format", "json"],
            stdout=subprocess.PIPE,
            stderr=services.log("simulate").open("wb"),
        )

    @property
    def totals(self) -> Totals:
        """Events by fate, from the journal."""
        return self._tail.totals

    @property
    def kills(self) -> int:
        """Processes that were killed under load."""
        return self._kills

    def watch(self) -> None:
        """Until everything that was published is in ClickHouse."""
        deadline = None
        with console.Progress() as progress:
            while not self._has_published() or self._look(progress) < self._published():
                if self.truth:
                    deadline = deadline or time.monotonic() + DRAIN_SECONDS
                    self._check_deadline(deadline)
                else:
                    self._look(progress)
                time.sleep(LOOK_SECONDS)
        self.seconds = time.monotonic() - self._began

    def _look(self, progress: console.Progress) -> int:
        """Returns how many events are both read and in ClickHouse."""
        self._services.check()
        totals, self._inserted = self._tail.look(), self._in_clickhouse()
        self._looks.append((time.monotonic(), totals.read))
        progress.show(self._line)
        self._maybe_kill(totals.read)
        return min(totals.read, self._inserted)

    def expected(self) -> dict[str, int]:
        """Events by fate as the simulator made them."""
        made = self.truth["expected"]
        assert isinstance(made, dict)
        return by_fate(made["accepted"], made["duplicates"], made["rejected"])

    def counted(self) -> dict[str, int]:
        """Events by fate as the journal has them."""
        return by_fate(self.totals.accepted, self.totals.duplicates, self.totals.rejected)

    def close(self) -> None:
        """End the traffic if it still goes on."""
        if self._traffic.poll() is None:
            self._traffic.terminate()
            self._traffic.wait()
        if self._traffic.stdout is not None:
            self._traffic.stdout.close()
        self._tail.close()

    def _published(self) -> int:
        published = self.truth["published"]
        assert isinstance(published, int)
        return published

    def _has_published(self) -> bool:
        if not self.truth and self._traffic.poll() is not None:
            assert self._traffic.stdout is not None
            said = self._traffic.stdout.read()
            if self._traffic.returncode:
                raise DemoFailed(f"the simulator failed; its log: {self._services.log('simulate')}")
            self.truth = json.loads(said)
        return bool(self.truth)

    def _maybe_kill(self, read: int) -> None:
        part = self._wanted.events // (KILLS + 1)
        due = max((self._kills // 2 + 1) * part, self._killed_at + part // 2)  # not before it has got on since the last
        if not self._wanted.kill or self._kills >= 2 * KILLS or read < due or self.truth:
            return
        self._killed_at = read
        for name in (WORKER, SINK):
            pid = self._services.kill(name)
            self._kills += 1
            console.say(f"killed the {name} (pid {pid}) with SIGKILL after {read:,} events, and started it again")

    def _check_deadline(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise DemoFailed(
                f"after {DRAIN_SECONDS} s, {self.totals.read:,} of {self._published():,} events are read and "
                f"{self._inserted:,} are in ClickHouse; logs: {self._services.log(WORKER).parent}"
            )

    def _line(self) -> str:
        t = self.totals
        then, before = self._looks[0]
        rate = (t.read - before) / max(time.monotonic() - then, LOOK_SECONDS)
        return (
            f"read {t.read:>9,}   accepted {t.accepted:>9,}   duplicates {t.duplicates:>7,}   "
            f"rejected {sum(t.rejected.values()):>6,}   in ClickHouse {self._inserted:>9,}   {rate:>8,.0f} events/s"
        )


def by_fate(accepted: int, duplicates: int, rejected: Mapping[str, int]) -> dict[str, int]:
    """Fates as one flat count: accepted, duplicates, rejected by reason."""
    return {
        "accepted": accepted,
        "duplicates": duplicates,
        **{f"rejected {reason}": events for reason, events in sorted(rejected.items())},
    }
