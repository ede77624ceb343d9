"""One connection through the proxy: bytes of both directions, each with the faults that are on at that moment."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

PIECE_BYTES = 64 * 1024  # read at a time
WAITING_PIECES = 64  # of one direction that are held back by a delay: with PIECE_BYTES 4 MiB, then TCP holds back
SLICES = 10  # a throttled line sends that often in a second
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


class Faults(NamedTuple):
    """What is done to bytes now; nothing by default."""

    swallow_up: bool = False  # to the server
    swallow_down: bool = False  # to the client
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    bytes_per_second: int | None = None
    cut_after: int | None = None  # bytes to the server, of each connection, after which it is reset


@dataclass(slots=True)
class Counts:
    """What a proxy has done so far."""

    connections: int = 0
    unreachable: int = 0  # the server did not take the connection: the client's was reset
    resets: int = 0  # on request, or because a connection had lost bytes; one that a server resets is not counted
    cuts: int = 0  # resets in the middle of what a client sent
    forwarded_bytes: int = 0
    swallowed_bytes: int = 0
    delayed_pieces: int = 0


@dataclass(slots=True)
class State:
    """What all connections share."""

    seed: int
    faults: Faults = field(default_factory=Faults)
    counts: Counts = field(default_factory=Counts)
    orders: int = 0  # how often `faults` was changed: a cut counts from there
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)


class Cut(Exception):
    """The connection is to be reset here."""


class Connection:
    """A client's connection and the server's for it."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter, state: State) -> None:
        self._ends = (client, server)
        self._state = state
        self._sent_up = 0
        self._order = state.orders
        self.torn = False  # it has lost bytes

    async def serve(self, from_client: asyncio.StreamReader, from_server: asyncio.StreamReader) -> None:
        """Until one side ends it, or a fault does."""
        client, server = self._ends
        ways = [
            asyncio.create_task(self._way(from_client, server, up=True)),
            asyncio.create_task(self._way(from_server, client, up=False)),
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            failed = [error for task in done if (error := task.exception()) is not None]
            self._state.counts.cuts += any(isinstance(error, Cut) for error in failed)
            if failed:
                self.reset()
            for error in failed:
                if not isinstance(error, Cut | OSError):
                    raise error
        finally:
            await _end(ways)
            for writer in self._ends:
                writer.close()

    def reset(self) -> None:
        """Both sides see a reset, not an end."""
        for writer in self._ends:
            reset(writer)

    async def _way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        """One direction, in order: what is read waits its delay in a queue; an empty piece ends it."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_PIECES)
        reading = asyncio.create_task(self._read(reader, queue))
        try:
            while True:
                due, piece = await queue.get()
                if not piece:
                    await reading
                    return
                await _sleep_until(due)
                await self._send(writer, piece, up=up)
        finally:
            await _end([reading])

    async def _read(self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        due, piece, lost = 0.0, b"begin", None
        while piece:
            try:
                piece = await reader.read(PIECE_BYTES)
            except OSError as error:
                piece, lost = b"", error
            faults, state = self._state.faults, self._state
            wait = (faults.delay_ms + state.chance.uniform(0, faults.jitter_ms)) / 1000
            state.counts.delayed_pieces += wait > 0
            due = max(due, loop.time() + wait)  # a later piece does not overtake
            await queue.put((due, piece))
        if lost is not None:
            raise lost

    async def _send(self, writer: asyncio.StreamWriter, piece: bytes, *, up: bool) -> None:
        while piece:
            faults, counts = self._state.faults, self._state.counts
            if self.torn or (faults.swallow_up if up else faults.swallow_down):
                self.torn = True
                counts.swallowed_bytes += len(piece)
                return
            size = self._slice(faults, len(piece))
            left = self._left(faults) if up else size
            counts.forwarded_bytes += min(size, left)
            writer.write(piece[: min(size, left)])
            await writer.drain()
            self._sent_up += min(size, left) if up else 0
            if left < size:
                raise Cut
            if faults.bytes_per_second is not None:
                await asyncio.sleep(size / faults.bytes_per_second)
            piece = piece[size:]

    def _slice(self, faults: Faults, size: int) -> int:
        rate = faults.bytes_per_second
        return size if rate is None else min(size, max(1, rate // SLICES))

    def _left(self, faults: Faults) -> int:
        """Bytes to the server that this connection may still send."""
        if self._order != self._state.orders:
            self._order, self._sent_up = self._state.orders, 0
        return PIECE_BYTES if faults.cut_after is None else faults.cut_after - self._sent_up


def reset(writer: asyncio.StreamWriter) -> None:
    """Its other side sees a reset."""
    connected: socket.socket | None = writer.get_extra_info("socket")
    if connected is not None:
        with contextlib.suppress(OSError):  # the other side was faster
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    writer.transport.abort()


async def _sleep_until(due: float) -> None:
    left = due - asyncio.get_running_loop().time()
    if left > 0:
        await asyncio.sleep(left)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel them; what they ended with was seen, or does not matter any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
