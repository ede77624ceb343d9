"""What a consumer is told once: which topics, how large batches are, who recovers a partition, who tells of it."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.telemetry.tenure import Tenure
from pipeline.transport.activation import Recovery


class Reading(NamedTuple):
    """`topics` are unprefixed; a batch has at most `events_max` events and waits `linger_s` under light load."""

    prefix: str
    topics: tuple[str, ...]
    events_max: int
    linger_s: float
    recovery: Recovery
    tenure: Tenure
