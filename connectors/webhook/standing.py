"""Every alert with what became of it, from the two topics; and asking for some of them again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaException, Producer

from connectors.alerts import rows as alerts
from connectors.alerts.service import Log
from connectors.kafka_faults import KafkaAway, silent, words
from connectors.webhook import rows
from connectors.webhook.rows import Receipt
from connectors.webhook.states import State
from pipeline import topics
from pipeline.kafka_cluster import KafkaAbsent, absence, connect
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings

_ACKNOWLEDGED_SECONDS = 30.0


class NoTopics(Exception):
    """The topics are not there."""


class Standing(NamedTuple):
    """An alert and its last receipt; None where nothing was sent so far."""

    alert: alerts.Projected
    receipt: Receipt | None
    partition: int

    @property
    def state(self) -> State:
        """What became of it."""
        return State.WAITING if self.receipt is None else self.receipt.state


def standing(settings: Settings) -> Iterator[Standing]:
    """Every alert there is, partition by partition, in the order of the journal.

    Raises:
        KafkaAbsent: no answer.
        NoTopics: run `tally topics apply`.
    """
    _, cluster = connect(settings)
    names = [topics.physical(settings.topics.prefix, name) for name in topics.NOTIFY_TOPICS]
    if missing := [name for name in names if name not in cluster.topics]:
        raise NoTopics(f"there is no {topics.listed(missing)}: run `tally topics apply`")
    log = Log(settings)
    try:
        for partition in range(len(cluster.topics[names[0]].partitions)):
            yield from _of(log, partition)
    except KafkaAway as error:
        raise KafkaAbsent(absence(settings, [str(error)])) from None


def _of(log: Log, partition: int) -> Iterator[Standing]:
    bounds = {topic: log.bounds(topic, partition) for topic in topics.NOTIFY_TOPICS}
    low, high, _ = bounds[topics.ALERTS]
    if low == high:
        return
    receipts = {}
    begin, end, _ = bounds[topics.RECEIPTS]
    for message in log.read(topics.RECEIPTS, partition, begin, end) if begin < end else ():
        with contextlib.suppress(rows.NoReceipt):  # somebody else's record: `tally notify` passes it over too
            receipts[message.key()] = rows.decode(message.value())
    for message in log.read(topics.ALERTS, partition, low, high):
        with contextlib.suppress(alerts.NoAlert):
            yield Standing(alerts.decode(message.value()), receipts.get(message.key()), partition)


def ask(settings: Settings, wanted: Sequence[Standing], schema_id: int, at: int) -> None:
    """Ask for parked alerts again: a `tally notify` sends them, as if for the first time. `at`: UTC microseconds.

    Raises:
        KafkaAbsent: some were not acknowledged; asking again is harmless.
    """
    failed: list[str] = []
    producer = Producer(
        kafka_client(settings) | {"acks": "all", "enable.idempotence": True, "log_level": 0}, logger=silent("notify")
    )
    name = topics.physical(settings.topics.prefix, topics.RECEIPTS)
    for one in wanted:
        assert one.receipt is not None, "what is asked for again has a receipt"
        assert one.receipt.state is State.PARKED, "what is asked for again was parked"
        receipt = one.receipt._replace(state=State.ASKED, attempts=0, at=at, status=None, error=None, next_at=None)
        producer.produce(
            name,
            rows.encode(receipt, schema_id),
            one.alert.key,
            partition=one.partition,
            on_delivery=lambda error, _message: failed.append(error.str()) if error is not None else None,
        )
    try:
        left = producer.flush(_ACKNOWLEDGED_SECONDS)
    except KafkaException as error:
        failed.append(words(error))
        left = 0
    if failed or left:
        raise KafkaAbsent(absence(settings, failed or [f"{left} of {len(wanted)} were not acknowledged"]))
