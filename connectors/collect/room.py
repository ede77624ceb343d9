"""How much may be at work at once: requests, their bytes and their events. Pure; whoever finds no room is told at once.

A lease is a request's part: it grows with the body as it is read, then becomes the size of the messages, and ends when
Kafka has answered for them, which may be after the sender was told to try again. What one request holds alone always
finds room: its body has a bound of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

MESSAGE_BYTES = 600  # that a message costs beside its own bytes: Python's objects, the client's entry


@dataclass(slots=True)
class Room:
    """What is taken of each bound."""

    requests_max: int
    bytes_max: int
    events_max: int
    requests: int = 0
    bytes: int = 0
    events: int = 0

    def enter(self) -> Lease | None:
        """A request's lease, or None where there are too many."""
        if self.requests >= self.requests_max:
            return None
        self.requests += 1
        return Lease(self)


@dataclass(slots=True)
class Lease:
    """See the module. Leaving a second time does nothing. `lent`: Kafka's answer ends it, not the request."""

    room: Room
    bytes: int = 0
    events: int = 0
    lent: bool = False
    _left: bool = False

    def hold(self, count: int) -> bool:
        """Hold so many bytes from now on, or as many as before where there is no room for more."""
        more = count - self.bytes
        others = self.room.bytes - self.bytes
        if more > 0 and others and others + count > self.room.bytes_max:
            return False
        self.room.bytes += more
        self.bytes = count
        return True

    def hold_messages(self, count: int, size: int) -> bool:
        """Hold so many messages with this size in all, in place of the body that they were made of."""
        others = self.room.events - self.events
        if others and others + count > self.room.events_max:
            return False
        if not self.hold(size + count * MESSAGE_BYTES):
            return False
        self.room.events += count - self.events
        self.events = count
        return True

    def leave(self) -> None:
        """All of it is free again."""
        if self._left:
            return
        self._left = True
        self.room.requests -= 1
        self.room.bytes -= self.bytes
        self.room.events -= self.events
