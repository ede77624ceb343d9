"""The collector's HTTP side: any request to its answer, and the server that takes requests until it is told to stop.

No line of the log and no metric has an account, a secret, an address or anything of a delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from dataclasses import replace

from aiohttp import ClientError, web

from connectors.collect import access, answers, bodies, credentials, openapi, routes
from connectors.collect.answers import Answer, Outcome
from connectors.collect.counts import Counts
from connectors.collect.guard import Presented
from connectors.collect.intake import Intake, Unsuccessful
from connectors.collect.room import Lease, Room
from connectors.collect.routes import OWN, Place, Route
from connectors.collect.settings import HEADERS_SECONDS, LINGER_SECONDS, Bounds
from connectors.collect.sink import Sink
from connectors.collect.translation import Vendor
from connectors.collect.vendors import VENDORS

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

log = logging.getLogger(__name__)


class Collector:
    """Answers requests; `handle` is aiohttp's handler."""

    def __init__(self, intake: Intake, sink: Sink, room: Room, counts: Counts, bounds: Bounds) -> None:
        self._intake, self._sink, self._room, self._counts, self._bounds = intake, sink, room, counts, bounds
        self._draining, self._drained, self._at_work = False, asyncio.Event(), 0

    async def drain(self, seconds: float) -> None:
        """Wait until nothing is at work, at most so long; from now on a connection ends with its next answer."""
        self._draining = True
        self._leave(0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._drained.wait()

    def _leave(self, requests: int) -> None:
        self._at_work -= requests
        if self._draining and self._at_work == 0:
            self._drained.set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to any request; it raises nothing of its own."""
        self._at_work += 1
        try:
            return await self._response(request)
        finally:
            self._leave(1)

    async def _response(self, request: web.BaseRequest) -> web.StreamResponse:
        began, route, vendor = time.perf_counter(), routes.find(request.path), None
        if route.place in routes.DELIVERIES:
            route = route._replace(endpoint=route.endpoint or credentials.named_endpoint(request.headers) or "")
            vendor = _vendor(route)
        try:
            outcome = Outcome.SUCCESS if route.place in routes.DELIVERIES else Outcome.TOLD
            answer = await self._answer(request, route)
        except Unsuccessful as what:
            outcome, answer = what.outcome, answers.failure(what.outcome, vendor, route.place.methods)
        except (ClientError, ConnectionError):
            outcome, answer = Outcome.CUT, answers.failure(Outcome.CUT, vendor)
        except Exception as error:  # style: told to try again, the sender loses nothing; the fault is in the log
            log.error("a fault of the collector: %s", _place(error))
            outcome, answer = Outcome.FAILED, answers.failure(Outcome.FAILED, vendor)
        self._counts.request(None if vendor is None else vendor.name, outcome)
        if access.logs():
            access.line(request.method, route.place, (vendor, outcome, answer.status), time.perf_counter() - began)
        response = web.Response(status=answer.status, body=answer.body, headers={**answer.headers, "Server": "tally"})
        if self._draining:
            response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest, route: Route) -> Answer:
        if route.place is Place.NONE:
            raise Unsuccessful(Outcome.NO_PLACE)
        if request.method not in route.place.methods:
            raise Unsuccessful(Outcome.WRONG_METHOD)
        if route.place not in routes.DELIVERIES:
            return self._document(route.place)
        lease = self._room.enter()
        if lease is None:
            raise Unsuccessful(Outcome.FULL)
        try:
            return await self._delivery(request, route, lease)
        finally:
            if not lease.lent:
                lease.leave()

    def _document(self, place: Place) -> Answer:
        if place is Place.OPENAPI:
            return answers.document(200, openapi.DOCUMENT)
        if place is Place.READY and self._sink.absence is not None:
            return answers.document(503, {"status": "away"})
        return answers.document(200, {"status": "ok"})

    async def _delivery(self, request: web.BaseRequest, route: Route, lease: Lease) -> Answer:
        """What can be told without the body is: a stranger's is not read, nor is one while Kafka is away."""
        headers, most = request.headers, self._bounds.body_bytes_max
        outcome = bodies.refusal(headers, most)
        if outcome is not None:
            raise Unsuccessful(outcome)
        presented = Presented(route.secret, headers, b"", request.remote)
        endpoint = None if self._intake.needs_body(route, headers) else self._intake.admit(presented, route)
        if self._sink.absence is not None:
            raise Unsuccessful(Outcome.AWAY)
        if headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(_CONTINUE)
        raw = await bodies.read(request.content, lease, request.content_length, most)
        if isinstance(raw, Outcome):
            raise Unsuccessful(raw)
        presented = replace(presented, raw_body=raw)
        endpoint = endpoint or self._intake.admit(presented, route)
        return await self._intake.take(presented, endpoint, route.place, lease)


class Server(web.Server):
    """aiohttp's server with a bound on connections; one beyond it is closed at once."""

    def __init__(self, collector: Collector, connections_max: int) -> None:
        super().__init__(
            collector.handle,
            access_log=None,
            logger=_silent(),
            keepalive_timeout=HEADERS_SECONDS,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
        )
        self._connections_max = connections_max

    def __call__(self) -> asyncio.Protocol:  # type: ignore[override]
        if len(self._connections) >= self._connections_max:
            return _Closing()
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    """aiohttp's own answer to what is no HTTP repeats it, secrets included; this one does not."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer, after which the connection ends."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun")
        answer = answers.unreadable(status)
        response = web.Response(status=status, body=answer.body, headers={**answer.headers, "Server": "tally"})
        response.force_close()
        return response


class _Closing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There are too many: close it."""
        transport.close()


def _vendor(route: Route) -> Vendor | None:
    """The vendor that an endpoint's id says, whether there is such an endpoint or not: an answer does not tell it."""
    return VENDORS.get(OWN if route.place is Place.EVENTS else route.endpoint.partition("-")[0])


def _place(error: BaseException) -> str:
    """What a fault's line says: its kind and its place, never its words, which may repeat a delivery."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.name}, {place.filename}:{place.lineno}"


def _silent() -> logging.Logger:
    """For aiohttp, whose own lines have addresses and what was sent."""
    silent = logging.getLogger("tally.collect.aiohttp")
    silent.disabled = True
    return silent
