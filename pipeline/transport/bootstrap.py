"""The first connection of Faust's clients to Kafka: they try it once, and the process would end with a trace.

A broker that answered before Faust was started may be gone when Faust is: it is waited for as before, within the same
time. What happens to a connection later is aiokafka's to mend.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NoReturn

from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver

from pipeline.refusal import Unstartable
from pipeline.transport.fatal import end

log = logging.getLogger(__name__)

PAUSE_S = 0.5  # between two tries; one takes as long as the broker needs to refuse


@dataclass(frozen=True, slots=True)
class Reach:
    """How long a worker that starts waits for its broker in all: `seconds` from `began` (monotonic)."""

    address: str
    seconds: float
    began: float = field(default_factory=monotonic)

    def make_patient(self, client: Any) -> None:
        """Let an aiokafka client that is not started yet try to connect for what is left of the time."""
        client.bootstrap = functools.partial(self._connect, client.bootstrap)

    async def _connect(self, bootstrap: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await bootstrap()
            except (KafkaError, OSError, TimeoutError) as error:
                if monotonic() + PAUSE_S >= self.began + self.seconds:
                    self._give_up(error)
            log.warning("Kafka at %s went away while this worker starts; trying again", self.address)
            await asyncio.sleep(PAUSE_S)

    def _give_up(self, error: BaseException) -> NoReturn:
        log.critical(
            "Kafka does not answer at %s: %s. Gave up after %.0f s (--broker-wait)",
            self.address,
            type(error).__name__,
            self.seconds,
        )
        end(Unstartable.code)


class PatientProducer(driver.Producer):
    """Faust's producer, whose first connection is tried again."""

    logger = logging.getLogger("faust.transport.slabs")

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        producer = super()._new_producer(transactional_id)
        self.transport.reach.make_patient(producer.client)  # type: ignore[attr-defined]
        return producer
