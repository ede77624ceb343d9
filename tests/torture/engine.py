"""The ClickHouse engine of a torture run: a process of its own, on one port for the whole run."""

from __future__ import annotations

from pathlib import Path

from connectors.local import clickhouse, ports
from connectors.local.keeper import Keeper
from connectors.local.progress import silent
from connectors.local.service import Service, Wish
from tests.torture.clock import Clock
from tests.torture.ports import settled
from tests.torture.server import Server


class Engine(Server):
    """Its data lies in `folder`, which may be a SmallDisk's. With a clock its wall clock can be moved."""

    def __init__(self, folder: Path, keeper: Keeper, clock: Clock | None = None) -> None:
        super().__init__("the engine", self._start, keeper)
        self._folder = folder
        self._clock = clock
        (self._port,) = settled(1)

    @property
    def address(self) -> str:
        """Its URL."""
        return f"http://{ports.LOOPBACK}:{self._port}"

    def _start(self, wish: Wish) -> Service:
        environment = {} if self._clock is None else self._clock.environment
        return clickhouse.from_chdb(self._folder, wish._replace(port=self._port, environment=environment), silent)
