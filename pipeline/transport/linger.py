"""How long a batch waits for more under light load: so that the fixed cost of batches never takes a whole core.

A batch costs some milliseconds however few events it has (7 ms measured in a live worker, 2.7 alone), so L lanes
that each hand out a batch every `linger_ms` may cost L times that. The wait grows until fixed cost takes at most
FIXED_SHARE_MAX of the time, up to LINGER_S_MAX.
"""

from __future__ import annotations

FIXED_SHARE_MAX = 0.5  # of the time that all lanes' batches may take beyond their events
LINGER_S_MAX = 0.25  # what a reader of the newest numbers may wait longer
EVENT_S = 4e-6  # an event's own cost, measured; what is above it is a batch's fixed cost
_MEMORY = 0.1  # weight of the newest batch in the mean


class Linger:
    """The wait of a worker's lanes."""

    def __init__(self, least_s: float) -> None:
        self.least_s = least_s
        self._fixed_s = 0.0

    def observe(self, events: int, cpu_s: float) -> None:
        """Learn from a batch that took the core so much CPU; wall time would count what other processes do."""
        fixed = max(0.0, cpu_s - events * EVENT_S)
        self._fixed_s += _MEMORY * (fixed - self._fixed_s)

    def seconds(self, lanes: int) -> float:
        """What a lane waits when `lanes` are at work."""
        wanted = lanes * self._fixed_s / FIXED_SHARE_MAX
        return max(self.least_s, min(wanted, LINGER_S_MAX))
