"""The transport that a Faust app is given in place of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from faust.transport.drivers import aiokafka as driver
from faust.types import AppT
from yarl import URL

from pipeline.transport.bootstrap import PatientProducer, Reach
from pipeline.transport.consumer import SlabConsumer
from pipeline.transport.reading import Reading


class SlabTransport(driver.Transport):
    """Faust's aiokafka transport with the consumer of batches, and clients that wait for their broker (`reach`)."""

    Consumer: ClassVar[type[Any]] = SlabConsumer
    Producer: ClassVar[type[Any]] = PatientProducer

    def __init__(self, urls: list[URL], app: AppT, reading: Reading, reach: Reach) -> None:
        super().__init__(urls, app)
        self.reading, self.reach = reading, reach
