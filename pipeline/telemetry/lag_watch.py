"""Measures every few seconds how far this worker is behind, by topic and partition.

Records: the topic's end less what the journal has decided. Seconds: since the oldest of them arrived, as it waits in
its lane; where nothing is fetched, as while the partition is folded or refused, since the first look that met it.
The ends are asked for over a connection of its own: the consumer's may wait for a batch, a fold or a rebalance.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from time import time
from typing import NamedTuple

from aiokafka.errors import KafkaError

from pipeline import metrics
from pipeline.journal.ports import Bounds, Place, Reads, Session
from pipeline.state.partitions import Partitions
from pipeline.telemetry.tenure import Tenure
from pipeline.topics import SOURCE_TOPICS, physical

log = logging.getLogger(__name__)

LOOK_S = 5.0  # between two looks: two requests to each broker
PLACE_S = 0.005  # for each topic partition, where that is longer: 11,000 of them, at some 20 µs each, every 55 s


class _Met(NamedTuple):
    """The oldest event that is not decided: its offset, and when it was first met, Unix seconds."""

    offset: int
    at: float


class LagWatch:
    """See the module."""

    def __init__(self, prefix: str, reads: Reads, partitions: Partitions, tenure: Tenure) -> None:
        self._prefix, self._reads, self._partitions, self._tenure = prefix, reads, partitions, tenure
        self._bounds: dict[Place, Bounds] = {}
        self._met: dict[Place, _Met] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with self._reads.session() as session:
                    await self._look_on(session)
            except (KafkaError, OSError, TimeoutError) as error:
                log.debug("the topics' ends were not asked for: %s", error)
            self._tell()  # what waits here grows older without a broker, too
            await asyncio.sleep(LOOK_S)

    async def _look_on(self, session: Session) -> None:
        while True:
            await self.look(session)
            await asyncio.sleep(max(LOOK_S, PLACE_S * len(self._bounds)))

    async def look(self, session: Session) -> None:
        """Ask for the ends, then set the gauges."""
        places = [self._place(topic, number) for number in self._tenure.assigned for topic in SOURCE_TOPICS]
        self._bounds = await session.bounds(places) if places else {}
        self._tell()

    def _tell(self) -> None:
        met: dict[Place, _Met] = {}
        for number in self._tenure.assigned:
            store, lane = self._partitions.get(number), self._tenure.ready.get(number)
            if store is None:
                continue
            since = lane.waiting_since() if lane is not None else {}
            for topic in SOURCE_TOPICS:
                self._tell_of(topic, self._place(topic, number), store.positions, since, met)
        self._met = met

    def _tell_of(
        self, topic: str, place: Place, positions: Mapping[str, int], since: Mapping[str, int], met: dict[Place, _Met]
    ) -> None:
        bounds, now = self._bounds.get(place), time()
        if bounds is None:
            return
        position = positions.get(topic, bounds.first)
        records, seconds = max(0, bounds.next - position), 0.0
        if records:
            was = self._met.get(place)
            met[place] = was if was is not None and was.offset == position else _Met(position, now)
            seconds = now - since[topic] / 1000 if topic in since else now - met[place].at
        metrics.LAG_RECORDS.labels(topic, place.partition).set(records)
        metrics.LAG_SECONDS.labels(topic, place.partition).set(max(0.0, seconds))

    def _place(self, topic: str, partition: int) -> Place:
        return Place(physical(self._prefix, topic), partition)
