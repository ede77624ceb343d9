"""Failpoints: the named places where a test may let the process die, each between two effects that outlive it.

Nothing of the product arms them: no setting, no variable, no argument (`docs/decisions/failpoints.md`). A new one is a
line here, a call of `reached` and a case of `tests/integration/test_crash_points.py`, which fails until it has one.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class Failpoint(Enum):
    """A place: its name, and what is done and what is not when it is reached."""

    BATCH_HANDED_OUT = "transport.handed_out", "a batch was handed to the agent; nothing of it is decided"
    BEFORE_SEEK = "transport.before_seek", "a partition's journal is folded; its topics are not sought"
    AFTER_SEEK = "transport.after_seek", "a partition's topics are sought; its lane is not open"

    BEFORE_APPEND = "journal.before_append", "a part of a batch is decided and encoded; nothing is sent"
    IN_FLIGHT = "journal.in_flight", "an append is in the producer's buffer; nothing is acknowledged"
    AFTER_APPEND = "journal.after_append", "the broker has acknowledged an append; nobody here has looked at it"

    BEFORE_APPLY = "agent.before_apply", "an append lies where it should; the state does not know it"
    BETWEEN_PARTS = "agent.between_parts", "one part of a batch is appended and applied; the next is not decided"
    APPLIED = "agent.applied", "a batch is appended and applied; its lane was not told"

    MID_FOLD = "state.mid_fold", "some records of a journal's tail are applied, others are not"

    SNAPSHOT_COPIED = "snapshot.copied", "a state is copied; nothing is written"
    SNAPSHOT_MID_COLUMN = "snapshot.mid_column", "a column is written in part, or not synced"
    SNAPSHOT_BEFORE_HEADER = "snapshot.before_header", "all columns are synced; there is no header"
    SNAPSHOT_BEFORE_RENAME = "snapshot.before_rename", "a snapshot is whole and synced under its name aside"
    SNAPSHOT_RENAMED = "snapshot.renamed", "a snapshot has its name; its folder is not synced"
    SNAPSHOT_BEFORE_PRUNE = "snapshot.before_prune", "a snapshot is there; older ones are not deleted"
    SNAPSHOT_MID_PRUNE = "snapshot.mid_prune", "one old snapshot is deleted; what else is old is not"

    SINK_BEFORE_FIRST_READ = "sink.before_first_read", "the group gave partitions and commits; nothing is read of them"
    SINK_BEFORE_INTENT = "sink.before_intent", "a range is cut; its intent is not committed"
    SINK_AFTER_INTENT = "sink.after_intent", "a range's intent is committed; nothing of it is inserted"
    SINK_MID_INSERT = "sink.mid_insert", "ClickHouse has taken an insert; the sink has not looked at its answer"
    SINK_BETWEEN_TABLES = "sink.between_tables", "a range is in some of its tables; others lack it"
    SINK_BEFORE_INTAKE = "sink.before_intake", "a range is in every table but the one that marks it complete"
    SINK_AFTER_INSERTS = "sink.after_inserts", "a range is complete; no commit says so"
    SINK_BEFORE_COMMIT = "sink.before_commit", "a range is complete and no next one is due; its commit is not sent"
    SINK_AFTER_COMMIT = "sink.after_commit", "a commit says that a range is complete; the sink goes on"
    SINK_STOPPING = "sink.stopping", "a stop was asked for; what is owed is not committed"
    SINK_STOPPED = "sink.stopped", "all is committed that a stop commits; the group is not left"

    NOTIFY_BEGUN = "notify.begun", "it is known how far the alerts' topic has come; nothing of the journal is read"
    NOTIFY_BEFORE_ALERTS = "notify.before_alerts", "alerts were read from the journal; nothing is sent"
    NOTIFY_ALERTS_SENT = "notify.alerts_sent", "alerts lie in their topic; their transaction is open"
    NOTIFY_AFTER_ALERTS = "notify.after_alerts", "alerts and the position behind them are there; the process goes on"
    NOTIFY_BEFORE_REQUEST = "notify.before_request", "an alert is due and the partition is ours; nothing is requested"
    NOTIFY_ANSWERED = "notify.answered", "the endpoint has answered; no receipt says so"
    NOTIFY_RECEIPTS_SENT = "notify.receipts_sent", "receipts lie in their topic; their transaction is open"
    NOTIFY_AFTER_RECEIPTS = "notify.after_receipts", "receipts are there; the process goes on"

    def __init__(self, label: str, moment: str) -> None:
        self.label = label
        self.moment = moment


_armed: list[Callable[[Failpoint], None]] = []


def reached(point: Failpoint) -> None:
    """This place is being passed; what is armed may not return."""
    for what in _armed:
        what(point)


def arm(what: Callable[[Failpoint], None]) -> None:
    """Call this at every place from now on. For the tests' launcher: nothing of the product may call it."""
    _armed.append(what)
