"""The job on Quix Streams: exactly once, state in RocksDB with changelog topics. Identities are never forgotten."""

from __future__ import annotations

import functools
import time

import job
from quixstreams import Application, State


def engage(framed: bytes, state: State) -> bytes | None:
    """The enriched event, or None for a duplicate; the state is the account's."""
    event = job.decode(framed)
    job.done()
    if not _is_first(state, f"s{event['source']}|{event['event_id']}", int(time.time()).to_bytes(8, "big")):
        return None
    channel, _, verb = event["type"].partition("_")
    about = f"{event['profile_id']}|{event['message_id']}|{channel}"
    opened = verb == "opened" and _is_first(state, f"o{about}", b"1")
    clicked = verb == "clicked" and _is_first(state, f"c{about}", b"1")
    activity = 0
    if event["type"] in job.ACTIVITIES:
        month = f"m{job.month(event)}"
        activity = int.from_bytes(state.get_bytes(month) or b"\0", "big") + 1
        state.set_bytes(month, activity.to_bytes(8, "big"))
    return job.encode(event, opened, clicked, activity)


def _is_first(state: State, key: str, value: bytes) -> bool:
    if state.get_bytes(key) is not None:
        return False
    state.set_bytes(key, value)
    return True


app = Application(
    broker_address=job.BOOTSTRAP,
    consumer_group=job.APP,
    auto_offset_reset="earliest",
    commit_interval=1.0,
    processing_guarantee="exactly-once",
    state_dir=job.STATE,
    loglevel="WARNING",
    max_partition_buffer_size=10_000,
    consumer_extra_config=job.CONSUMER,
    producer_extra_config=job.PRODUCER,
)
topics = [app.topic(name, value_deserializer="bytes", key_deserializer="str") for name in job.TOPICS]
events = functools.reduce(lambda one, other: one.concat(other), map(app.dataframe, topics))
events = events.apply(engage, stateful=True)
events = events[events.apply(lambda value: value is not None)]
events.to_topic(app.topic(job.OUT, value_serializer="bytes", key_serializer="str"))
job.report()
app.run()
