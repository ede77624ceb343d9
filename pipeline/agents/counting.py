"""A decided batch, as metrics."""

from __future__ import annotations

from collections import Counter

from pipeline import metrics
from pipeline.core.record import Record


def count(record: Record) -> None:
    """Move the metrics by one record that was appended and applied here."""
    metrics.BATCHES.inc()
    metrics.BATCH_EVENTS.observe(record.read)
    for source in record.sources:
        metrics.EVENTS_READ.labels(source.topic).inc(source.next - source.first)
        metrics.EVENTS_ACCEPTED.labels(source.topic).inc(source.accepted)
    for duplicates in record.duplicates:
        metrics.EVENTS_DUPLICATE.labels(duplicates.topic, duplicates.reason).inc(duplicates.events)
    for (topic, reason), events in Counter((r.topic, r.reason) for r in record.rejects).items():
        metrics.EVENTS_REJECTED.labels(topic, reason).inc(events)
