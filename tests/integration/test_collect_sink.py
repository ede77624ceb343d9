"""The sink over a real Kafka: a delivery is done once, with what came of all its messages; and its server's bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from confluent_kafka import KafkaError

from connectors.collect.service import Server
from connectors.collect.sink import PROBE_ANSWER_SECONDS, Batch, Failed, Sink
from connectors.local.keeper import Keeper
from connectors.producer.rows import Message
from connectors.producer.service import MESSAGE_BYTES_MAX
from pipeline.settings import load
from tests.integration.collect_world import World
from tests.torture.broker import Broker

DELIVERY_SECONDS = 3


def over(world: World, steps: Callable[[Sink], Coroutine[Any, Any, None]]) -> None:
    """Steps with a sink of the world's topics."""

    async def run() -> None:
        settings = load({"collect.delivery_seconds": DELIVERY_SECONDS}, world.settings, world.folder)
        sink = Sink(settings, asyncio.get_running_loop())
        try:
            await sink.look()
            await steps(sink)
        finally:
            await sink.close(5.0)

    asyncio.run(run())


def message(size: int, topic: str = "events.crm") -> Message:
    """A record of that size; what it says is nobody's concern here."""
    return Message(topic, b"acme", b"\0" * size, 1)


async def sent(sink: Sink, *messages: Message) -> str | None:
    """What came of a delivery; told once."""
    told: list[Batch] = []
    arrived = asyncio.Event()

    def done(batch: Batch) -> None:
        told.append(batch)
        arrived.set()

    sink.send(messages, done)
    async with asyncio.timeout(3 * DELIVERY_SECONDS):
        await arrived.wait()
    await asyncio.sleep(0.05)  # a second word would come now
    (batch,) = told
    return batch.error


@pytest.fixture(scope="module")
def world(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    found = World(kafka, tmp_path_factory.mktemp("sink"))
    found.make_topics()
    return found


def test_a_delivery_is_done_once_when_all_its_messages_are_acknowledged(world: World) -> None:
    async def steps(sink: Sink) -> None:
        assert sink.absence is None
        assert await sent(sink, message(10)) is None
        assert await sent(sink, *(message(n, f"events.{where}") for n in range(50) for where in ("crm", "sms"))) is None
        assert sink.waiting == 0

    over(world, steps)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_message_that_cannot_be_sent_fails_its_delivery_once(world: World, place: int) -> None:
    async def steps(sink: Sink) -> None:
        messages = [message(10), message(10)]
        messages.insert(place, message(MESSAGE_BYTES_MAX + 1))
        assert await sent(sink, *messages) is not None
        assert await sent(sink, message(10)) is None, "one delivery's fault is no other's"

    over(world, steps)


def test_a_client_beyond_repair_is_told(world: World) -> None:
    async def steps(sink: Sink) -> None:
        sink._trouble(KafkaError(KafkaError._FATAL, "out of order", fatal=True))
        with pytest.raises(Failed, match="out of order"):
            await sink.watch()

    over(world, steps)


def test_a_broker_that_sleeps_is_told_in_time_and_met_when_it_wakes(tmp_path: Path) -> None:
    keeper = Keeper()
    broker = Broker(tmp_path / "kafka", keeper)
    broker.start()
    world = World(broker.address, tmp_path)
    world.make_topics()

    async def steps(sink: Sink) -> None:
        assert await sent(sink, message(10)) is None
        broker.pause()
        began = time.monotonic()
        assert await sent(sink, message(10), message(20)) is not None
        assert time.monotonic() - began < DELIVERY_SECONDS + 2
        await sink.look()
        assert sink.absence is not None
        assert time.monotonic() - began < DELIVERY_SECONDS + 2 + PROBE_ANSWER_SECONDS + 2
        broker.resume()
        await sink.look()
        assert sink.absence is None
        assert await sent(sink, message(10)) is None

    try:
        over(world, steps)
    finally:
        broker.stop()
        keeper.close()


class _Answering:
    """What a server asks of a collector."""

    async def handle(self, _request: web.BaseRequest) -> web.StreamResponse:
        """Always the same."""
        return web.Response(text="here")


def test_a_connection_beyond_the_bound_is_closed_and_those_within_are_served() -> None:
    async def run() -> None:
        server = Server(_Answering(), 2)  # type: ignore[arg-type]
        runner = web.ServerRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(3)]
        assert await asyncio.wait_for(made[2][0].read(), 5) == b""
        for reader, writer in made[:2]:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        for _, writer in made:
            writer.close()
            await writer.wait_closed()
        await runner.cleanup()

    asyncio.run(run())
