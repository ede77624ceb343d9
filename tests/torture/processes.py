"""The processes of a round under a supervisor: killed, stopped and started on request, started anew when they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from connectors.local.keeper import Keeper
from connectors.local.processes import mark

ROOT = Path(__file__).parents[2]
TALLY = (sys.executable, "-m", "pipeline.cli.app")
STOP_SECONDS = 20.0  # worker.stop_seconds is 8 by default, a sink's range takes some more
AGAIN_SECONDS = 1.0  # a supervisor waits that long before it starts again what ended by itself


class Ended(NamedTuple):
    """A process that ended by itself."""

    at: float  # monotonic
    name: str
    code: int


@dataclass
class Process:
    """One process: how it is started, and what was done to it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = None
    away: bool = False  # killed or stopped on purpose: the supervisor leaves it alone
    paused: bool = False
    finished: bool = False  # a producer that has published everything
    again_at: float = field(default=0.0)

    @property
    def lives(self) -> bool:
        """Whether it runs."""
        return self.running is not None and self.running.poll() is None


class Processes:
    """The processes by name. `environment` is everybody's, beside what a process gets of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
        self.environment = plain | dict(environment) | {"PYTHONUNBUFFERED": "1"}
        self._keeper = Keeper()
        self._all: dict[str, Process] = {}
        self.ended: list[Ended] = []

    def __getitem__(self, name: str) -> Process:
        return self._all[name]

    def names(self) -> list[str]:
        """All that were ever started."""
        return list(self._all)

    def add(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a process under a name; its output goes to <folder>/<name>.log."""
        log = self._folder / f"{name}.log"
        self._all[name] = Process(name, tuple(command), dict(environment or {}), log)
        self.start(name)

    def start(self, name: str) -> None:
        """Start it again; harmless where it runs."""
        process = self._all[name]
        process.away = False
        if process.lives:
            return
        process.paused = False
        with process.log.open("ab") as output:
            process.running = subprocess.Popen(
                list(process.command),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment | process.environment,
                start_new_session=True,
            )
        self._keeper.bind(mark(process.running.pid))

    def kill(self, name: str) -> None:
        """SIGKILL; the supervisor leaves it alone until `start`."""
        process = self._all[name]
        process.away = True
        if process.running is not None:
            process.running.kill()
            process.running.wait()

    def pause(self, name: str) -> None:
        """SIGSTOP."""
        self._signal(name, signal.SIGSTOP)
        self._all[name].paused = True

    def resume(self, name: str) -> None:
        """SIGCONT."""
        self._signal(name, signal.SIGCONT)
        self._all[name].paused = False

    def terminate(self, name: str) -> None:
        """SIGTERM; the supervisor leaves it alone until `start`."""
        self._all[name].away = True
        self._signal(name, signal.SIGTERM)

    def stop(self, names: Iterable[str]) -> dict[str, int]:
        """SIGTERM to all of them, SIGKILL after a deadline; returns the exit codes."""
        chosen = [self._all[name] for name in names]
        for process in chosen:
            self.resume(process.name)
            self.terminate(process.name)
        deadline = time.monotonic() + STOP_SECONDS
        for process in chosen:
            while process.lives and time.monotonic() < deadline:
                time.sleep(0.02)
            self.kill(process.name)
        return {p.name: p.running.returncode for p in chosen if p.running is not None}

    def supervise(self) -> None:
        """Note what has ended by itself, and start it again a moment later; producers may be finished."""
        now = time.monotonic()
        for process in self._all.values():
            if process.away or process.finished or process.lives or process.running is None:
                continue
            if process.running.returncode == 0 and process.name.startswith("producer"):
                process.finished = True
            elif process.again_at == 0.0:
                process.again_at = now + AGAIN_SECONDS
                self.ended.append(Ended(now, process.name, process.running.returncode))
            elif now >= process.again_at:
                process.again_at = 0.0
                self.start(process.name)

    def end(self) -> None:
        """Whatever they are doing."""
        for name in self._all:
            self.resume(name)
            self.kill(name)
        self._keeper.close()

    def _signal(self, name: str, number: signal.Signals) -> None:
        process = self._all[name]
        if process.lives:
            assert process.running is not None
            process.running.send_signal(number)
