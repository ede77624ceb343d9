"""A TCP proxy between clients and a server, in a thread of its own, with faults that are switched while it runs.

Without a fault it forwards. Faults last until `heal`; several may be on at once. A connection that has lost bytes
is no longer a stream: it stays silent until `heal`, which resets it, as a real line does in the end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar

from connectors.local.ports import LOOPBACK
from tests.torture.connection import Connection, Counts, Faults, State, reset

CALL_SECONDS = 10.0  # of one order to the proxy's thread; it takes milliseconds
BACKLOG = 256  # connections that wait to be accepted

T = TypeVar("T")


class Way(Enum):
    """Which bytes a fault meets."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"
    BOTH = "both ways"


class Proxy:
    """Listens at `port`, forwards to `server_port`, both on the loopback interface. To be called from one thread."""

    def __init__(self, port: int, server_port: int, seed: int = 0) -> None:
        self.port, self._server_port = port, server_port
        self._state = State(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._connections: set[Connection] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        self._thread.start()
        self._call(self._listen())

    def close(self) -> None:
        """End every connection and the thread."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()

    @property
    def counts(self) -> Counts:
        """What it has done so far."""
        return replace(self._state.counts)

    def drop(self, way: Way = Way.BOTH) -> None:
        """Accept bytes and swallow them; connections stay open."""
        up, down = way in (Way.TO_SERVER, Way.BOTH), way in (Way.TO_CLIENT, Way.BOTH)
        self._order(self._state.faults._replace(swallow_up=up, swallow_down=down))

    def delay(self, milliseconds: float, jitter: float = 0.0) -> None:
        """Every piece of a stream waits so long, and up to `jitter` ms more."""
        self._order(self._state.faults._replace(delay_ms=milliseconds, jitter_ms=jitter))

    def throttle(self, bytes_per_second: int) -> None:
        """No direction of a connection moves more than that."""
        assert bytes_per_second > 0, "a line that moves nothing is `drop`"
        self._order(self._state.faults._replace(bytes_per_second=bytes_per_second))

    def cut_after(self, size: int) -> None:
        """Every connection is reset when its client has sent so many more bytes, in the middle of a request."""
        self._order(self._state.faults._replace(cut_after=size))

    def refuse(self) -> None:
        """Nobody listens; open connections stay."""
        self._call(self._deafen())

    def reset(self) -> int:
        """Reset every connection, once; new ones are served. Returns how many there were."""
        return self._call(self._reset(torn_only=False))

    def heal(self) -> None:
        """No more faults; connections that have lost bytes are reset."""
        self._order(Faults())
        self._call(self._reset(torn_only=True))
        self._call(self._listen())

    def _order(self, faults: Faults) -> None:
        self._call(self._take(faults))

    def _call(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(CALL_SECONDS)

    async def _take(self, faults: Faults) -> None:
        self._state.faults = faults
        self._state.orders += 1

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port, backlog=BACKLOG)

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _reset(self, *, torn_only: bool) -> int:
        chosen = [one for one in self._connections if one.torn or not torn_only]
        for connection in chosen:
            connection.reset()
        self._state.counts.resets += len(chosen)
        return len(chosen)

    async def _end(self) -> None:
        await self._deafen()
        for connection in self._connections:
            connection.reset()
        for task in list(self._serving):
            await task

    async def _accept(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio serves a connection in a task"
        self._serving.add(task)
        try:
            await self._serve(from_client, client)
        finally:
            self._serving.discard(task)

    async def _serve(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self._state.counts.connections += 1
        try:
            from_server, server = await asyncio.open_connection(LOOPBACK, self._server_port)
        except OSError:
            self._state.counts.unreachable += 1
            reset(client)
            return
        connection = Connection(client, server, self._state)
        self._connections.add(connection)
        try:
            await connection.serve(from_client, from_server)
        finally:
            self._connections.discard(connection)
