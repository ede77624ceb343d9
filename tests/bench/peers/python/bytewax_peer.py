"""The job on Bytewax: state of a profile and of an account apart, recovery into SQLite. At least once: what was sent
after the last epoch is sent again after a crash.

A profile's events carry its identities too: a copy names the same profile. So the first step remembers by profile, and
only what a few events long is written at an epoch's end; the second one counts by account.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import bytewax.operators as op
import job
from bytewax._bytewax import cli_main, init_db_dir
from bytewax.connectors.kafka import KafkaSink as Sink
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig

WINDOW_SECONDS = 8 * 86_400
EPOCH = timedelta(seconds=2)
BATCH_EVENTS = 500  # of each of 32 partitions: a step works off 16,000 before the next one begins, not 64,000

Event = dict[str, Any]
Profile = tuple[dict[str, float], set[str]]  # identities with their time; what it has opened and clicked
Found = tuple[Event, bool, bool]  # whether it is a unique open, a unique click


def read(message: KafkaSourceMessage) -> tuple[str, Event]:
    """The event, keyed by account and profile."""
    event = job.decode(message.value)
    return f"{event['account_id']}|{event['profile_id']}", event


def deduplicate(state: Profile | None, event: Event) -> tuple[Profile, tuple[Found, ...]]:
    """Nothing for a duplicate."""
    now = time.time()
    seen, firsts = state or ({}, set())
    identity = f"{event['source']}|{event['event_id']}"
    if seen.get(identity, 0) > now - WINDOW_SECONDS:
        job.done()
        return (seen, firsts), ()
    seen = {name: at for name, at in seen.items() if at > now - WINDOW_SECONDS} | {identity: now}
    channel, _, verb = event["type"].partition("_")
    about = f"{verb}|{event['message_id']}|{channel}"
    is_first = verb in ("opened", "clicked") and about not in firsts
    if is_first:
        firsts.add(about)
    return (seen, firsts), ((event, is_first and verb == "opened", is_first and verb == "clicked"),)


def by_account(found: tuple[str, Found]) -> tuple[str, Found]:
    """Keyed by account again."""
    return found[1][0]["account_id"], found[1]


def count(state: dict[int, int] | None, found: Found) -> tuple[dict[int, int], bytes]:
    """Of an account: activities by month."""
    event, opened, clicked = found
    state = state or {}
    activity = 0
    if event["type"] in job.ACTIVITIES:
        month = job.month(event)
        activity = state[month] = state.get(month, 0) + 1
    return state, job.encode(event, opened, clicked, activity)


def message(found: tuple[str, bytes]) -> KafkaSinkMessage:
    """For the output. It counts what is through: the steps before are up to 16,000 events ahead."""
    job.done()
    return KafkaSinkMessage(found[0].encode(), found[1])


flow = Dataflow(job.APP)
source = KafkaSource([job.BOOTSTRAP], job.TOPICS, tail=True, add_config=job.CONSUMER, batch_size=BATCH_EVENTS)
events = op.map("read", op.input("in", flow, source), read)
found = op.stateful_flat_map("deduplicate", events, deduplicate)
counted = op.stateful_map("count", op.map("by_account", found, by_account), count)
op.output("out", op.map("message", counted, message), Sink([job.BOOTSTRAP], job.OUT, add_config=job.PRODUCER))

if __name__ == "__main__":
    job.STATE.mkdir(parents=True, exist_ok=True)
    init_db_dir(job.STATE, 1)
    job.report()
    cli_main(flow, epoch_interval=EPOCH, recovery_config=RecoveryConfig(job.STATE))
