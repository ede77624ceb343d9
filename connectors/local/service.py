"""A running part of the stack, as stack.json keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from connectors.local.processes import Mark


def nobody(_marked: Mark) -> None:
    """Is told of no birth."""


By = Literal["address", "docker", "jars", "chdb", "program"]


class Listener(NamedTuple):
    """One more door of a Kafka: it listens at `port` and sends its clients to `advertised`, which may be a proxy's."""

    port: int
    advertised: int


class Wish(NamedTuple):
    """How a part is to be started.

    `port`: None for any free one. `use_docker`: where an engine answers. `bound_to_parent`: it ends when this process
    does. `born`: called as soon as a process exists, long before it is ready. `environment`: added to a process's own.
    `listeners`: more doors of a Kafka from its jars. `properties`: of its server.properties, over what stands there.
    """

    port: int | None = None
    use_docker: bool = True
    bound_to_parent: bool = False
    born: Callable[[Mark], None] = nobody
    environment: Mapping[str, str] = MappingProxyType({})
    listeners: tuple[Listener, ...] = ()
    properties: Mapping[str, str] = MappingProxyType({})


class Service(NamedTuple):
    """Where a part answers, what runs it, and how to end it: a process or a container; neither for an address given."""

    address: str
    by: By
    pid: int | None = None
    started: float | None = None
    container: str | None = None

    @property
    def marked(self) -> Mark | None:
        """Its process, if it is one."""
        return None if self.pid is None or self.started is None else Mark(self.pid, self.started)

    def entry(self, key: str) -> dict[str, Any]:
        """As stack.json has it; the address is called `key` there."""
        entry = {
            key: self.address,
            "by": self.by,
            "pid": self.pid,
            "started": self.started,
            "container": self.container,
        }
        return {name: value for name, value in entry.items() if value is not None}

    @classmethod
    def of(cls, entry: dict[str, Any], key: str) -> Service:
        """The reverse of `entry`.

        Raises:
            KeyError: it has no address.
        """
        return cls(entry[key], entry["by"], entry.get("pid"), entry.get("started"), entry.get("container"))
