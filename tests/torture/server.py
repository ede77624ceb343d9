"""A server that the nemesis may kill, stop, wake and start again: a process of its own that ends with the run."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from connectors.local.keeper import Keeper
from connectors.local.processes import Mark, end, find
from connectors.local.service import Service, Wish

GONE_SECONDS = 10.0  # from SIGKILL to gone: a broker that writes takes tenths of a second
STOP_SECONDS = 15.0  # a clean stop: Kafka takes 0.5 s, an engine that is flushing a few


class NotRunning(RuntimeError):
    """The process is not there: it was killed, or it ended by itself."""


class Server:
    """`begin` starts it, always on the same ports, and returns when it answers. `keeper` ends it with this process."""

    def __init__(self, name: str, begin: Callable[[Wish], Service], keeper: Keeper) -> None:
        self.name = name
        self._begin = begin
        self._keeper = keeper
        self._marked: Mark | None = None
        self.starts = 0

    def start(self) -> None:
        """Start it on its data; returns when it answers.

        Raises:
            StackError: it cannot be started; the message has the log's end.
        """
        assert not self.runs, f"{self.name} runs already"
        self._begin(Wish(bound_to_parent=True, use_docker=False, born=self._bind))
        self.starts += 1

    def kill(self) -> None:
        """End it at once, with SIGKILL, also while it is paused.

        Raises:
            NotRunning
        """
        process = self._process()
        process.kill()
        process.wait(GONE_SECONDS)

    def pause(self) -> None:
        """SIGSTOP: its connections stay, nobody answers.

        Raises:
            NotRunning
        """
        self._process().suspend()

    def resume(self) -> None:
        """SIGCONT.

        Raises:
            NotRunning
        """
        self._process().resume()

    def stop(self) -> None:
        """End it cleanly; harmless where it does not run."""
        if self._marked is None or (process := find(self._marked)) is None:
            return
        process.resume()
        end(self._marked, STOP_SECONDS)

    @property
    def runs(self) -> bool:
        """Whether its process is there, paused or not."""
        return self._marked is not None and find(self._marked) is not None

    @property
    def pid(self) -> int:
        """Of its process.

        Raises:
            NotRunning
        """
        return self._process().pid

    def _bind(self, marked: Mark) -> None:
        self._marked = marked
        self._keeper.bind(marked)

    def _process(self) -> psutil.Process:
        process = None if self._marked is None else find(self._marked)
        if process is None:
            raise NotRunning(f"{self.name} does not run")
        return process
