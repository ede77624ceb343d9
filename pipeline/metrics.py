"""The metrics: one catalogue, on a registry of its own. `docs/metrics.md` is generated from it.

Names are tally_<noun>_<unit>[_total]. Labels come from enums, topics or partitions, so their number is bounded;
never an account. They are moved once per batch, not per event.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server

REGISTRY = CollectorRegistry()


class Process(StrEnum):
    """Who serves a metric: a process shows none that others move, which would stay 0 there."""

    WORKER = "worker"
    SINK = "sink"
    AUDIT = "audit"


class Entry(NamedTuple):
    """What the docs say of a metric."""

    process: Process
    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


CATALOGUE: list[Entry] = []
_OF_PROCESS = {process: CollectorRegistry() for process in Process}
_PREFIXES = {"tally_sink_": Process.SINK, "tally_audit_": Process.AUDIT, "tally_drift": Process.AUDIT}

M = TypeVar("M", Counter, Gauge, Histogram)

# From one batch alone (1 ms) to one that waits behind other lanes or a broker's election (some seconds).
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
# From light load (single events) to `worker.batch_events_max`.
_EVENTS = (1, 10, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return _entered(Counter(name, text, labels, registry=REGISTRY), name, text)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return _entered(Gauge(name, text, labels, registry=REGISTRY), name, text)


def _histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
    return _entered(Histogram(name, text, buckets=buckets, registry=REGISTRY), name, text)


def _entered(metric: M, name: str, text: str) -> M:
    process = next((of for prefix, of in _PREFIXES.items() if name.startswith(prefix)), Process.WORKER)
    _OF_PROCESS[process].register(metric)
    CATALOGUE.append(Entry(process, name, metric._type, metric._labelnames, text))
    return metric


EVENTS_READ = _counter("tally_events_read_total", "Events read from the source topics.", "topic")
EVENTS_ACCEPTED = _counter("tally_events_accepted_total", "Events accepted and counted.", "topic")
EVENTS_DUPLICATE = _counter("tally_events_duplicate_total", "Events met before.", "topic", "reason")
EVENTS_REJECTED = _counter("tally_events_rejected_total", "Events refused, kept as dead letters.", "topic", "reason")

BATCHES = _counter("tally_batches_total", "Batches decided and appended to the journal.")
BATCH_EVENTS = _histogram("tally_batch_events", "Events of a batch.", _EVENTS)
DECIDE_SECONDS = _counter("tally_decide_seconds_total", "Time spent deciding batches.")
APPEND_SECONDS = _histogram("tally_append_seconds", "From sending a journal record to its acknowledgement.", _SECONDS)

JOURNAL_RIVALS = _counter("tally_journal_rivals_total", "Appends that met another writer's record.")
JOURNAL_FOLDED_RECORDS = _counter("tally_journal_folded_records_total", "Valid journal records folded into a state.")
JOURNAL_IGNORED_RECORDS = _counter("tally_journal_ignored_records_total", "Records ignored, being outside the chain.")

LANE_READY = _gauge("tally_lane_ready", "1 when the partition is folded and read, 0 while it is not.", "partition")
SNAPSHOT_TIMESTAMP_SECONDS = _gauge(
    "tally_snapshot_timestamp_seconds", "When the partition's newest snapshot was written, Unix time.", "partition"
)

SINK_ROWS = _counter("tally_sink_rows_total", "Rows that ClickHouse acknowledged.", "table")
SINK_INSERTS = _counter("tally_sink_inserts_total", "Inserts that ClickHouse acknowledged.")
SINK_INSERT_SECONDS = _histogram("tally_sink_insert_seconds", "Duration of an insert.", _SECONDS)
SINK_ERRORS = _counter("tally_sink_errors_total", "Inserts that failed and were tried again.")
SINK_LAST_SUCCESS_TIMESTAMP_SECONDS = _gauge(
    "tally_sink_last_success_timestamp_seconds", "When a range was last complete in ClickHouse, Unix time."
)
SINK_LAG_RECORDS = _gauge("tally_sink_lag_records", "Journal records not yet in ClickHouse.", "partition")

DRIFT = _gauge("tally_drift", "Numbers that the last audit found to differ, by what it compared.", "comparison")
AUDIT_LAST_SUCCESS_TIMESTAMP_SECONDS = _gauge(
    "tally_audit_last_success_timestamp_seconds", "When an audit last came to a verdict, Unix time."
)


def serve(process: Process, host: str, port: int) -> int:
    """Serve a process's metrics over HTTP in a thread of its own; returns the port (port 0: any free one).

    Raises:
        OSError: the address is taken or not this machine's.
    """
    server, _thread = start_http_server(port, addr=host, registry=_OF_PROCESS[process])
    return int(server.server_port)


def write(path: Path, names: Collection[str]) -> None:
    """Write some metrics in the text format for node-exporter's textfile collector, whole or not at all.

    Raises:
        OSError: the file cannot be written there.
    """
    text = generate_latest(REGISTRY.restricted_registry(names))
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False) as file:
        written = Path(file.name)
        try:
            file.write(text)
            file.flush()
            written.chmod(0o644)  # the collector is another user
            written.replace(path)
        except OSError:
            written.unlink(missing_ok=True)
            raise
