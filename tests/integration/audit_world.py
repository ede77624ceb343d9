"""A deployment for the audit's tests: journals that the real core decided, in a real Kafka, and tables filled from it.

The traffic has what makes numbers hard: late events, tests, copies, merges, splits, plans, refused events, vendors'
own uniques.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.clickhouse.ranges import Position, metadata
from connectors.clickhouse.rows import Decided, translate
from connectors.clickhouse.statements import token
from pipeline.cli import console
from pipeline.cli.audit import audit
from pipeline.core.batch import Slab
from pipeline.core.record import decode, read_link
from tests.events import NOON_MS, SEED, Event, context, event, frame, merge, plan, split, topic_of
from tests.integration.sink_world import World
from tests.property.running import Outcome, step

DAY_MS = 86_400_000
DAYS = 4
PROFILES = 12
BATCHES, BATCH_EVENTS = 10, 40
TIES = 6
ACCOUNTS = {"acc-0-a", "acc-0-b", "acc-1-a", "acc-1-b"}
SETTLED = "SETTINGS mutations_sync = 2"
Tally = Callable[..., tuple[int, dict[str, Any]]]
_TYPES = (
    *("email_sent", "email_delivered", "email_opened", "email_opened", "email_clicked", "email_unique_opened"),
    *("email_soft_bounced", "push_opened", "viber_clicked", "viber_unique_clicked", "email_proxy_opened"),
)


class AuditWorld(World):
    """Two partitions with two accounts each: ACCOUNTS."""

    def __init__(self, kafka: str, clickhouse: str, folder: Path, seed: int) -> None:
        super().__init__(kafka, clickhouse, folder)
        self.settings |= {"TALLY_HASH_SEED": f"{SEED:016x}"}
        self._journals = [_journal_of(number, seed + number) for number in range(self.partitions)]

    def publish_journals(self) -> None:
        """The whole journal of each partition, with a rival's copy of one record that every reader must ignore."""
        for number, values in enumerate(self._journals):
            self.append(number, [*values[:3], values[2], *values[3:]])

    def fill(self) -> None:
        """The tables, as a sink leaves them, and its commits; without a sink's process."""
        for number, values in enumerate(self._journals):
            offsets = [at if at < 3 else at + 1 for at in range(len(values))]
            decided = [Decided(at, decode(value)[1]) for at, value in zip(offsets, values, strict=True)]
            for table, content in translate(number, decided).items():
                self.service.insert(table, content.columns, content.stream, token(number, 0, offsets[-1]))
            done = Position(offsets[-1] + 1, read_link(values[-1]).id, offsets[-1])
            self.commit(number, done.offset, metadata(done))


@functools.cache
def _journal_of(partition: int, seed: int) -> tuple[bytes, ...]:
    return tuple(journal(partition, random.Random(seed)))


def journal(partition: int, chance: random.Random) -> list[bytes]:
    """The values of a partition's journal."""
    outcome, made = Outcome(), context()
    offsets: dict[str, int] = {}
    for batch in range(BATCHES):
        arrived = NOON_MS + batch * DAYS * DAY_MS // BATCHES
        slabs = []
        for one in traffic(partition, batch, arrived, chance):
            topic = topic_of(one["type"])
            slabs.append(Slab(topic, offsets.get(topic, 0), arrived, [frame(one)]))
            offsets[topic] = offsets.get(topic, 0) + 1
        by_topic = sorted(slabs, key=lambda slab: (slab.topic, slab.offset))
        step(outcome, by_topic, made)
    return outcome.journal


def traffic(partition: int, batch: int, arrived: int, chance: random.Random) -> Iterator[Event]:
    """One batch's events."""
    accounts = [f"acc-{partition}-{name}" for name in "ab"]
    if batch == 1:
        yield plan(40, account_id=accounts[0], occurred_at=arrived * 1000, event_id=f"plan {partition}")
    if batch == 2:
        yield from tied(accounts[0], arrived * 1000)
    for number in range(BATCH_EVENTS):
        account, profile = chance.choice(accounts), f"p{chance.randrange(PROFILES)}"
        late = chance.choice((0, 0, 0, 1, 3, 6, 9))  # days; the last one is too late
        at = (arrived - late * DAY_MS - chance.randrange(3_600_000)) * 1000
        said = {"account_id": account, "occurred_at": at, "event_id": f"{batch} {number}"}
        draw = chance.random()
        if draw < 0.06:
            yield merge([profile], f"p{chance.randrange(PROFILES)}", **said)
        elif draw < 0.09:
            yield split(profile, {profile: [f"p{chance.randrange(PROFILES)}"]}, **said)
        else:
            one = message(chance, profile, said)
            yield one
            if draw > 0.9:
                yield one


def tied(account: str, at: int) -> Iterator[Event]:
    """Opens of one person and message at one microsecond, under two campaigns: their identities decide."""
    for number in range(TIES):
        said = {"account_id": account, "occurred_at": at, "profile_id": "p0", "message_id": f"m-tied-{number}"}
        for name in "ab":
            yield event("email_opened", campaign_id=f"tied-{name}", event_id=f"tie {number} {name}", **said)


def message(chance: random.Random, profile: str, said: dict[str, object]) -> Event:
    """An event of a channel."""
    campaign = f"c{chance.randrange(3)}"
    link = f"https://shop.example/{chance.randrange(2)}" if chance.random() < 0.8 else None
    type_name = chance.choice(_TYPES)
    about = {"profile_id": profile, "campaign_id": campaign, "message_id": f"m-{campaign}"}
    clicked = {"link": link} if "clicked" in type_name else {}
    return event(type_name, is_test=chance.random() < 0.05, **about, **clicked, **said)


# ------------------------------------------------------------- a module's fixtures: `world = pytest.fixture(journaled)`


def journaled(kafka: str, clickhouse: str, tmp_path: Path, seed: int) -> Iterator[AuditWorld]:
    """Journals in Kafka, tables without a row."""
    made = AuditWorld(kafka, clickhouse, tmp_path, seed)
    made.make_topic()
    made.migrate()
    made.publish_journals()
    yield made
    made.drop()


def filled(world: AuditWorld) -> AuditWorld:
    """All of it in the tables."""
    world.fill()
    return world


def auditing(world: AuditWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tally:
    """`tally audit --format json` over the world: its exit code and what it printed."""
    for name, value in world.settings.items():
        monkeypatch.setenv(name, value)

    def run(*accounts: str, timeout: float = 30.0, metrics_file: Path | None = None) -> tuple[int, dict[str, Any]]:
        code = 0
        try:
            audit(list(accounts), console.Format.JSON, timeout, metrics_file)
        except SystemExit as ended:
            code = int(ended.code or 0)
        out = capsys.readouterr()
        return code, json.loads(out.out) if out.out else {"err": out.err}

    return run
