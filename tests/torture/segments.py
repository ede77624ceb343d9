"""A Kafka partition's newest segment on disk: its record batches, and how to lose the last ones.

A record batch begins with its base offset (8 bytes) and the length of what follows (4 bytes), both big-endian; the
last offset's distance from the base stands at byte 23 (Kafka's record format, magic 2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_BASE = slice(0, 8)
_LENGTH = slice(8, 12)
_LAST_DELTA = slice(23, 27)
_HEAD_BYTES = 61  # of a batch without records
_PREFIX_BYTES = 12  # before what the length counts
# What the broker remembers beside a segment and would trust over it. Indexes are rebuilt where they are missing.
_BESIDE = ("*.index", "*.timeindex", "*.txnindex", "*.snapshot", "leader-epoch-checkpoint")


class Batch(NamedTuple):
    """Where a record batch lies in its file, and its offsets: [first, end)."""

    at: int
    size: int
    first: int
    end: int


class Cut(NamedTuple):
    """How many batches were cut off, and the offsets that are gone: [first, end)."""

    batches: int
    first: int
    end: int


def batches(content: bytes) -> Iterator[Batch]:
    """The whole record batches of a segment; what a crash left half, or preallocated zeros, ends them."""
    at = 0
    while at + _HEAD_BYTES <= len(content):
        head = content[at : at + _HEAD_BYTES]
        size = _PREFIX_BYTES + int.from_bytes(head[_LENGTH], "big")
        if size < _HEAD_BYTES or at + size > len(content):
            return
        first = int.from_bytes(head[_BASE], "big")
        yield Batch(at, size, first, first + int.from_bytes(head[_LAST_DELTA], "big") + 1)
        at += size


def cut_tail(data: Path, topic: str, partition: int, wanted: int) -> Cut:
    """Cut the last `wanted` batches off the newest segment, or as many as it has; the broker must be down.

    Raises:
        FileNotFoundError: the partition has no segment here.
    """
    folder = data / f"{topic}-{partition}"
    segments = sorted(folder.glob("*.log"))
    if not segments:
        raise FileNotFoundError(f"{folder} has no segment: the topic or its partition is not on this broker")
    newest = segments[-1]
    found = list(batches(newest.read_bytes()))
    lost = found[max(0, len(found) - wanted) :] if wanted > 0 else []
    if not lost:
        end = found[-1].end if found else int(newest.stem)
        return Cut(0, end, end)
    os.truncate(newest, lost[0].at)
    for pattern in _BESIDE:
        for path in folder.glob(pattern):
            path.unlink()
    _forget_positions(data)
    return Cut(len(lost), lost[0].first, lost[-1].end)


def _forget_positions(data: Path) -> None:
    """The broker's own checkpoints: a flushed or high watermark past the end would contradict the segment."""
    for name in ("recovery-point-offset-checkpoint", "replication-offset-checkpoint", ".kafka_cleanshutdown"):
        (data / name).unlink(missing_ok=True)
