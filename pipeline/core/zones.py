"""Time zones by their IANA names, from the package tzdata alone, on whatever host.

In:   a name.  Out: the zone, or that there is none of that name.
The host's own files are not asked: they have names that mean something else on each host (`localtime`, `posixrules`)
or other clocks (`right/...`), and are of another year than the next host's. A worker must cut cycles as any other does.
"""

from __future__ import annotations

import functools
from importlib import resources
from zoneinfo import ZoneInfo

_NOBODYS = frozenset({"Factory"})  # what a machine has whose zone was never set


@functools.cache
def names() -> frozenset[str]:
    """Every name."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    return frozenset(listed) - _NOBODYS


@functools.lru_cache(1024)
def zone(name: str) -> ZoneInfo:
    """The zone of a name.

    Raises:
        KeyError: there is none.
    """
    if name not in names():
        raise KeyError(name)
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
