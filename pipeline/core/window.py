"""The acceptance window: what is too late or in the future is not counted.

In:   occurred_at and arrived_at of rows, the stream's time at each.  Out: masks of what is refused.
Time: stream time is the highest arrived_at so far; nothing reads a clock.
Late: older than stream time minus `window_days`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.batch import Slab
from pipeline.core.hashing import Ints, Mask

if TYPE_CHECKING:
    from pipeline.core.record import Rules  # which knows forecasts, and they days

DAY_US = 86_400_000_000
MINUTE_US = 60_000_000


def stream_times(before: int, arrived_at: Ints) -> Ints:
    """The stream's time after each event, in stream order, UTC microseconds."""
    return np.maximum.accumulate(np.maximum(arrived_at, before))


def too_late(occurred_at: Ints, stream_time: Ints, rules: Rules) -> Mask:
    """Rows that occurred before the acceptance window."""
    late: Mask = occurred_at < stream_time - rules.window_days * DAY_US
    return late


def may_be_forgotten(occurred_at: Ints, remembers_since: int) -> Mask:
    """Rows whose first copy may have come before the stream day from which on all identities are remembered.

    An event comes at most a day before it occurs (`rules.future_minutes_max`). Only a window that was made larger has
    such rows: it reaches back no further than what is remembered, until it has grown to its size.
    """
    unsure: Mask = occurred_at < (remembers_since + 1) * DAY_US
    return unsure


def in_the_future(occurred_at: Ints, arrived_at: Ints, rules: Rules) -> Mask:
    """Rows that occurred too far ahead of their own arrival."""
    early: Mask = occurred_at > arrived_at + rules.future_minutes_max * MINUTE_US
    return early


def cut_days(stream_time: int, slabs: Sequence[Slab]) -> list[list[Slab]]:
    """A batch is cut where the stream's day changes, so that expiry does not depend on how batches fall."""
    parts: list[list[Slab]] = []
    day = None
    for slab in slabs:
        stream_time = max(stream_time, slab.arrived_ms * 1000)
        if stream_time // DAY_US != day:
            day = stream_time // DAY_US
            parts.append([])
        parts[-1].append(slab)
    return parts
