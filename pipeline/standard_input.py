"""Standard input for who waits for it: a signal ends the wait, also one that comes together with bytes.

Python's own buffer fills itself in C, read by read, and no handler runs between two of them: a Ctrl-C that arrived
while bytes did was kept until more bytes came, for ever where none did. Here each read is a call of Python's, and
waits for bytes or for the descriptor that a signal writes to.
"""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

CHUNK_BYTES = 1 << 16  # of a read: what a pipe holds
_WAKENED_BYTES = 64  # of signals taken together: a byte each


@contextmanager
def opened() -> Iterator[BinaryIO]:
    """The bytes of standard input, for the main thread; a signal's handler runs at once, wherever it is waited for.

    A standard input that is no descriptor (a test's) is given as it is.

    Raises:
        OSError: it is closed.
    """
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    try:
        descriptor = sys.stdin.fileno()
    except io.UnsupportedOperation:
        yield sys.stdin.buffer
        return
    wakened, wakes = os.pipe()
    for end in (wakened, wakes):
        os.set_blocking(end, False)
    before = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    try:
        yield cast(BinaryIO, io.BufferedReader(_Waited(descriptor, wakened), CHUNK_BYTES))
    finally:
        signal.set_wakeup_fd(before)
        for end in (wakened, wakes):
            os.close(end)


def text() -> str:
    """All of it, as text in the encoding that Python found for it.

    Raises:
        OSError: it is closed, or cannot be read.
        UnicodeDecodeError: it is in another encoding.
    """
    with opened() as given:
        return io.TextIOWrapper(given, sys.stdin.encoding, sys.stdin.errors).read()


class _Waited(io.RawIOBase):
    """A descriptor that is read once it has bytes; `wakened` has some where a signal came."""

    def __init__(self, descriptor: int, wakened: int) -> None:
        self._descriptor, self._wakened = descriptor, wakened

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while True:
            ready, _, _ = select.select([self._descriptor, self._wakened], [], [])
            if self._wakened in ready:
                os.read(self._wakened, _WAKENED_BYTES)  # a handler that does not raise lets it wait on
            if self._descriptor in ready:
                try:
                    return os.readv(self._descriptor, [buffer])
                except BlockingIOError:  # another process that shares it made it so, or has read what was there
                    continue
