"""A collector from its start to its end: listen, look after Kafka, stop cleanly."""

from __future__ import annotations

import asyncio
import logging
import signal
import time

import uvloop
from aiohttp import web

from connectors.collect import settings as told
from connectors.collect.counts import Counts
from connectors.collect.endpoints import Store, watch
from connectors.collect.guard import Guard, security
from connectors.collect.intake import Intake, Parts
from connectors.collect.rows import Translator
from connectors.collect.service import Collector, Server
from connectors.collect.settings import RENEW_SECONDS, Certificate
from connectors.collect.sink import Sink
from connectors.producer.settings import schema_ids
from pipeline.core import vocabulary
from pipeline.settings import Settings

CLOSE_SECONDS = 1.0  # for what is still at work when the time for a clean stop is over
FLUSH_SECONDS = 0.5  # for Kafka then: senders were told to try again
BACKLOG = 1_024  # connections that wait to be taken

log = logging.getLogger(__name__)


class CannotListen(RuntimeError):
    """The address is taken, or not this machine's."""


def run(settings: Settings, store: Store, certificate: Certificate | None) -> int:
    """Serve until SIGTERM or SIGINT; returns how many messages were not acknowledged when it ended.

    Raises:
        CannotListen
        Failed: Kafka's client cannot go on.
        NotReady: topics are missing, or their partitions differ.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, store, certificate))


async def _serve(settings: Settings, store: Store, certificate: Certificate | None) -> int:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    bounds, room = told.bounds(settings), told.room(settings)
    counts = Counts(room)
    translator = Translator(vocabulary.load(), schema_ids(settings))
    sink = Sink(settings, loop)
    guard = Guard(security(settings))
    intake = Intake(Parts(store, guard, translator, counts, bounds), sink)
    collector = Collector(intake, sink, room, counts, bounds)
    await sink.look()
    if sink.unready is not None:  # at the start a person looks on; later it may be a cluster that is being made
        raise sink.unready
    runner = web.ServerRunner(Server(collector, bounds.connections_max), shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    await _listen(runner, settings, certificate)
    looking = watch(store, guard.signing_key_fault)
    tasks = [asyncio.create_task(one) for one in (stop.wait(), sink.watch(), _renew(certificate), looking)]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    left = await _end(runner, collector, sink, bounds.stop_seconds)
    for task in others:
        task.cancel()
    for task in done:
        task.result()
    return left


async def _renew(certificate: Certificate | None) -> None:
    """Take a certificate that was renewed, without a restart."""
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            if certificate is not None and certificate.renew():
                log.info("the certificate was renewed: new connections get the new one")
        except OSError as error:
            log.warning("the former certificate stays in force: %s", error.strerror or error)


async def _listen(runner: web.ServerRunner, settings: Settings, certificate: Certificate | None) -> None:
    host, port = settings.collect.host, settings.collect.port
    context = None if certificate is None else certificate.context
    site = web.TCPSite(runner, host, port, ssl_context=context, backlog=BACKLOG)
    try:
        await site.start()
    except OSError as error:
        mend = "Set TALLY_COLLECT__PORT to a free port, TALLY_COLLECT__HOST to an address of this machine"
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror}. {mend}") from None
    log.info("deliveries are taken at %s", site.name)


async def _end(runner: web.ServerRunner, collector: Collector, sink: Sink, seconds: int) -> int:
    """Take no more connections, finish what is at work, wait for Kafka; all within about so many seconds."""
    log.info("stopping: no more deliveries are taken")
    deadline = time.monotonic() + seconds
    for site in runner.sites:
        await site.stop()
    # Before the server is closed: aiohttp would not read on what a request has not sent yet.
    await collector.drain(seconds)
    await runner.cleanup()
    return await sink.close(max(deadline - time.monotonic(), FLUSH_SECONDS))
