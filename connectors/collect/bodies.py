"""A request's body: what is no delivery, and the bytes of what is one, never more of them than the bound.

What a body is not is said before it is read. A gzip body that cannot be unpacked is a refusal: it becomes a dead letter
as it came, like broken JSON.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from connectors.collect.answers import Outcome
from connectors.collect.room import Lease
from connectors.collect.translation import Refusal
from pipeline.core.reasons import Reject

if TYPE_CHECKING:
    from aiohttp import StreamReader
    from multidict import MultiMapping

BODY_SECONDS = 20.0  # within which a body arrives: 8 MiB over a slow line, and the senders' own usual time-out
CHUNK_BYTES = 1024 * 1024  # unpacked at once
MEMBERS_MAX = 100  # of a gzip body: senders write one; each costs a copy of what is left
_PLAIN = frozenset({"", "identity"})
_PACKED = frozenset({"gzip", "x-gzip"})
_GZIP_BITS = 16 + zlib.MAX_WBITS
_DIGITS_MAX = 18  # of a length that is compared; a longer one is too large whatever it says

# What senders put on JSON; nothing at all is as good.
TYPES = frozenset(
    {
        "",
        "application/json",
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/octet-stream",
        "text/json",
        "text/plain",
    }
)


def refusal(headers: MultiMapping[str], bytes_max: int) -> Outcome | None:
    """Why a request carries no delivery that can be taken, by its headers alone; None: it may."""
    media = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media not in TYPES and not (media.startswith("application/") and media.endswith("+json")):
        return Outcome.NO_DELIVERY
    if headers.get("Content-Encoding", "").strip().lower() not in _PLAIN | _PACKED:
        return Outcome.NO_DELIVERY
    length = headers.get("Content-Length", "")
    if len(length) > _DIGITS_MAX or (length.isdigit() and int(length) > bytes_max):
        return Outcome.TOO_LARGE
    return None


async def read(content: StreamReader, lease: Lease, length: int | None, bytes_max: int) -> bytes | Outcome:
    """The body as it came, its bytes held by the lease, or why there is none."""
    if length is not None and not lease.hold(length):
        return Outcome.FULL
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _joined(content, lease, bytes_max)
    except TimeoutError:
        return Outcome.SLOW


async def _joined(content: StreamReader, lease: Lease, bytes_max: int) -> bytes | Outcome:
    parts: list[bytes] = []
    count = 0
    while part := await _next(content):
        count += len(part)
        if count > bytes_max:
            return Outcome.TOO_LARGE
        if count > lease.bytes and not lease.hold(count):
            return Outcome.FULL
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _next(content: StreamReader) -> bytes:
    """What has arrived of a body, at least a byte; nothing at its end. Raises: ConnectionError."""
    try:
        return await content.readany()
    except RuntimeError as error:  # aiohttp's word for a connection that is not there any more
        raise ConnectionResetError(str(error)) from None


def unpacked(headers: MultiMapping[str], raw: bytes, lease: Lease, bytes_max: int) -> bytes | Refusal | Outcome:
    """The body without its encoding, or what is wrong with its gzip."""
    if headers.get("Content-Encoding", "").strip().lower() in _PLAIN:
        return raw
    parts: list[bytes] = []
    count, left = len(raw), raw
    for _ in range(MEMBERS_MAX):
        unpacker = zlib.decompressobj(_GZIP_BITS)
        while not unpacker.eof:
            try:
                part = unpacker.decompress(left, CHUNK_BYTES)
            except zlib.error:
                return _broken(
                    raw, "is none" if left is raw and not parts else "is damaged, or has bytes behind its end"
                )
            if not part and not unpacker.unconsumed_tail and not unpacker.eof:
                return _broken(raw, "ends in the middle: it is cut off")
            count += len(part)
            if count - len(raw) > bytes_max:
                return Outcome.TOO_LARGE
            if not lease.hold(count):
                return Outcome.FULL
            parts.append(part)
            left = unpacker.unconsumed_tail
        left = unpacker.unused_data
        if not left:
            return b"".join(parts)
    return _broken(raw, f"has more than {MEMBERS_MAX} parts")


def _broken(raw: bytes, what: str) -> Refusal:
    words = f"the delivery's gzip {what}; it has {len(raw)} bytes. Its sender should pack it anew, or send it plain"
    return Refusal(Reject.UNDECODABLE, words)
