"""Ports that stay ours while nobody listens there.

A server that is down for a while must find its port free again. Ports of the system's ephemeral range do not stay
free: any outgoing connection may take one, and a client that keeps trying may even connect to itself.
"""

from __future__ import annotations

import random
from pathlib import Path

from connectors.local.ports import is_free

_LOWEST = 10_000  # below are well-known services
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL = 32_768  # where the ephemeral range begins by default: on systems that do not say
_ATTEMPTS_MAX = 1_000  # thousands of ports are free on any machine that can run this


def settled(count: int) -> list[int]:
    """So many different free ports below the ephemeral range.

    Raises:
        RuntimeError: none were found.
    """
    highest = int(_RANGE.read_text(encoding="ascii").split()[0]) if _RANGE.exists() else _EPHEMERAL
    chance = random.SystemRandom()  # two runs at once must not try the same ones
    found: set[int] = set()
    for _ in range(_ATTEMPTS_MAX):
        port = chance.randrange(_LOWEST, highest)
        if is_free(port):
            found.add(port)
        if len(found) == count:
            return sorted(found)
    raise RuntimeError(f"{count} free ports between {_LOWEST} and {highest} were not found; end what takes them")
