"""Our own worker on the peers' data: the whole job with all rules, its journal checked by the same recount."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.local import home
from pipeline import topic_admin
from pipeline.core.record import Record, decode
from pipeline.core.rows import read_rows
from pipeline.demo.tail import JournalTail
from pipeline.journal.chain import FIRST, extends
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings
from pipeline.topic_plan import compare, wanted
from pipeline.topics import JOURNAL, physical
from tests.bench.peers.data import DataSet
from tests.bench.peers.recount import Sums, months

GONE_SECONDS = 20.0  # until a deleted topic's name is free again
POLL_SECONDS = 0.2
READ_SECONDS = 10.0


def begin_anew(data: DataSet) -> None:
    """An empty journal: a worker that starts now reads the data set from its beginning.

    Raises:
        TimeoutError: the former one does not go away.
    """
    settings = data.settings
    name = physical(settings.topics.prefix, JOURNAL)
    admin = AdminClient(kafka_client(settings))
    admin.delete_topics([name])[name].result()
    deadline = time.monotonic() + GONE_SECONDS
    while name in admin.list_topics(timeout=READ_SECONDS).topics:
        if time.monotonic() > deadline:
            raise TimeoutError(f"topic {name} is still there {GONE_SECONDS:g} s after it was deleted")
        time.sleep(POLL_SECONDS)
    topics = wanted(settings)
    there = topic_admin.read(settings, topics)
    topic_admin.apply(settings, topics, compare(topics, there))


def command() -> list[str]:
    """A worker in a process of its own."""
    return [sys.executable, "-m", "pipeline.cli.app", "worker", "--name", "peers"]


def environment(data: DataSet, folder: Path, group: str) -> dict[str, str]:
    """Its settings: a home of its own, so that it has no snapshot; everything else as it comes."""
    folder.mkdir(parents=True, exist_ok=True)
    home.ensure_seed(folder)
    settings = data.settings
    return {
        "TALLY_HOME": str(folder),
        "TALLY_KAFKA__BOOTSTRAP_SERVERS": settings.kafka_address(),
        "TALLY_TOPICS__PREFIX": settings.topics.prefix,
        "TALLY_WORKER__GROUP_ID": group,
    }


class Progress:
    """How many events are in the journal."""

    def __init__(self, settings: Settings) -> None:
        self._tail = JournalTail(settings)

    def __call__(self) -> int:
        """Since its making."""
        return self._tail.look().read

    def close(self) -> None:
        """Leave Kafka."""
        self._tail.close()


def sums(settings: Settings) -> Sums:
    """What the journal says, from its beginning."""
    found = Sums()
    name, prefix = physical(settings.topics.prefix, JOURNAL), settings.topics.prefix
    size = {"fetch.message.max.bytes": settings.topics.journal_message_bytes}
    consumer = Consumer({**kafka_client(settings), **size, "group.id": "recount", "enable.auto.commit": False})
    for partition in range(settings.topics.partitions):
        place = TopicPartition(name, partition, 0)
        _, end = consumer.get_watermark_offsets(place, timeout=READ_SECONDS)
        consumer.assign([place])
        last, offset = FIRST, 0
        while offset < end:
            message = consumer.poll(READ_SECONDS)
            assert message is not None, f"{name} partition {partition} ends at {offset}, not at {end}"
            assert message.error() is None, message.error()
            offset = (message.offset() or 0) + 1
            link, record = decode(message.value() or b"")
            if extends(link, last):
                last = link.id
                _add(found, record, prefix, partition)
    consumer.close()
    return found


def _add(found: Sums, record: Record, prefix: str, partition: int) -> None:
    rows = read_rows(record)
    names = ("account_id", "channel", "hits", "unique_open", "unique_click", "origin_topic", "origin_offset")
    for account, channel, hits, unique_open, unique_click, topic, offset in zip(
        *(rows[name].to_pylist() for name in names), strict=True
    ):
        if hits:
            found.places[prefix + topic, partition, offset] += 1
        if unique_open:
            found.opens[account, channel] += unique_open
        if unique_click:
            found.clicks[account, channel] += unique_click
    for cycle in record.allowance:
        (month,) = months(np.array([cycle.cycle_start]))
        found.activities[cycle.account_id, month] = cycle.used
