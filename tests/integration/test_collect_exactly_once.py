"""The broker is killed under load, and the collector too: what was answered with success is in ClickHouse exactly once.

Senders do as vendors do: what gets no success they send again, whole. So in the end every event is there once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from connectors.local.keeper import Keeper
from tests.e2e.deployment import Deployment, deployed
from tests.integration.collect_world import Collecting, Door, World, await_that
from tests.torture.broker import Broker

SENDERS = 12
DELIVERIES = 40  # of a sender
SIZES = (1, 1, 3, 20)  # events of a delivery
MEAN_SIZE = sum(SIZES) / len(SIZES)
SECONDS = 150.0  # within which all have got their success; the broker is away for 20 to 40 of them
PAUSE_SECONDS = 0.2  # before a sender tries again
QUICK = {"TALLY_COLLECT__DELIVERY_SECONDS": "4"}
AWAY_SECONDS = 6.0  # of the broker: beyond the time that it is given
NO_ANSWER = 0  # among statuses


class Stage(NamedTuple):
    """The broker and all that stands on it."""

    broker: Broker
    deployment: Deployment
    world: World


@contextmanager
def staged(clickhouse: str, folder: Path) -> Iterator[Stage]:
    keeper = Keeper()
    broker = Broker(folder / "kafka", keeper)
    broker.start()
    try:
        with deployed(broker.address, clickhouse, folder / "home") as deployment:
            world = World(broker.address, folder, TALLY_TOPICS__PREFIX=deployment.settings.topics.prefix)
            yield Stage(broker, deployment, world)
    finally:
        broker.stop()
        keeper.close()


def own(number: int) -> dict[str, Any]:
    """A canonical event of a person of its own."""
    at = datetime.now(UTC).isoformat()
    return {"type": "email_opened", "event_id": f"e{number}", "occurred_at": at, "profile_id": f"own{number}"}


def brevo(number: int) -> dict[str, Any]:
    """A click that Brevo tells, of a person of its own; its id is minted."""
    at = int(time.time())
    told = {"event": "click", "email": f"brevo{number}@mail.example", "id": 5, "message-id": f"<{number}@x>"}
    return {**told, "ts_event": at, "ts_epoch": at * 1000, "link": "https://shop.example/a", "subject": "November"}


class Load:
    """Senders with deliveries of several sizes; `succeeded` has the persons of every event that got success."""

    def __init__(self, doors: dict[str, Door], seed: int) -> None:
        self._doors, self._dice = doors, random.Random(seed)
        self.succeeded: Counter[str] = Counter()
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.address = ""

    async def run(self) -> None:
        """All deliveries of all senders, until each got its success."""
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.timeout(SECONDS):
            await asyncio.gather(*(self._sender(session, number) for number in range(SENDERS)))

    async def _sender(self, session: aiohttp.ClientSession, sender: int) -> None:
        vendor = "brevo" if sender % 2 else "own"
        make, door = (brevo, self._doors["brevo"]) if sender % 2 else (own, self._doors["own"])
        for number in range(DELIVERIES):
            size = self._dice.choice(SIZES)
            first = (sender * DELIVERIES + number) * 100
            items = [make(first + n) for n in range(size)]
            for _ in itertools.count():
                if await self._delivered(session, door, items):
                    break
                await asyncio.sleep(PAUSE_SECONDS)
            self.succeeded.update(f"{vendor}{first + n}" for n in range(size))

    async def _delivered(self, session: aiohttp.ClientSession, door: Door, items: list[dict[str, Any]]) -> bool:
        body = json.dumps(items[0] if len(items) == 1 else items)
        headers = {"Content-Type": "application/json", **door.headers}
        try:
            async with session.post(self.address + door.path, data=body, headers=headers) as answer:
                said = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError):
            self.statuses[door.endpoint.vendor, NO_ANSWER] += 1
            return False
        self.statuses[door.endpoint.vendor, answer.status] += 1
        assert answer.status != 200 or said == {"accepted": len(items), "rejected": 0}
        return answer.status == 200


def rows(deployment: Deployment) -> Counter[str]:
    """How often each person's event is there."""
    found = deployment.clickhouse.query(
        f"SELECT profile_id, count() FROM {deployment.clickhouse.target.database}.contact_activity GROUP BY profile_id"
    )
    return Counter({str(person).removesuffix("@mail.example"): int(count) for person, count in found.rows})


def assert_there_once(stage: Stage, load: Load) -> None:
    """Every event that got success, once; and none that nobody sent."""
    await_that(
        lambda: len(rows(stage.deployment)) >= len(load.succeeded),
        lambda: f"all events in ClickHouse; the logs end with\n{stage.deployment.log()}",
    )
    time.sleep(2.0)  # what would come twice would come now
    assert rows(stage.deployment) == load.succeeded


async def _until(load: Load, share: float) -> None:
    """Until about that share of the load has got its success."""
    most = share * SENDERS * DELIVERIES * MEAN_SIZE
    await asyncio.to_thread(await_that, lambda: load.succeeded.total() >= most, lambda: f"{most:.0f} successes")


@pytest.mark.timeout(400)
def test_whatever_is_killed_under_load_what_got_success_is_there_exactly_once(
    clickhouse: str, tmp_path: Path, seed: int
) -> None:
    with staged(clickhouse, tmp_path) as stage:
        load = Load({"own": stage.world.door("own"), "brevo": stage.world.door("brevo")}, seed)
        with stage.world.collector(**QUICK) as first, stage.world.collector(**QUICK) as second:
            load.address = first.address
            asyncio.run(_under_kills(stage, load, first, second))
            assert_there_once(stage, load)
            assert second.stop() == 0
    told = load.statuses
    assert told["own", 200] == told["brevo", 200] == DELIVERIES * SENDERS // 2
    assert {status for vendor, status in told if vendor == "own"} <= {200, 503, NO_ANSWER}
    assert {status for vendor, status in told if vendor == "brevo"} <= {200, 429, NO_ANSWER}
    for vendor, status in (("own", 503), ("brevo", 429), ("own", NO_ANSWER), ("brevo", NO_ANSWER)):
        assert told[vendor, status], f"no sender of {vendor} met {status}: {told}"


async def _under_kills(stage: Stage, load: Load, first: Collecting, second: Collecting) -> None:
    running = asyncio.create_task(load.run())
    for share in (0.1, 0.4):
        await _until(load, share)
        await asyncio.to_thread(stage.broker.kill)
        await asyncio.sleep(AWAY_SECONDS)
        await asyncio.to_thread(stage.broker.start)
    await _until(load, 0.7)
    first.kill()
    await asyncio.sleep(2 * PAUSE_SECONDS)
    load.address = second.address
    await running
