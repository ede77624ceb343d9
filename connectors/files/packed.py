"""Packed files (gzip, zstd), unpacked as they are read: what stands before damage is given, then the damage is told.

Several packed parts behind one another are one file; zeros behind the last one are padding.
"""

from __future__ import annotations

import contextlib
import sys
import zlib
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SKIPPED = b"\x2a\x4d\x18"  # the end of the magic number of a zstd part that holds something else
_MAGIC_BYTES = 4
_GZIP_BITS = 16 + zlib.MAX_WBITS
_PACKED_BYTES = 1024  # given to an unpacker at once: of zstd they hold 32 MiB at most, a block of 128 KiB in 4 bytes
_BROKEN = (zlib.error, zstd.ZstdError)
_AGAIN = "Get it once more"


class Damaged(Exception):
    """A packed file ends otherwise than it should. `whole`: all that was packed into it stands before."""

    def __init__(self, words: str, whole: bool = False) -> None:
        super().__init__(words)
        self.whole = whole


class _Part:
    """One part, as the library of its form unpacks it."""

    def __init__(self, of: Any) -> None:
        self._of = of

    @property
    def ended(self) -> bool:
        """Whether its end was met."""
        return bool(self._of.eof)

    @property
    def behind(self) -> bytes:
        """What was given behind its end."""
        return bytes(self._of.unused_data)

    def step(self, packed: bytes) -> bytes:
        """All that is unpacked of what was given so far, and was not taken."""
        return bytes(self._of.decompress(packed))


class _Gzip(_Part):
    def __init__(self) -> None:
        super().__init__(zlib.decompressobj(_GZIP_BITS))

    @staticmethod
    def begins(packed: bytes) -> bool:
        """Whether a part begins so."""
        return packed.startswith(GZIP)


class _Zstd(_Part):
    def __init__(self) -> None:
        super().__init__(zstd.ZstdDecompressor())

    @staticmethod
    def begins(packed: bytes) -> bool:
        """Whether a part begins so."""
        return packed.startswith(ZSTD) or packed[1:_MAGIC_BYTES] == _SKIPPED


_Kind = type[_Gzip] | type[_Zstd]


class Unpacked:
    """The unpacked bytes of a file that begins as gzip or zstd does."""

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        self._parts = _parts(file, _Gzip if _Gzip.begins(head) else _Zstd)
        self._left = b""
        self._fault: Damaged | OSError | None = None

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end.

        Raises:
            Damaged, OSError: there is no more, because the file is broken here; again at each call.
        """
        if self._fault is not None and not self._left:
            raise self._fault
        try:
            while not self._left:
                self._left = next(self._parts)
        except StopIteration:
            return b""
        except (Damaged, OSError) as error:
            self._fault = error
            raise
        found, self._left = self._left[:size], self._left[size:]
        return found


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is for `Unpacked`."""
    return _Gzip.begins(head) or _Zstd.begins(head)


def _parts(file: BinaryIO, kind: _Kind) -> Iterator[bytes]:
    packed = file.read(_PACKED_BYTES)
    while packed:
        packed = yield from _part(file, kind, packed)
        while len(packed := packed.lstrip(b"\0")) < _MAGIC_BYTES and (more := file.read(_PACKED_BYTES)):
            packed += more
        if packed and not kind.begins(packed):
            raise Damaged(
                f"has bytes behind its end that are not part of it. What stands before is whole; {_AGAIN}", True
            )


def _part(file: BinaryIO, kind: _Kind, packed: bytes) -> Generator[bytes, None, bytes]:
    """What one part holds; returns what was read behind it.

    A step that fails keeps what it had unpacked. So each is taken twice, behind a success once more: what is a step
    behind then takes the one that failed byte by byte.
    """
    ahead, behind = kind(), kind()
    while True:
        try:
            found = ahead.step(packed)
        except _BROKEN as error:
            yield _until_damage(behind, packed)
            raise Damaged(f"is broken ({error}). {_AGAIN}") from None
        yield found
        if ahead.ended:
            return ahead.behind
        behind.step(packed)
        if not (packed := file.read(_PACKED_BYTES)):
            raise Damaged(f"ends in the middle: it is cut off. {_AGAIN}")


def _until_damage(part: _Gzip | _Zstd, packed: bytes) -> bytes:
    found = bytearray()
    with contextlib.suppress(*_BROKEN):
        for at in range(len(packed)):
            found += part.step(packed[at : at + 1])
    return bytes(found)
