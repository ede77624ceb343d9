"""The nemesis: does to a world what its plan says, and undoes what is to be undone; everything is written down.

`act` is called again and again by one thread. What is due is done, at most late, never early. What starts slowly starts
in a thread of its own. Whatever is still broken when the load ends is healed by `heal`.
"""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from connectors.local.faults import StackError
from tests.torture.deeds import DEEDS
from tests.torture.faults import Fault, Kind
from tests.torture.progress import Progress
from tests.torture.server import Server
from tests.torture.world import World

STARTS_MAX = 4  # at a time
PAUSE_SECONDS = 0.02  # something that is undone may wait for a process to end
START_SECONDS = 120.0  # until the broker or the engine answers again

Undo = Callable[[], None]


class Nemesis:
    """See the module. `done` counts the faults that were done by kind; `history` is all of it in words."""

    def __init__(self, world: World, progress: Progress, faults: list[Fault]) -> None:
        self.world = world
        self.history: list[str] = []
        self.done: Counter[Kind] = Counter()
        self._progress = progress
        self._faults = list(faults)
        self._began = time.monotonic()
        self._later: list[tuple[float, int, Undo, str]] = []
        self._numbers = itertools.count()
        self._pool = ThreadPoolExecutor(STARTS_MAX, "starts")
        self._starts: list[Future[None]] = []

    def act(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._undo()
        while self._faults and self._began + self._faults[0].at <= now:
            self._do(self._faults.pop(0))

    def heal(self) -> None:
        """Undo everything that is still done; returns when what was started answers, or has failed to."""
        while self._later:
            self._undo()
            time.sleep(PAUSE_SECONDS)
        for started in self._starts:
            started.result(START_SECONDS)
        self._pool.shutdown()

    def note(self, words: str) -> None:
        """Write something down, with its time."""
        self.history.append(f"{time.monotonic() - self._began:6.2f}  {words}")

    def later(self, seconds: float, undo: Undo, words: str = "") -> None:
        """Do something after some seconds, and write it down."""
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), undo, words))

    def kill(self, name: str) -> None:
        """SIGKILL to a process or a server."""
        server = self.world.stage.servers.get(name)
        if server is None:
            self.world.processes.kill(name)
        elif server.runs:
            server.kill()

    def start_later(self, name: str, seconds: float) -> None:
        """Start it again after some seconds."""
        server = self.world.stage.servers.get(name)
        if server is None:
            self.later(seconds, lambda: self.world.processes.start(name), f"{name} starts")
        else:
            self.later(seconds, lambda: self._starts.append(self._pool.submit(self._start, server)), f"{name} starts")

    def _start(self, server: Server) -> None:
        """A server that is killed while it starts is started anew by whoever killed it."""
        try:
            server.start()
        except StackError as error:
            self.note(f"{server.name} did not start: {str(error).splitlines()[0]}")

    def _do(self, fault: Fault) -> None:
        self._progress.watch(fault.kind, self.world.acknowledged_places())
        self.done[fault.kind] += 1
        self.note(f"{fault.kind}: {', '.join(fault.victims)}, {fault.seconds:g} s")
        told = DEEDS[fault.kind](self, fault, random.Random(fault.dice))
        if told:
            self.note(f"  {told}")

    def _undo(self) -> None:
        _, _, undo, words = heapq.heappop(self._later)
        undo()
        if words:
            self.note(words)
