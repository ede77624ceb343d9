"""The demo's worker and sink as processes of their own: started, watched, killed on request, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from connectors.local.keeper import Keeper
from connectors.local.processes import Mark, mark

STOP_SECONDS = 15.0  # worker.stop_seconds is 8 by default, a sink's last insert some more


class ServiceDied(RuntimeError):
    """A service ended by itself; the message says where its log is."""


class Services:
    """Processes running `tally` commands. Bound ones end when this process does, however it ends."""

    def __init__(self, home: Path, *, bound_to_parent: bool) -> None:
        self._logs = home / "demo"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._keeper = Keeper() if bound_to_parent else None
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, Sequence[str]] = {}

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start `tally <command>` under a name; its output goes to <home>/demo/<name>.log."""
        with self.log(name).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.cli.app", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        self._running[name] = process
        self._commands[name] = command
        if self._keeper is not None:
            self._keeper.bind(mark(process.pid))

    def log(self, name: str) -> Path:
        """Where a service's output is."""
        return self._logs / f"{name}.log"

    def kill(self, name: str, away_seconds: float = 0.0) -> int:
        """SIGKILL, and start it anew after so many seconds; returns the pid that died."""
        process = self._running[name]
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(away_seconds)
        self.start(name, self._commands[name])
        return process.pid

    def check(self) -> None:
        """All still run.

        Raises:
            ServiceDied: one does not.
        """
        for name, process in self._running.items():
            code = process.poll()
            if code is not None:
                raise ServiceDied(f"{name} ended with exit code {code}; its log: {self.log(name)}")

    def marks(self) -> dict[str, Mark]:
        """The services' processes by name."""
        return {name: mark(process.pid) for name, process in self._running.items()}

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL after a deadline."""
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        for process in self._running.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        if self._keeper is not None:
            self._keeper.close()
