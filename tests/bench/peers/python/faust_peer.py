"""The job on stock Faust as its documentation shows it: an agent and tables. At least once: tables and output are not
committed together. Identities are never forgotten."""

from __future__ import annotations

import sys

import faust
import job

app = faust.App(
    job.APP,
    broker=f"kafka://{job.BOOTSTRAP}",
    store="rocksdb://?driver=rocksdict",
    datadir=str(job.STATE),
    topic_partitions=4,
    topic_replication_factor=1,
    topic_disable_leader=True,
    web_enabled=False,
    broker_commit_interval=1.0,
    producer_linger=0.05,
    producer_compression_type="lz4",
    producer_max_batch_size=262_144,
    consumer_auto_offset_reset="earliest",
    worker_redirect_stdouts=False,
)
events = app.topic(*job.TOPICS, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw")
enriched = app.topic(job.OUT, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw")
seen = app.Table("seen", partitions=4, key_type=str, value_type=int)
uniques = app.Table("uniques", partitions=4, key_type=str, value_type=int)
activities = app.Table("activities", default=int, partitions=4, key_type=str, value_type=int)


def _is_first(table: faust.Table, key: str) -> bool:
    if key in table:
        return False
    table[key] = 1
    return True


@app.agent(events)
async def engage(stream: faust.Stream) -> None:
    """Each event once, enriched, to the output."""
    async for key, framed in stream.items():
        event = job.decode(framed)
        job.done()
        account = event["account_id"]
        if not _is_first(seen, f"{account}|{event['source']}|{event['event_id']}"):
            continue
        channel, _, verb = event["type"].partition("_")
        about = f"{account}|{event['profile_id']}|{event['message_id']}|{channel}"
        opened = verb == "opened" and _is_first(uniques, f"o{about}")
        clicked = verb == "clicked" and _is_first(uniques, f"c{about}")
        activity = 0
        if event["type"] in job.ACTIVITIES:
            month = f"{account}|{job.month(event)}"
            activities[month] += 1
            activity = activities[month]
        await enriched.send(key=key, value=job.encode(event, opened, clicked, activity))


job.report()
sys.argv[1:] = ["worker", "-l", "warn", "--without-web"]
app.main()
