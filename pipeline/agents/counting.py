"""A decided batch, as metrics."""

from __future__ import annotations

from collections import Counter
from time import time

from pipeline import metrics
from pipeline.core.batch import Slab
from pipeline.core.record import Record


def count(record: Record, slabs: list[Slab]) -> None:
    """Move the metrics by one record that was just appended, and applied, here. `slabs`: what it decided."""
    oldest_s = min(slab.arrived_ms for slab in slabs) / 1000  # by the broker's clock
    metrics.EVENT_AGE_SECONDS.observe(max(0.0, time() - oldest_s))
    metrics.BATCHES.inc()
    metrics.BATCH_EVENTS.observe(record.read)
    for source in record.sources:
        metrics.EVENTS_READ.labels(source.topic).inc(source.next - source.first)
        metrics.EVENTS_ACCEPTED.labels(source.topic).inc(source.accepted)
    for duplicates in record.duplicates:
        metrics.EVENTS_DUPLICATE.labels(duplicates.topic, duplicates.reason).inc(duplicates.events)
    for (topic, reason), events in Counter((r.topic, r.reason) for r in record.rejects).items():
        metrics.EVENTS_REJECTED.labels(topic, reason).inc(events)
    for alert in record.alerts:
        metrics.ALLOWANCE_CROSSINGS.labels(alert.kind).inc()
