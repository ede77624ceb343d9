"""The bounds of reading in a group and writing in transactions, for the alerts' topic and for the webhook."""

from __future__ import annotations

TRANSACTION_MS = 15_000  # a transaction that a killed process left open holds readers up for so long, and 10 s more
TRANSACTION_SECONDS_MAX = 20  # one call on a transaction: beyond its own time nothing comes of it
TRANSACTION_ALERTS = 10_000  # of one transaction, in whole journal records: less than a second's work
COMMIT_SECONDS = 5  # between two commits of a position at which no alerts came
BEGIN_MAX = 20  # partitions begun between two looks at the group, 0.2 s each
LOOK_BACK = 8  # offsets before an end where its last record is looked for first; then twice as many
IGNORED_RUN_MAX = 1_000  # records in a row outside the chain: a rival adds one each time it errs, a new journal all
REMIND_SECONDS = 60  # between two lines about a partition that is refused
