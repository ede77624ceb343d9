"""Bodies of requests and replies: read in pieces within bounds, in any of the compressions of clickhouse-connect.

A client compresses block by block, so one body is a row of frames: all of them are read.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import BufferedIOBase
from typing import Protocol

import lz4.frame

from connectors.local.chdb_errors import BAD_ARGUMENTS, NOT_IMPLEMENTED, RequestFault

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 1 << 20  # of a body in memory at a time, before and after decompression
CHUNK_LINE_BYTES_MAX = 1024  # a chunk's size line has a few hexadecimal digits
QUICK_LEVEL = 1  # loopback: the processor is the bottleneck, not the line


class _Decompressor(Protocol):
    """What the decompressors of the standard library's style share."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Zlib:
    """zlib's decompressor in the style of the others."""

    def __init__(self, window: int) -> None:
        self._inner = zlib.decompressobj(window)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = not self._inner.unconsumed_tail and len(out) < max_length
        return out


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": zstd.ZstdDecompressor,
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
}
# In the order of preference: what costs least first.
_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda data: zstd.compress(data, QUICK_LEVEL),
    "gzip": lambda data: gzip.compress(data, QUICK_LEVEL),
    "deflate": lambda data: zlib.compress(data, QUICK_LEVEL),
}
COMPRESS_BYTES_MIN = 256  # shorter replies gain nothing


def sized(stream: BufferedIOBase, length: int) -> Iterator[bytes]:
    """A body of known length, in pieces.

    Raises:
        ConnectionError: the client went away before its end.
    """
    while length > 0:
        piece = stream.read(min(length, PIECE_BYTES))
        if not piece:
            raise ConnectionError("the body ended early")
        length -= len(piece)
        yield piece


def chunked(stream: BufferedIOBase) -> Iterator[bytes]:
    """A body in HTTP's chunked coding, in pieces, trailers skipped.

    Raises:
        ConnectionError: the client went away before its end.
        RequestFault: not chunked coding.
    """
    while True:
        line = stream.readline(CHUNK_LINE_BYTES_MAX)
        if not line:
            raise ConnectionError("the body ended early")
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise RequestFault(BAD_ARGUMENTS, "a chunk without a size", "BAD_ARGUMENTS", close=True) from None
        if size == 0:
            while stream.readline(CHUNK_LINE_BYTES_MAX).strip():
                pass
            return
        yield from sized(stream, size)
        stream.readline(CHUNK_LINE_BYTES_MAX)


def decompressed(encoding: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The plain body, frame after frame, in pieces of at most PIECE_BYTES.

    Raises:
        RequestFault: unknown encoding, damaged or truncated frames.
    """
    if encoding in ("", "identity"):
        yield from pieces
        return
    if encoding not in _DECOMPRESSORS:
        known = ", ".join(_DECOMPRESSORS)
        text = f"Content-Encoding {encoding} is not served here; use one of {known}"
        raise RequestFault(NOT_IMPLEMENTED, text, "NOT_IMPLEMENTED", close=True)
    try:
        yield from _frames(_DECOMPRESSORS[encoding], pieces)
    except (RuntimeError, EOFError, zlib.error, zstd.ZstdError) as error:
        raise RequestFault(BAD_ARGUMENTS, f"damaged {encoding} body: {error}", "BAD_ARGUMENTS", close=True) from None


def _frames(new: Callable[[], _Decompressor], pieces: Iterable[bytes]) -> Iterator[bytes]:
    frame: _Decompressor | None = None
    for piece in pieces:
        left = piece
        while left or (frame is not None and not frame.needs_input):
            frame = frame or new()
            out = frame.decompress(left, PIECE_BYTES)
            left = b""
            if frame.eof:
                left, frame = frame.unused_data or b"", None
            if out:
                yield out
    if frame is not None:
        raise EOFError("its last frame is not complete")


def bounded(pieces: Iterable[bytes], bytes_max: int) -> Iterator[bytes]:
    """The pieces, as long as they stay within the bound.

    Raises:
        RequestFault: 413, one byte past it.
    """
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > bytes_max:
            text = f"the request's body is larger than {bytes_max} bytes; send it in several"
            raise RequestFault(BAD_ARGUMENTS, text, "BAD_ARGUMENTS", status=413, close=True)
        yield piece


def compressed(data: bytes, accepted: str) -> tuple[bytes, str | None]:
    """A reply in the cheapest compression that the client accepts, and that compression's name."""
    names = {part.split(";")[0].strip() for part in accepted.split(",")}
    name = next((name for name in _COMPRESSORS if name in names), None)
    if name is None or len(data) < COMPRESS_BYTES_MIN:
        return data, None
    return _COMPRESSORS[name](data), name
