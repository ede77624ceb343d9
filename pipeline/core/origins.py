"""Origins: where an event stands in its partition, topic number << 56 | offset, one by one and many in few bytes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.core.hashing import Hashes, Ints
from pipeline.core.vocabulary import TOPICS

OFFSET_BITS = 56  # the topic's number is above it

_OFFSET = (1 << OFFSET_BITS) - 1


def place(origin: int) -> tuple[str, int]:
    """Topic and offset of an origin."""
    return TOPICS[origin >> OFFSET_BITS], origin & _OFFSET


def topics_of(origin: Hashes) -> Ints:
    """The topic's number of each origin."""
    return (origin >> np.uint64(OFFSET_BITS)).astype(np.int64)


def offsets_of(origin: Hashes) -> Hashes:
    """The offset of each origin."""
    return origin & np.uint64(_OFFSET)


def pack(origins: Hashes) -> bytes:
    """Delta coded, then zstd: offsets of one topic follow each other, so their differences are small."""
    packed: bytes = pa.compress(np.diff(origins, prepend=np.uint64(0)).tobytes(), "zstd", asbytes=True)
    return packed


def unpack(packed: bytes, n: int) -> Hashes:
    """The `n` origins of `pack`."""
    raw = pa.decompress(packed, 8 * n, "zstd", asbytes=True)
    return np.cumsum(np.frombuffer(raw, np.uint64), dtype=np.uint64)
