"""What the C library's allocator keeps of what was freed: little of what is large.

By itself glibc takes the size up to which freed memory is kept for later from the largest piece freed so far, up to
32 MiB: of tables and columns that were made anew it kept 14 bytes a fact. Without the dynamic size a large piece goes
back to the system at once; what a batch takes and frees is smaller, so that its cost stays the same.
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGE_BYTES = 4 << 20  # a batch of 20,000 looks up with arrays of 2.5 MB
KEPT_BYTES = 16 << 20  # free at the heap's end: a batch's arrays together


def keep_little() -> bool:
    """Of this process; whether its C library can be told (glibc can)."""
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    return tell is not None and bool(tell(_M_MMAP_THRESHOLD, LARGE_BYTES) and tell(_M_TRIM_THRESHOLD, KEPT_BYTES))
