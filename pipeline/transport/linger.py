"""How long an event waits for others under light load, so that the fixed cost of batches stays a small part of a core.

A batch costs some milliseconds however few events it has, so L lanes that each hand out a batch every `linger_ms` may
cost L times that. The wait grows with the lanes at work and with the cost of their last small batches: fixed cost may
take FIXED_SHARE_MIN of the time, more while there are many events, and less again where events alone fill the core.
The wait counts from the event's arrival: its first part, `pace_s`, is the broker's, which holds fetches back so long.
"""

from __future__ import annotations

import math

FIXED_SHARE_MIN = 0.05  # of a core: what twelve lanes of a worker without much to do may cost
LINGER_S_MAX = 0.7  # what a reader of the newest numbers may wait longer
PACE_S_MAX = 0.15  # between two fetches under load; one costs up to 3 ms, with hundreds of topic partitions
EVENT_S = 4e-6  # an event's own cost, measured; what is above it is a batch's fixed cost
AROUND_S = 1.5e-3  # of a batch outside of the core's thread, measured: fetch, hand-out, append, acknowledgement
SMALL_EVENTS = 5_000  # only batches up to that size tell the fixed cost: of larger ones it is lost in the events'
RATE_S = 1.0  # over which the rate of events is taken, and for which a lane counts as at work behind its last batch
_MEMORY = 0.1  # weight of the newest batch in the mean


class Linger:
    """The wait of a worker's lanes, from what their batches cost. Clocks are passed in."""

    def __init__(self, least_s: float) -> None:
        self.least_s = least_s
        self._fixed_s = 0.0
        self._events, self._at = 0.0, -math.inf  # of the last RATE_S, older ones counting less
        self._seen: dict[int, float] = {}  # by partition, when a batch was last done

    def observe(self, partition: int, events: int, cpu_s: float, now: float) -> None:
        """Learn from a batch that took the core so much CPU; wall time would count what other processes do."""
        if events <= SMALL_EVENTS:
            fixed = max(0.0, cpu_s - events * EVENT_S) + AROUND_S
            self._fixed_s += _MEMORY * (fixed - self._fixed_s)
        self._events = self._recent(now) + events
        self._at = now
        self._seen[partition] = now

    def seconds(self, now: float) -> float:
        """What an event waits at most, from its arrival, before its lane hands it out."""
        self._seen = {partition: at for partition, at in self._seen.items() if now - at < RATE_S}
        busy = min(self._recent(now) / RATE_S * EVENT_S, 1.0)
        share = max(FIXED_SHARE_MIN, min(FIXED_SHARE_MIN + busy, (1.0 - busy) / 3))
        wanted = max(1, len(self._seen)) * self._fixed_s / share
        return max(self.least_s, min(wanted, LINGER_S_MAX))

    def _recent(self, now: float) -> float:
        return self._events * math.exp((self._at - now) / RATE_S)


def pace_s(linger_s: float) -> float:
    """The part of the wait for which the broker holds a fetch back: a whole fraction of it, PACE_S_MAX at most."""
    return linger_s / max(1, math.ceil(linger_s / PACE_S_MAX))


def rest_s(linger_s: float) -> float:
    """The part that is left once an event is fetched."""
    return linger_s - pace_s(linger_s)
