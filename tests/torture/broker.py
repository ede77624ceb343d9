"""The Kafka of a torture run: a process of its own, on the same ports for the whole run, with a door for a proxy."""

from __future__ import annotations

from pathlib import Path

from connectors.local import kafka, ports
from connectors.local.keeper import Keeper
from connectors.local.progress import silent
from connectors.local.service import Listener, Service, Wish
from tests.torture import segments
from tests.torture.clock import Clock
from tests.torture.ports import settled
from tests.torture.server import Server

# A broker that was killed is let in again when its former session has ended; by default 9 s, in which nothing works.
QUICK = {"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500"}


class Broker(Server):
    """Its data lies in `folder`. Clients of `address` meet it directly, those of `proxied` through the proxy alone.

    A proxy must listen at `proxy_port` and forward to `behind_proxy`: the broker sends whoever comes that way back to
    the proxy for everything else. With a clock its wall clock, and so LogAppendTime, can be moved.
    """

    def __init__(self, folder: Path, keeper: Keeper, clock: Clock | None = None) -> None:
        super().__init__("the broker", self._start, keeper)
        self._folder = folder
        self._clock = clock
        self._port, self.behind_proxy, self.proxy_port = settled(3)

    @property
    def address(self) -> str:
        """The bootstrap address, without the proxy."""
        return f"{ports.LOOPBACK}:{self._port}"

    @property
    def proxied(self) -> str:
        """The bootstrap address through the proxy."""
        return f"{ports.LOOPBACK}:{self.proxy_port}"

    def cut_tail(self, topic: str, partition: int, batches: int) -> segments.Cut:
        """What a power loss does: the last record batches of a partition, written and not yet synced, are gone.

        The broker must be down. Cuts at most what the newest segment holds.
        """
        assert not self.runs, "a tail is cut while the broker is down"
        return segments.cut_tail(self._folder / "data", topic, partition, batches)

    def _start(self, wish: Wish) -> Service:
        environment = {} if self._clock is None else self._clock.environment
        listeners = (Listener(self.behind_proxy, self.proxy_port),)
        asked = wish._replace(port=self._port, environment=environment, listeners=listeners, properties=QUICK)
        return kafka.from_jars(self._folder, asked, silent)
