"""Which place of the collector a request means, by its path. Pure.

A path's secret is in the route alone: nothing prints it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

PREFIX = "/v1/"
OWN = "own"  # the vendor of canonical events
_HOOKS = "hooks"


class Place(StrEnum):
    """A place, named as access lines and the OpenAPI document have it."""

    HOOK = "/v1/hooks/{endpoint}"
    HOOK_WITH_SECRET = "/v1/hooks/{endpoint}/{secret}"
    EVENTS = "/v1/events"
    OPENAPI = "/openapi.json"
    HEALTH = "/health"
    READY = "/ready"
    NONE = "none"

    @property
    def methods(self) -> tuple[str, ...]:
        """What it answers to."""
        return ("POST",) if self in DELIVERIES else ("GET", "HEAD")


DELIVERIES = frozenset({Place.HOOK, Place.HOOK_WITH_SECRET, Place.EVENTS})
_PLAIN = {str(place): place for place in (Place.EVENTS, Place.OPENAPI, Place.HEALTH, Place.READY)}


class Route(NamedTuple):
    """Where a request goes. `endpoint` and `secret` are as the path has them, still to be judged."""

    place: Place
    endpoint: str = ""
    secret: str | None = None

    def __repr__(self) -> str:
        return f"Route({self.place})"


def find(path: str) -> Route:
    """The route of a decoded path without its query."""
    plain = _PLAIN.get(path)
    if plain is not None:
        return Route(plain)
    parts = path.removeprefix(PREFIX).split("/") if path.startswith(PREFIX) else []
    if len(parts) not in (2, 3) or parts[0] != _HOOKS or not all(parts):
        return Route(Place.NONE)
    if len(parts) == 2:
        return Route(Place.HOOK, parts[1])
    return Route(Place.HOOK_WITH_SECRET, parts[1], parts[2])
