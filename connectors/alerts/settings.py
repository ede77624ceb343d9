"""The bounds of reading in a group and writing in transactions, for the alerts' topic and for the webhook."""

from __future__ import annotations

MIB = 1024 * 1024

REQUEST_SECONDS_MAX = 5  # one request to Kafka
SESSION_MS = 10_000  # after which a silent member's partitions go to others; heartbeats have a thread of their own
QUEUE_BYTES = 64 * MIB  # fetched and not yet taken, over all partitions
FETCH_BYTES = 50 * MIB  # of one answer, as librdkafka's default; more where one record may be larger
ENTRIES_MAX = 500  # taken at once
TRANSACTION_MS = 15_000  # a transaction that a killed process left open holds readers up for so long, and 10 s more
TRANSACTION_SECONDS_MAX = 20  # one call on a transaction: beyond its own time nothing comes of it
TRANSACTION_ALERTS = 10_000  # of one transaction, in whole journal records: less than a second's work
COMMIT_SECONDS = 5  # between two commits of a position at which no alerts came
BEGIN_MAX = 20  # partitions begun between two looks at the group, 0.2 s each
LOOK_BACK = 8  # offsets before an end where its last record is looked for first; then twice as many
IGNORED_RUN_MAX = 1_000  # records in a row outside the chain: a rival adds one each time it errs, a new journal all
RETRY_SECONDS_MAX = 600  # of Kafka being away; then the process ends and whoever supervises it decides
RETRY_DELAYS_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)  # the last one repeats
REMIND_SECONDS = 60  # between two lines about a partition that is refused
