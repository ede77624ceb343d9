"""A collector from its start to its end: listen, look after Kafka, stop cleanly."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import time

import uvloop
from aiohttp import web

from connectors.collect import settings as told
from connectors.collect.counts import Counts
from connectors.collect.endpoints import Store
from connectors.collect.guard import Guard, security
from connectors.collect.intake import Intake, Parts
from connectors.collect.rows import Translator
from connectors.collect.service import Collector, Server
from connectors.collect.sink import Sink
from connectors.producer.settings import schema_ids
from pipeline.core import vocabulary
from pipeline.settings import Settings

BACKLOG = 1_024  # connections that wait to be taken

log = logging.getLogger(__name__)


class CannotListen(RuntimeError):
    """The address is taken, or not this machine's."""


def run(settings: Settings, store: Store, context: ssl.SSLContext | None) -> int:
    """Serve until SIGTERM or SIGINT; returns how many messages were not acknowledged when it ended.

    Raises:
        CannotListen
        Failed: Kafka's client cannot go on.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, store, context))


async def _serve(settings: Settings, store: Store, context: ssl.SSLContext | None) -> int:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    bounds, room = told.bounds(settings), told.room(settings)
    counts = Counts(room)
    translator = Translator(vocabulary.load(), schema_ids(settings))
    sink = Sink(settings, loop)
    intake = Intake(Parts(store, Guard(security(settings)), translator, counts, bounds), sink)
    server = Server(Collector(intake, sink, room, counts, bounds), bounds.connections_max)
    await sink.look()
    runner = web.ServerRunner(server, shutdown_timeout=bounds.stop_seconds)
    await runner.setup()
    await _listen(runner, settings, context)
    watching, stopping = asyncio.create_task(sink.watch()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((watching, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        left = await _end(runner, sink, bounds.stop_seconds)
        stopping.cancel()
    if watching.done():
        watching.result()
    watching.cancel()
    return left


async def _listen(runner: web.ServerRunner, settings: Settings, context: ssl.SSLContext | None) -> None:
    host, port = settings.collect.host, settings.collect.port
    site = web.TCPSite(runner, host, port, ssl_context=context, backlog=BACKLOG)
    try:
        await site.start()
    except OSError as error:
        mend = "Set TALLY_COLLECT__PORT to a free port, TALLY_COLLECT__HOST to an address of this machine"
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror}. {mend}") from None
    log.info("deliveries are taken at %s", site.name)


async def _end(runner: web.ServerRunner, sink: Sink, seconds: int) -> int:
    """Take no more connections, finish what is at work, wait for Kafka; all within about so many seconds."""
    log.info("stopping: no more deliveries are taken")
    deadline = time.monotonic() + seconds
    await runner.cleanup()
    return await asyncio.to_thread(sink.close, max(deadline - time.monotonic(), 0.5))
