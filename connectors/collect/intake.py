"""A delivery that has arrived whole: its key, its messages, Kafka's word, the answer.

Success is said when Kafka has acknowledged every message, a refused item's among them. A delivery that is signed and
gets no success may come again as it is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from multidict import MultiMapping

from connectors.collect import answers, bodies, signatures
from connectors.collect.answers import Answer, Kept, Outcome
from connectors.collect.counts import Counts
from connectors.collect.endpoint import Endpoint
from connectors.collect.endpoints import Store
from connectors.collect.guard import Guard, Presented, Refused
from connectors.collect.own import deliveries
from connectors.collect.room import Lease
from connectors.collect.routes import OWN, Place, Route
from connectors.collect.rows import Delivery, Translated, Translator, delivery
from connectors.collect.settings import Bounds
from connectors.collect.sink import Batch, Sink
from connectors.collect.translation import Refusal, Vendor
from connectors.collect.vendors import VENDORS
from connectors.producer.rows import Message
from pipeline.core.reasons import Reject

ASIDE_BYTES = 128 * 1024  # a larger body is translated in a thread, so that small ones need not wait for it
ASIDE_MAX = 1  # such bodies at once: parsed, one takes ten to thirty times its bytes
_OUTCOMES = {Refused.REPLAYED: Outcome.REPLAYED, Refused.SIGNING_KEY: Outcome.FAILED}

log = logging.getLogger(__name__)


class Unsuccessful(Exception):
    """A request that gets no success: what came of it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


class Parts(NamedTuple):
    """What a collector is made of, beside its way to Kafka."""

    store: Store
    guard: Guard
    translator: Translator
    counts: Counts
    bounds: Bounds


class Intake:
    """See the module. For one event loop."""

    def __init__(self, parts: Parts, sink: Sink) -> None:
        self._parts, self._sink = parts, sink
        self._aside = ThreadPoolExecutor(ASIDE_MAX, "collect-aside")

    def needs_body(self, route: Route, headers: MultiMapping[str]) -> bool:
        """Whether it takes the body to tell if a request may deliver: a signature covers it."""
        endpoint = self._endpoint(route)
        keys = () if endpoint is None else endpoint.credentials
        named = {one.name for one in keys if one.kind == "hmac"} or {signatures.HMAC_HEADER}
        return any(name in headers for name in {signatures.SIGNATURE_HEADER, *named})

    def admit(self, presented: Presented, route: Route) -> Endpoint:
        """The endpoint that a request may deliver to.

        Raises:
            Unsuccessful: none.
        """
        endpoint = self._endpoint(route)
        refused = self._parts.guard.check(endpoint, presented, time.time_ns() // 1_000)
        if endpoint is None or refused is not None:
            if endpoint is not None:  # what an unknown one was called may be anything, a secret too
                log.warning("endpoint %s refused a delivery: %s", endpoint.id, refused)
            outcome = None if refused is None else _OUTCOMES.get(refused)
            raise Unsuccessful(outcome or Outcome.UNAUTHORIZED)
        return endpoint

    async def take(self, presented: Presented, endpoint: Endpoint, place: Place, lease: Lease) -> Answer:
        """The answer to a delivery that was admitted.

        Raises:
            Unsuccessful: it is no success.
        """
        kept = False
        try:
            async with asyncio.timeout(self._parts.bounds.delivery_seconds):
                translated = await self._translated(presented, endpoint, lease)
                answer = await self._answer(translated, VENDORS[endpoint.vendor], place, lease)
            kept = True
        except TimeoutError:
            log.warning("a delivery was not kept in time: its sender is told to try again")
            self._sink.doubt()
            raise Unsuccessful(Outcome.LATE) from None
        finally:
            if not kept:
                self._parts.guard.failed(endpoint, presented)
        return answer

    def _endpoint(self, route: Route) -> Endpoint | None:
        """The endpoint that a route means; /v1/events is for canonical events alone."""
        found = self._parts.store.by_id(route.endpoint)
        return None if found is not None and route.place is Place.EVENTS and found.vendor != OWN else found

    async def _translated(self, presented: Presented, endpoint: Endpoint, lease: Lease) -> list[Translated]:
        most = self._parts.bounds.body_bytes_max
        body = bodies.unpacked(presented.headers, presented.raw_body, lease, most)
        if isinstance(body, Outcome):
            raise Unsuccessful(body)
        if isinstance(body, Refusal):
            translator, now_us = self._parts.translator, time.time_ns() // 1_000
            return [translator.refuse(body, presented.raw_body, endpoint, now_us)]
        if len(body) <= ASIDE_BYTES:
            return self._items(body, presented.headers, endpoint)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._aside, self._items, body, presented.headers, endpoint)

    def _items(self, body: bytes, headers: MultiMapping[str], endpoint: Endpoint) -> list[Translated]:
        """A message for every item.

        Raises:
            Unsuccessful: there are too many; what is kept of a refusal would not hold them.
        """
        translator, vendor, now_us = self._parts.translator, VENDORS[endpoint.vendor], time.time_ns() // 1_000
        if vendor.name == OWN:
            found = deliveries.items_of(headers.get("Content-Type", ""), headers, body)
        else:
            found = delivery(body, vendor)
        if isinstance(found, Delivery):
            return translator.translated(found, endpoint, vendor, now_us)
        if found.reason is Reject.OVERSIZED:
            raise Unsuccessful(Outcome.TOO_LARGE)
        return [translator.refuse(found, body, endpoint, now_us)]

    async def _answer(self, translated: list[Translated], vendor: Vendor, place: Place, lease: Lease) -> Answer:
        refusals = [(number, one.refusal) for number, one in enumerate(translated) if one.refusal is not None]
        began = time.perf_counter()
        if translated:
            await self._acknowledged([one.message for one in translated], lease)
        kept = Kept(len(translated), refusals)
        self._parts.counts.kept(vendor.name, kept, time.perf_counter() - began)
        return answers.success(vendor, kept, place)

    async def _acknowledged(self, messages: list[Message], lease: Lease) -> None:
        """Send the messages and wait for Kafka's word on all of them.

        Raises:
            Unsuccessful: there is no room for them, or Kafka did not take them all.
        """
        if not lease.hold_messages(len(messages), sum(len(one.value) for one in messages)):
            raise Unsuccessful(Outcome.FULL)
        answered: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        def done(batch: Batch) -> None:
            lease.leave()
            if not answered.done():
                answered.set_result(batch.error)

        self._sink.send(messages, done)
        lease.lent = True
        error = await answered
        if error is not None:
            log.warning("Kafka did not acknowledge a delivery: %s", error)
            self._sink.doubt()
            raise Unsuccessful(Outcome.LATE)
