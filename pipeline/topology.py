"""The map of the worker: what flows where.

events.email  events.sms  events.push  events.telegram  events.whatsapp  events.viber  events.popup  events.web
events.profile  events.account  events.crm                                                 P partitions each
    │
    │   partition p of all of them, as batches of whole record batches      transport/
    ▼
engagement ── decide ─▶ one journal record ── append ─▶ journal (P partitions)      agents/ core/ journal/
    │                                                      │
    └──── apply ─▶ state of partition p ◀── fold ──────────┘                        state/
                       │
                       ▼
                   snapshots, a cache
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import faust

from pipeline.agents.engagement import Engagement
from pipeline.journal.reader import KafkaReader
from pipeline.journal.topics import KafkaTopics
from pipeline.journal.writer import RECORD_OVERHEAD_BYTES, KafkaWriter
from pipeline.kafka_security import aiokafka_client, kafka_client
from pipeline.settings import Settings
from pipeline.state.core import Core
from pipeline.state.keeper import Keeper
from pipeline.state.partitions import Partitions
from pipeline.state.threads import WorkThread
from pipeline.telemetry.accounts_watch import AccountsWatch
from pipeline.telemetry.lag_watch import LagWatch
from pipeline.telemetry.selection import Choice
from pipeline.telemetry.tenure import Tenure
from pipeline.topics import JOURNAL, SOURCE_TOPICS, physical
from pipeline.transport.app import LEASE_S, brokers, faust_app
from pipeline.transport.bootstrap import Reach
from pipeline.transport.reading import Reading
from pipeline.transport.schema import BatchSchema
from pipeline.transport.transport import SlabTransport


class Topology(NamedTuple):
    """A worker's parts, in the order of the flow."""

    app: faust.App
    partitions: Partitions
    engagement: Engagement
    journal: KafkaWriter
    keeper: Keeper


def topology(settings: Settings, core: Core, reach: Reach) -> Topology:
    """The worker of these settings, not started; `reach` says how long it waits for its broker then."""
    prefix, worker, message_bytes = settings.topics.prefix, settings.worker, settings.topics.journal_message_bytes
    client = aiokafka_client(settings)
    work = WorkThread("core")

    # ---- state and journal
    reader = KafkaReader(client, message_bytes)
    journal = KafkaWriter(client, message_bytes)
    folder = settings.state_dir() / physical(prefix, JOURNAL)
    keeper = Keeper(folder, core, work, worker.snapshot_events, worker.snapshot_minutes * 60)
    partitions = Partitions(prefix, core, (reader, KafkaTopics(kafka_client(settings))), keeper, work)

    # ---- events to batches
    app = faust_app(settings)
    linger_s, tenure = worker.linger_ms / 1000, Tenure(LEASE_S)
    reading = Reading(prefix, SOURCE_TOPICS, worker.batch_events_max, linger_s, partitions, tenure)
    app.transport = SlabTransport(brokers(settings), app, reading, reach)
    events = app.topic(
        *(physical(prefix, topic) for topic in SOURCE_TOPICS), schema=BatchSchema(key_type=bytes, value_type=bytes)
    )

    # ---- batches to journal records
    value_bytes_max = message_bytes - RECORD_OVERHEAD_BYTES
    agent = Engagement(core, partitions, journal, keeper, work, worker.name, value_bytes_max)

    @app.agent(events, name="engagement")
    async def engagement(stream: Any) -> None:
        async for event in stream.noack().events():  # `finish` acknowledges, once the record is in the journal
            agent.begin(event)

    # ---- what the worker tells of itself
    choice = Choice(Fraction(str(settings.allowance.gauges_floor)), settings.allowance.gauges_accounts_max)
    app.task(AccountsWatch(core, partitions, work, tenure, choice).run)
    app.task(LagWatch(prefix, reader, partitions, tenure).run)

    @app.on_before_shutdown.connect
    async def shutdown(_app: Any, /, *_args: Any, **_kwargs: Any) -> None:
        await journal.stop()

    return Topology(app, partitions, agent, journal, keeper)
