"""Origins of many events in few bytes: offsets of one topic follow each other, so their differences are small."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.core.hashing import Hashes


def pack(origins: Hashes) -> bytes:
    """Delta coded, then zstd."""
    packed: bytes = pa.compress(np.diff(origins, prepend=np.uint64(0)).tobytes(), "zstd", asbytes=True)
    return packed


def unpack(packed: bytes, n: int) -> Hashes:
    """The `n` origins of `pack`."""
    raw = pa.decompress(packed, 8 * n, "zstd", asbytes=True)
    return np.cumsum(np.frombuffer(raw, np.uint64), dtype=np.uint64)
