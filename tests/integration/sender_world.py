"""What senders to a collector share: deliveries, their answers, and what the topics have of them."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.integration.collect_world import Collecting, Door, World

KNOWN_SECONDS = 1.1  # a collector looks at the endpoints' file every second
BODY_BYTES_MAX = 100_000
SMALL = {"TALLY_COLLECT__BODY_BYTES_MAX": str(BODY_BYTES_MAX), "TALLY_COLLECT__DELIVERY_SECONDS": "3"}


class Answer(NamedTuple):
    """What a sender got."""

    status: int
    headers: Mapping[str, str]
    body: Any


def event(number: int) -> dict[str, Any]:
    """A canonical event of its own person."""
    return {
        "type": "email_opened",
        "occurred_at": "2026-11-21T10:00:00Z",
        "event_id": f"e{number}",
        "profile_id": f"p{number}",
    }


def ask(
    collector: Collecting, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, **how: Any
) -> Answer:
    """One request over a connection of its own; POST where there is a body."""
    place = urlsplit(collector.address)
    made = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    with closing(made(place.hostname or "", place.port, timeout=30, **how)) as connection:
        connection.request("GET" if body is None else "POST", path, body, dict(headers or {}))
        answer = connection.getresponse()
        content = answer.read()
        is_json = (answer.headers["Content-Type"] or "").endswith("json")
        return Answer(answer.status, answer.headers, json.loads(content) if is_json and content else content)


def post(collector: Collecting, door: Door, body: object, **headers: str) -> Answer:
    """A delivery with the endpoint's key; bytes go as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(collector, door.path, content, {"Content-Type": "application/json", **door.headers, **headers})


def kept(world: World, door: Door) -> list[Any]:
    """What the topics have of an endpoint's account."""
    return [one for one in world.kept() if one.key == door.endpoint.account]


def new_door(world: World, vendor: str = "own", kind: Any = "bearer") -> Door:
    """An endpoint with an account of its own, known to the collectors that run."""
    door = world.door(vendor, kind, account=f"a{time.monotonic_ns()}")
    time.sleep(KNOWN_SECONDS)
    return door
