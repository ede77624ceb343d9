"""The metrics: one catalogue, on a registry of its own. `docs/metrics.md` is generated from it.

Names are tally_<noun>_<unit>[_total]. Labels come from enums, topics or partitions, so their number is bounded;
accounts only where a floor and a number bound them. They are moved once per batch or by a ticker, not per event.
"""

from __future__ import annotations

from pipeline.core.reasons import Duplicate, Reject
from pipeline.telemetry.registry import (
    BUILD_INFO,
    CATALOGUE,
    REGISTRY,
    Asked,
    Process,
    counter,
    gauge,
    histogram,
    serve,
    write,
)
from pipeline.topics import SOURCE_TOPICS

__all__ = ["BUILD_INFO", "CATALOGUE", "REGISTRY", "Process", "serve", "write"]

# From one batch alone (1 ms) to one that waits behind other lanes or a broker's election (some seconds).
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
# From light load (20 ms of linger) to an outage's backlog, which the retention of a week ends.
_AGES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0, 21_600.0, 86_400.0)
# From light load (single events) to `worker.batch_events_max`.
_EVENTS = (1, 10, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)

# ---------------------------------------------------------------------------------------------- worker: events

EVENTS_READ = counter("tally_events_read_total", "Events read from the source topics.", "topic")
EVENTS_ACCEPTED = counter("tally_events_accepted_total", "Events accepted and counted.", "topic")
EVENTS_DUPLICATE = counter("tally_events_duplicate_total", "Events met before.", "topic", "reason")
EVENTS_REJECTED = counter("tally_events_rejected_total", "Events refused, kept as dead letters.", "topic", "reason")

BATCHES = counter("tally_batches_total", "Batches decided and appended to the journal.")
BATCH_EVENTS = histogram("tally_batch_events", "Events of a batch.", _EVENTS)
DECIDE_SECONDS = counter("tally_decide_seconds_total", "Time spent deciding batches.")
APPEND_SECONDS = histogram("tally_append_seconds", "From sending a journal record to its acknowledgement.", _SECONDS)
EVENT_AGE_SECONDS = histogram(
    "tally_event_age_seconds", "From the arrival of a batch's oldest event to its acknowledged journal record.", _AGES
)
LAG_RECORDS = gauge("tally_lag_records", "Events in the topic that no record decides yet.", "topic", "partition")
LAG_SECONDS = gauge(
    "tally_lag_seconds",
    "How long the oldest of them has waited since its arrival; while the partition is not read, at least so long.",
    "topic",
    "partition",
)

JOURNAL_RIVALS = counter("tally_journal_rivals_total", "Appends that met another writer's record.")
JOURNAL_FOLDED_RECORDS = counter("tally_journal_folded_records_total", "Valid journal records folded into a state.")
JOURNAL_IGNORED_RECORDS = counter(
    "tally_journal_ignored_records_total",
    "Records ignored, being outside the chain.",
    of=(Process.WORKER, Process.SINK),
)

# ------------------------------------------------------------------------------------------ worker: partitions

REBALANCES = counter("tally_rebalances_total", "Assignments of partitions that this worker was given.")
LANE_READY = gauge("tally_lane_ready", "1 when the partition is folded and read, 0 while it is not.", "partition")
PARTITION_REFUSED = gauge("tally_partition_refused", "1 while the partition is refused, as the log says.", "partition")
RECOVERY_RECORDS = gauge(
    "tally_recovery_records", "Journal records that the partition's last recovery has to fold.", "partition"
)
RECOVERY_FOLDED_RECORDS = gauge("tally_recovery_folded_records", "How many of them it has folded.", "partition")
STATE_ENTRIES = gauge("tally_state_entries", "What the partition's state remembers.", "partition", "kind")
STATE_BYTES = gauge("tally_state_bytes", "Memory of its columns; labels, cycles and plans come on top.", "partition")
SNAPSHOT_TIMESTAMP_SECONDS = gauge(
    "tally_snapshot_timestamp_seconds", "When the partition's newest snapshot was written, Unix time.", "partition"
)
SNAPSHOT_PENDING_EVENTS = gauge(
    "tally_snapshot_pending_events", "Events decided since: 0 where a new snapshot would say the same.", "partition"
)
SNAPSHOT_SECONDS = histogram("tally_snapshot_seconds", "Duration of writing a snapshot, beside the batches.", _AGES)
SNAPSHOT_FAILURES = counter("tally_snapshot_failures_total", "Snapshots that could not be written.")

# -------------------------------------------------------------------------------------------- worker: allowance

ALLOWANCE_CROSSINGS = counter(
    "tally_allowance_crossings_total",
    "Alerts appended to the journal by this worker; those that it folds are not counted again.",
    "kind",
)
ALLOWANCE = Asked()
ALLOWANCE_USED = ALLOWANCE.gauge(
    "tally_allowance_used", "Activities of the account's cycle under way, late ones included.", "account_id"
)
ALLOWANCE_REMAINING = ALLOWANCE.gauge(
    "tally_allowance_remaining", "Allowance less used; negative beyond it.", "account_id"
)
ALLOWANCE_RATIO = ALLOWANCE.gauge("tally_allowance_ratio", "Used per allowance.", "account_id")
ALLOWANCE_FORECAST_RATIO = ALLOWANCE.gauge(
    "tally_allowance_forecast_ratio",
    "Expected use at the cycle's end per allowance; absent without confidence.",
    "account_id",
)
ALLOWANCE_EXHAUSTION_TIMESTAMP_SECONDS = ALLOWANCE.gauge(
    "tally_allowance_exhaustion_timestamp_seconds",
    "When the forecast line meets the allowance, Unix time; absent without confidence, where it does not within the "
    "cycle, and where the allowance is used up.",
    "account_id",
)
ALLOWANCE_CYCLE_END_TIMESTAMP_SECONDS = ALLOWANCE.gauge(
    "tally_allowance_cycle_end_timestamp_seconds",
    "First instant after the cycle, Unix time: the account's series end then.",
    "account_id",
)
ALLOWANCE_SERIES_DROPPED = ALLOWANCE.gauge(
    "tally_allowance_series_dropped", "Accounts that qualified for the gauges above and are not shown: too many did."
)
ALLOWANCE_ACCOUNTS = ALLOWANCE.gauge(
    "tally_allowance_accounts",
    "Accounts with a plan, or without one but with a cycle under way, by the share of the allowance that is used.",
    "band",
)
ALLOWANCE_LOOKED_TIMESTAMP_SECONDS = ALLOWANCE.gauge(
    "tally_allowance_looked_timestamp_seconds", "When the accounts behind these gauges were looked at, Unix time."
)
ALLOWANCE.register()

# -------------------------------------------------------------------------------------------------------- sink

SINK_ROWS = counter("tally_sink_rows_total", "Rows that ClickHouse acknowledged.", "table")
SINK_INSERTS = counter("tally_sink_inserts_total", "Inserts that ClickHouse acknowledged.")
SINK_BATCHES = counter("tally_sink_batches_total", "Ranges of journal records that became complete in ClickHouse.")
SINK_INSERT_SECONDS = histogram("tally_sink_insert_seconds", "Duration of an insert.", _SECONDS)
SINK_ERRORS = counter("tally_sink_errors_total", "Inserts that failed and were tried again.")
SINK_LAST_SUCCESS_TIMESTAMP_SECONDS = gauge(
    "tally_sink_last_success_timestamp_seconds", "When a range was last complete in ClickHouse, Unix time."
)
SINK_COMPLETE_UNTIL_TIMESTAMP_SECONDS = gauge(
    "tally_sink_complete_until_timestamp_seconds",
    "Complete up to: the journal's time (the newest arrival) at its last record in ClickHouse, Unix time.",
    "partition",
)
SINK_LAG_RECORDS = gauge("tally_sink_lag_records", "Journal records not yet in ClickHouse.", "partition")
SINK_LAG_SECONDS = gauge(
    "tally_sink_lag_seconds", "How long the oldest of them that was read has been in the journal.", "partition"
)
SINK_REBALANCES = counter("tally_sink_rebalances_total", "Times that the group gave or took partitions.")
SINK_PARTITION_REFUSED = gauge(
    "tally_sink_partition_refused", "1 while the journal's partition is refused, as the log says.", "partition"
)

# ------------------------------------------------------------------------------------------------------- audit

DRIFT = gauge("tally_drift", "Numbers that the last audit found to differ, by what it compared.", "comparison")
AUDIT_LAST_SUCCESS_TIMESTAMP_SECONDS = gauge(
    "tally_audit_last_success_timestamp_seconds", "When an audit last came to a verdict, Unix time."
)

# ----------------------------------------------------------------------------------------------------- notify

NOTIFY_ALERTS = counter("tally_notify_alerts_total", "Alerts written to the topic allowance.alerts.", "kind")
NOTIFY_LAG_RECORDS = gauge("tally_notify_lag_records", "Journal records whose alerts are not there yet.", "partition")
NOTIFY_PARTITION_REFUSED = gauge(
    "tally_notify_partition_refused", "1 while the journal's partition is refused, as the log says.", "partition"
)
NOTIFY_DELIVERIES = counter(
    "tally_notify_deliveries_total", "Receipts of the webhook: delivered, retrying after a failed try, parked.", "state"
)
NOTIFY_WAITING_ALERTS = gauge("tally_notify_waiting_alerts", "Alerts in memory that the endpoint has not taken yet.")

# ---------------------------------------------------------------------------------------------------- collect

COLLECT_REQUESTS = counter(
    "tally_collect_requests_total",
    "Requests answered, by the endpoint's vendor and what came of them.",
    "vendor",
    "answer",
)
COLLECT_EVENTS = counter(
    "tally_collect_events_total",
    "Items of deliveries that Kafka acknowledged: events, and what was refused, kept as dead letters.",
    "vendor",
    "outcome",
)
COLLECT_ACKNOWLEDGEMENT_SECONDS = histogram(
    "tally_collect_acknowledgement_seconds",
    "From sending a delivery's messages to Kafka's last word on them.",
    _SECONDS,
)
COLLECT_IN_FLIGHT_BYTES = gauge(
    "tally_collect_in_flight_bytes", "Bodies being read, and messages that Kafka has not acknowledged."
)
COLLECT_IN_FLIGHT_EVENTS = gauge("tally_collect_in_flight_events", "Messages that Kafka has not acknowledged.")
COLLECT_KAFKA_READY = gauge(
    "tally_collect_kafka_ready", "1 while Kafka answers; else every delivery is answered `try again`."
)
COLLECT_TOPIC_RECORDS = counter(
    "tally_collect_topic_records_total",
    "Records of a vendor's topic (`--from-topic`) that Kafka acknowledged as messages and that are committed.",
)
COLLECT_TOPIC_LOST_RECORDS = counter(
    "tally_collect_topic_lost_records_total", "Records that were deleted in a vendor's topic before they were read."
)
COLLECT_TOPIC_LAG_RECORDS = gauge(
    "tally_collect_topic_lag_records", "Records of the vendor's topic that are not read yet.", "partition"
)

# A counter that is there from the start shows its first step: `increase` of one that appears with it shows nothing.
for _topic in SOURCE_TOPICS:
    EVENTS_READ.labels(_topic)
    EVENTS_ACCEPTED.labels(_topic)
    for _duplicate in Duplicate:
        EVENTS_DUPLICATE.labels(_topic, _duplicate.value)
    for _reject in Reject:
        EVENTS_REJECTED.labels(_topic, _reject.value)
for _kind in ("threshold", "forecast"):
    ALLOWANCE_CROSSINGS.labels(_kind)
    NOTIFY_ALERTS.labels(_kind)
for _state in ("delivered", "retrying", "parked"):
    NOTIFY_DELIVERIES.labels(_state)

# Gauges of one partition, which leave with it: another worker tells of it then.
OF_PARTITION = (
    LAG_RECORDS,
    LAG_SECONDS,
    LANE_READY,
    PARTITION_REFUSED,
    RECOVERY_RECORDS,
    RECOVERY_FOLDED_RECORDS,
    STATE_ENTRIES,
    STATE_BYTES,
    SNAPSHOT_TIMESTAMP_SECONDS,
    SNAPSHOT_PENDING_EVENTS,
)
SINK_OF_PARTITION = (
    SINK_COMPLETE_UNTIL_TIMESTAMP_SECONDS,
    SINK_LAG_RECORDS,
    SINK_LAG_SECONDS,
    SINK_PARTITION_REFUSED,
)
NOTIFY_OF_PARTITION = (NOTIFY_LAG_RECORDS, NOTIFY_PARTITION_REFUSED)
