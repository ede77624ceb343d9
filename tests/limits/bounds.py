"""The bounds of the processes' memory, from the program's own constants, part by part. `docs/limits.md` explains each.

In:   the settings and what flows (a `Flow`).  Out: bytes by part; their sum is the bound.
What the constants of the program do not say was measured (`_BYTES`, `_TIMES`), and rounded up.
"""

from __future__ import annotations

from typing import NamedTuple

from connectors import group
from connectors.clickhouse import settings as sink
from pipeline.settings import Settings
from pipeline.state.partitions import FOLDS_MAX
from pipeline.topics import SOURCE_TOPICS
from pipeline.transport import app, lanes, slabs, thread

MIB = 1024 * 1024

# ---- measured: python -m tests.limits, and single decisions of batches at the bound
WORKER_BYTES = 220 * MIB  # interpreter, libraries, allocators: 150 to 180 with all partitions ready and little load
SINK_BYTES = 150 * MIB  # the same of a sink: 104 to 130
EVENT_BYTES = 64  # of one event as a Python object, beside its own bytes
DECIDE_EVENT_BYTES = 4_700  # of one event while its batch is decided, whatever its size; 4,500 measured
DECIDE_TIMES = 5  # an event's own bytes while its batch is decided: body, columns, rows, record
DECIDE_TIMES_MAX = 14  # of a batch's bytes at worst, which are empty map entries: two bytes become eight
RECORD_TIMES = 3  # a record that is appended: decided, encoded, in the producer's buffer
RECORD_EVENT_BYTES = 120  # of journal for an event of the usual size
FOLD_TIMES = 4  # a fetch of the journal: answer, batch, values, and the next one
ANSWER_TIMES = 3  # an answer of a broker: in the socket's buffer, whole, in parts
# Of tables that just grew: by 15 % when they were 0.74 full, so that 0.64 of their slots are in use (core/table.py).
# Small ones double, and are little memory. What is beside them while they grow is counted apart, in `worker`.
IDENTITY_BYTES = 39  # 25 a slot
FACT_BYTES = 98  # 33 in the log with a quarter more room, 12 a slot: newest of its profile, held by it, by its person
PAIR_BYTES = 235  # two profiles, each of 48 bytes in columns and a name of 36, with 15 % more room, and 12 a slot
LABEL_BYTES = 290  # account, campaign, channel; and the campaign's name beyond 15 bytes
CONTENT_TIMES = 6  # a range's rows at most: as read, in one piece, by dictionary, as a stream, as bytes to send


class Flow(NamedTuple):
    """What flows and what is remembered. `largest_share` of the state lies in the largest partition."""

    event_bytes: int = lanes.BATCH_BYTES_MAX  # an event's usual size; the default is the worst case
    message_bytes: int = 2 * MIB  # the source topics' max.message.bytes
    identities: int = 0
    facts: int = 0
    pairs: int = 0
    labels: int = 0
    largest_share: float = 1.0
    brokers: int = 1


def state(flow: Flow) -> int:
    """Bytes of the states of a worker's partitions."""
    parts = (
        flow.identities * IDENTITY_BYTES,
        flow.facts * FACT_BYTES,
        flow.pairs * PAIR_BYTES,
        flow.labels * LABEL_BYTES,
    )
    return sum(parts)


def worker(settings: Settings, flow: Flow) -> dict[str, int]:
    """Of a worker that has all partitions."""
    partitions, events_max = settings.topics.partitions, settings.worker.batch_events_max
    message = settings.topics.journal_message_bytes
    fetched = max(app.fetch_bytes(partitions), flow.message_bytes)
    by_events = partitions * (lanes.BUFFER_BATCHES + 1) * events_max * (flow.event_bytes + EVENT_BYTES)
    decided = events_max * (DECIDE_EVENT_BYTES + DECIDE_TIMES * flow.event_bytes)
    by_event = partitions * events_max * RECORD_EVENT_BYTES
    record = min(message, events_max * (RECORD_EVENT_BYTES + flow.event_bytes))
    largest = int(flow.largest_share * state(flow))
    return {
        "interpreter and libraries": WORKER_BYTES,
        "state": state(flow),
        "snapshot: a copy of the largest partition": largest,
        "the largest partition's tables while they grow": largest,
        "fetched, compressed": len(SOURCE_TOPICS) * partitions * fetched,
        "answers of the brokers": ANSWER_TIMES * max(thread.FETCH_ANSWER_BYTES, flow.message_bytes) * flow.brokers,
        "lanes": min(lanes.HELD_BYTES_MAX, by_events) + slabs.DRAIN_BYTES + flow.message_bytes,
        "batch at work": min(DECIDE_TIMES_MAX * lanes.BATCH_BYTES_MAX, decided),
        "records being appended": RECORD_TIMES * min(partitions * record, lanes.HELD_BYTES_MAX + by_event),
        "journal fetches of folds": FOLD_TIMES * min(partitions, FOLDS_MAX) * message,
    }


def of_sink(settings: Settings) -> dict[str, int]:
    """Of a sink, whatever flows and however many partitions it has."""
    record = settings.topics.journal_message_bytes + MIB
    return {
        "interpreter and libraries": SINK_BYTES,
        "librdkafka: queue, and the answer on its way": group.QUEUE_BYTES + max(group.FETCH_BYTES, record),
        "records that wait": sink.PENDING_BYTES_MAX + sink.RANGE_BYTES_MAX + 2 * record,
        "the range at work, as rows": CONTENT_TIMES * sink.RANGE_ROWS_BYTES_MAX,
    }
