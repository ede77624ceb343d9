"""One round: a world, a load, a nemesis; then quiet, and the checker."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.cli.console import Exit
from pipeline.topic_bounds import held
from pipeline.transport.fatal import UNEXPECTED
from tests.torture.checker import Findings, check
from tests.torture.faults import SINKS, WORKERS, Fault, Kind
from tests.torture.nemesis import Nemesis
from tests.torture.progress import Progress
from tests.torture.stage import Stage
from tests.torture.world import PARTITIONS, Places, World

READY_SECONDS = 90.0  # until every partition has a worker: 4 s alone
QUIET_SECONDS = 150.0  # from the end of the faults until everything is in ClickHouse: 2 to 30
STALL_SECONDS = 6.0  # without progress in quiet, while a sink has said that it refuses a partition
STEP_SECONDS = 0.05
REFUSED = "is refused"  # what a sink says of a partition whose journal is not the one it read
AT_WORK = "reading the journal from Kafka"  # what a sink says that has begun
REBUILD_SECONDS = 180
WAITS = int(Exit.WAITS)

Say = Callable[[str], None]


@dataclass
class Result:
    """What a round came to; `drift` is the number of differences. Seconds."""

    seed: int
    began: str
    seconds: float = 0.0
    events: int = 0
    records: int = 0
    rivals: int = 0
    alerts: int = 0
    rows: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    drift: int = 0
    differences: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    rebuilds: int = 0
    history: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As a line of JSON has it: without what is kept beside a failure."""
        return {name: value for name, value in asdict(self).items() if name not in ("history", "differences")}


class Round:
    """See the module. The load flows for some seconds."""

    def __init__(self, stage: Stage, folder: Path, seed: int, seconds: float) -> None:
        self._seconds = seconds
        self.world = World(stage, folder, seed, seconds)
        self.result = Result(seed, datetime.now(UTC).isoformat(timespec="seconds"))

    def play(self, faults: list[Fault], say: Say) -> Result:
        """Run it whole, with these faults.

        Raises:
            RuntimeError: it could not begin.
        """
        began = time.monotonic()
        self.world.prepare()
        self._await_workers()
        progress = Progress(self.world.clickhouse.target)
        nemesis = Nemesis(self.world, progress, faults)
        try:
            self._flow(nemesis, say)
            self._calm(nemesis, progress, say)
        finally:
            progress.close()
            nemesis.heal()
        self._stop(nemesis)
        self._conclude(nemesis, progress, check(self.world))
        self.result.seconds = round(time.monotonic() - began, 1)
        return self.result

    def _await_workers(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while self._ready() < PARTITIONS:
            self.world.processes.supervise()
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"after {READY_SECONDS:g} s the workers have {self._ready()} of {PARTITIONS} partitions"
                )
            time.sleep(STEP_SECONDS)

    def _ready(self) -> int:
        logs = (self.world.processes[name].log.read_text(encoding="utf-8") for name in WORKERS)
        return sum(log.count(" is ready") for log in logs)

    def _flow(self, nemesis: Nemesis, say: Say) -> None:
        """Load and faults."""
        self.world.publish()
        end = time.monotonic() + self._seconds
        told = 0
        while time.monotonic() < end:
            nemesis.act()
            self.world.processes.supervise()
            for line in nemesis.history[told:]:
                say(line)
            told = len(nemesis.history)
            time.sleep(STEP_SECONDS)

    def _calm(self, nemesis: Nemesis, progress: Progress, say: Say) -> None:
        """No more faults; until everything published is in ClickHouse, or it stalls."""
        nemesis.heal()
        self.world.stage.restore()
        nemesis.note("quiet")
        deadline = time.monotonic() + QUIET_SECONDS
        moved, before = time.monotonic(), Counter[tuple[str, int]]()
        while time.monotonic() < deadline:
            self.world.processes.supervise()
            if progress.sunk != before:
                moved, before = time.monotonic(), Counter(progress.sunk)
            if self.world.published and progress.has(self._held()):
                nemesis.note("everything is in ClickHouse")
                return
            if time.monotonic() - moved > STALL_SECONDS and self._refused():
                self._rebuild(nemesis, say)
                moved = time.monotonic()
            time.sleep(10 * STEP_SECONDS)
        waiting = {place: n - progress.sunk.get(place, 0) for place, n in self._held().items()}
        late = {f"{topic}/{number}": n for (topic, number), n in waiting.items() if n}
        self.result.differences.append(f"after {QUIET_SECONDS:g} s of quiet, events are not in ClickHouse: {late}")

    def _held(self) -> Places:
        return {place: n for place, n in held(self.world.settings).items() if n}

    def _refused(self) -> bool:
        return any(REFUSED in self.world.processes[name].log.read_text(encoding="utf-8") for name in SINKS)

    def _rebuild(self, nemesis: Nemesis, say: Say) -> None:
        """What an operator does where the journal was cut off behind a sink."""
        nemesis.note("sinks refuse partitions: tally rebuild clickhouse")
        say(nemesis.history[-1])
        self.world.processes.stop(SINKS)
        command, deadline = ("rebuild", "clickhouse", "--drop-old"), time.monotonic() + REBUILD_SECONDS
        while (ran := self.world.run(command, REBUILD_SECONDS))[0] == WAITS and time.monotonic() < deadline:
            time.sleep(STEP_SECONDS)  # sinks with names stay in their group until their sessions are over
        if ran[0]:
            raise RuntimeError(f"tally rebuild clickhouse ended with {ran[0]}:\n{ran[1]}")
        for name in SINKS:
            log = self.world.processes[name].log
            log.rename(log.with_suffix(f".before-rebuild-{self.result.rebuilds + 1}.log"))
            self.world.processes.start(name)
            self._await_at_work(name)
        self.result.rebuilds += 1

    def _await_at_work(self, name: str) -> None:
        """Until a sink listens to signals: the tables are full already, and the next thing is that it is stopped."""
        deadline = time.monotonic() + READY_SECONDS
        while AT_WORK not in self.world.processes[name].log.read_text(encoding="utf-8"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"after {READY_SECONDS:g} s {name} does not read: see its log")
            time.sleep(STEP_SECONDS)

    def _stop(self, nemesis: Nemesis) -> None:
        """All of them end cleanly."""
        codes = self.world.processes.stop([*WORKERS, *SINKS])
        for name, code in codes.items():
            if code:
                self.result.differences.append(f"{name} did not end cleanly: exit code {code}")
        nemesis.note("stopped")

    def _broken(self, nemesis: Nemesis) -> Iterator[str]:
        """What did not hold and was mended, by a fold or a rebuild: the numbers may be right all the same."""
        if self.result.rebuilds and not (nemesis.done[Kind.POWER_LOSS] or nemesis.done[Kind.REWIND]):
            yield "a sink has refused a partition, and neither was a journal cut off nor an offset set back"
        for ended in self.world.processes.ended:
            if ended.code == UNEXPECTED:
                yield f"{ended.name} ended with {UNEXPECTED}: an assumption was broken; see its log"

    def _conclude(self, nemesis: Nemesis, progress: Progress, found: Findings) -> None:
        result = self.result
        result.events, result.records, result.rivals = found.events, found.records, found.rivals
        result.alerts, result.rows = found.alerts, found.rows
        result.faults = {kind.value: n for kind, n in sorted(nemesis.done.items())}
        result.recoveries = [(r.kind.value, round(r.seconds, 2)) for r in progress.recoveries if r.seconds is not None]
        result.differences += found.lines
        result.differences += self._broken(nemesis)
        result.drift = len(result.differences)
        result.ended = [f"{ended.name} {ended.code}" for ended in self.world.processes.ended]
        result.history = nemesis.history
