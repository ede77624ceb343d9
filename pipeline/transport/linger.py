"""How long an event waits for others under light load, so that the fixed cost of batches stays a small part of a core.

A batch costs some milliseconds however few events it has, so L lanes that each hand out a batch every `linger_ms` may
cost L times that. The wait grows with the lanes at work and with the cost of their last batches: fixed cost may take
FIXED_SHARE_MIN of the time, more while there are many events, and less again where events alone fill the core.
It is the broker that waits, which holds fetches back for `pace_s`; what a fetch brings is handed out at once, of all
lanes, where the last batch of its lane was so long ago. Lanes due at other times are fetched for shortly before those:
else their events wait twice, and light load had a 99th percentile of 1.14 s in two runs of three, not of 0.75 s. One
fetch a wait, so nothing lies about: waiting half of it in the broker and then half of it here made as many batches, and
events half as old again. And lanes of one pass find the core warm: a batch that comes 0.1 s after the last one costs
7 ms where one right behind another costs 4 to 5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

FIXED_SHARE_MIN = 0.05  # of a core: what twelve lanes of a worker without much to do may cost
BUSY_TIMES = 2  # what fixed cost may take beside that, over what events take
LINGER_S_MAX = 0.7  # what a reader of the newest numbers may wait longer
PACE_S_MAX = 0.75  # of a fetch that the broker holds back: a seek, and whoever asks on its connection, waits for it
EARLY_PART = 0.25  # of the wait: so much before its time a lane goes along with a fetch, or with other lanes
EVENT_S = 4e-6  # an event's own cost, measured; where batches' sizes differ, they tell it themselves
EVENT_S_RANGE = 2e-6, 12e-6  # what they may say: light traffic, and a machine at other work
AROUND_S = 1.5e-3  # of a batch outside of the core's thread, measured: fetch, hand-out, append, acknowledgement
SMALL_EVENTS = 5_000  # only batches up to that size tell the costs: of larger ones the fixed one is lost in the events'
SPREAD_MIN = 0.25  # standard deviation of sizes over their mean, below which they do not tell an event's cost
RATE_S = 1.0  # over which the rate of events is taken, and for which a lane counts as at work behind its last batch
_MEMORY = 0.05  # weight of the newest batch in the means


class Costs:
    """CPU of batches as fixed cost and cost of an event: a line through the last ones, older ones counting less."""

    def __init__(self) -> None:
        self._size = self._cpu_s = self._square = self._product = 0.0  # means: n, t, n², n·t
        self._weight = 0.0

    def observe(self, events: int, cpu_s: float) -> None:
        """One more batch."""
        self._weight += _MEMORY * (1 - self._weight)
        by = _MEMORY / self._weight
        self._size += by * (events - self._size)
        self._cpu_s += by * (cpu_s - self._cpu_s)
        self._square += by * (events * events - self._square)
        self._product += by * (events * cpu_s - self._product)

    @property
    def event_s(self) -> float:
        """Seconds of an event."""
        spread = self._square - self._size**2
        if spread <= (SPREAD_MIN * self._size) ** 2:
            return EVENT_S
        least, most = EVENT_S_RANGE
        return min(max((self._product - self._size * self._cpu_s) / spread, least), most)

    @property
    def fixed_s(self) -> float:
        """Seconds of a batch beside its events, those outside of the core's thread included; 0 before the first."""
        return max(0.0, self._cpu_s - self._size * self.event_s) + AROUND_S if self._weight else 0.0


class Linger:
    """The wait of a worker's lanes, from what their batches cost. Clocks are passed in."""

    def __init__(self, least_s: float) -> None:
        self.least_s = least_s
        self._costs = Costs()
        self._events, self._at = 0.0, -math.inf  # of the last RATE_S, older ones counting less
        self._seen: dict[int, float] = {}  # by partition, when a batch was last done

    def observe(self, partition: int, events: int, cpu_s: float, now: float) -> None:
        """Learn from a batch that took the core so much CPU; wall time would count what other processes do."""
        if events <= SMALL_EVENTS:
            self._costs.observe(events, cpu_s)
        self._events = self._recent(now) + events
        self._at = now
        self._seen[partition] = now

    def seconds(self, now: float) -> float:
        """From one batch of a lane to its next; an event waits no longer where one broker leads all topics."""
        self._seen = {partition: at for partition, at in self._seen.items() if now - at < RATE_S}
        busy = min(self._recent(now) / RATE_S * self._costs.event_s, 1.0)
        share = max(FIXED_SHARE_MIN, min(FIXED_SHARE_MIN + BUSY_TIMES * busy, (1.0 - busy) / 3))
        wanted = max(1, len(self._seen)) * self._costs.fixed_s / share
        return max(self.least_s, min(wanted, LINGER_S_MAX))

    def _recent(self, now: float) -> float:
        return self._events * math.exp((self._at - now) / RATE_S)


def pace_s(linger_s: float, due: Iterable[float], now: float, brokers: int) -> float:
    """How long the broker shall hold the next fetch back: for the wait, or until shortly before a lane is due anyway.

    `due`: when each lane's wait ends. A lane that a fetch comes too early for goes at its own time, and its events have
    waited twice: in the broker, and here. So the next fetch comes shortly before that time, and the lane goes with it.
    Half the wait at most where there are several brokers: a lane's topics are led by several then, whose answers come
    apart.
    """
    early = EARLY_PART * linger_s  # lanes that are due until then go with what comes now
    ahead = [at - now - early / 2 for at in due if at - now > early]
    return min([linger_s if brokers <= 1 else linger_s / 2, PACE_S_MAX, *ahead])
