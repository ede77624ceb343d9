"""The collector's metrics: by vendor, never by account or endpoint. Moved once a request."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.collect.answers import Kept, Outcome
from connectors.collect.room import Room
from connectors.collect.vendors import VENDORS
from pipeline import metrics

NO_VENDOR = "none"  # of a request that names no endpoint of a known vendor
ACCEPTED, REFUSED = "accepted", "refused"
_TRANSLATED = (ACCEPTED, REFUSED)
_NEVER_OF_A_VENDOR = (Outcome.TOLD, Outcome.NO_PLACE)  # their paths name no endpoint


class Counts:
    """The series of one process; all are there from the start, so that their first step shows."""

    def __init__(self, room: Room) -> None:
        vendors: Iterable[str] = (*VENDORS, NO_VENDOR)
        self._requests = {
            (vendor, outcome): metrics.COLLECT_REQUESTS.labels(vendor, outcome.value)
            for vendor in vendors
            for outcome in Outcome
            if vendor == NO_VENDOR or outcome not in _NEVER_OF_A_VENDOR
        }
        self._events = {
            (vendor, outcome): metrics.COLLECT_EVENTS.labels(vendor, outcome)
            for vendor in VENDORS
            for outcome in _TRANSLATED
        }
        metrics.COLLECT_IN_FLIGHT_BYTES.set_function(lambda: room.bytes)
        metrics.COLLECT_IN_FLIGHT_EVENTS.set_function(lambda: room.events)

    def request(self, vendor: str | None, outcome: Outcome) -> None:
        """A request was answered."""
        self._requests[vendor or NO_VENDOR, outcome].inc()

    def kept(self, vendor: str, kept: Kept, seconds: float) -> None:
        """A delivery was acknowledged by Kafka, so many seconds after it was sent there."""
        self._events[vendor, ACCEPTED].inc(kept.items - len(kept.refusals))
        self._events[vendor, REFUSED].inc(len(kept.refusals))
        metrics.COLLECT_ACKNOWLEDGEMENT_SECONDS.observe(seconds)
