"""What a run's rounds share: broker, proxy, engine, a clock and two small disks."""

from __future__ import annotations

import urllib.request
from contextlib import ExitStack
from pathlib import Path

from connectors.local.keeper import Keeper
from tests.torture.broker import Broker
from tests.torture.clock import Clock
from tests.torture.disk import SmallDisk, available
from tests.torture.engine import Engine
from tests.torture.faults import BROKER, ENGINE, Kind
from tests.torture.proxy import Proxy
from tests.torture.server import Server

ANSWER_SECONDS = 10
MIB = 1024 * 1024
STATE_BYTES = 256 * MIB  # snapshots of 4 partitions and 3 workers: some MiB each
ENGINE_BYTES = 2048 * MIB  # tables of one round at a time: tens of MiB


class Stage:
    """Started by `start`, ended by `end`. `lacks` says which kinds of faults cannot be done here, and why."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self._open = ExitStack()
        self.lacks: dict[Kind, str] = {}

    def start(self) -> None:
        """Everything answers when it returns."""
        self._folder.mkdir(parents=True, exist_ok=True)
        keeper = Keeper()
        self._open.callback(keeper.close)
        why = available()
        self.state_disk = self._disk("state", STATE_BYTES) if why is None else None
        self.engine_disk = self._disk("engine", ENGINE_BYTES) if why is None else None
        if why is not None:
            self.lacks = dict.fromkeys((Kind.FULL_STATE, Kind.FULL_CLICKHOUSE), why)
        self.state, self._engine_folder = self._folder / "state", self._folder / "engine"
        self.clock = Clock(self._folder / "clock")
        self.broker = Broker(self._folder / "kafka", keeper, self.clock)
        self.proxy = Proxy(self.broker.proxy_port, self.broker.behind_proxy, self._seed)
        self.proxy.start()
        self._open.callback(self.proxy.close)
        self.engine = Engine(self._engine_folder, keeper)
        self.servers: dict[str, Server] = {BROKER: self.broker, ENGINE: self.engine}
        for server in self.servers.values():
            self._open.callback(server.stop)
            server.start()

    def end(self) -> None:
        """End it all."""
        self._open.close()

    def engine_version(self) -> str:
        """What the engine says of itself."""
        with urllib.request.urlopen(
            f"{self.engine.address}/?query=SELECT%20version()", timeout=ANSWER_SECONDS
        ) as answer:
            return str(answer.read().decode().strip())

    def restore(self) -> None:
        """Whatever the last round has left: true clock, room on the disks, packets that flow, servers that run."""
        self.clock.true()
        self.proxy.heal()
        for disk in (self.state_disk, self.engine_disk):
            if disk is not None:
                disk.free()
        for server in self.servers.values():
            if not server.runs:
                server.start()

    def _disk(self, name: str, size: int) -> SmallDisk:
        disk = SmallDisk(self._folder / name, size)
        self._open.callback(disk.close)
        return disk
