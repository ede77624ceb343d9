"""The JSON to paste into a tool whose webhooks an account writes itself: pure.

Placeholders `<...>` say what to put in their place; one that stays is refused when it arrives, never taken as a value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from connectors.collect.endpoint import Endpoint
from connectors.collect.pointers import ABSENT, at


class Part(NamedTuple):
    """A role, the place where the vendor's translation looks for it, and what stands there until a value does."""

    role: str
    place: str
    value: str


def body(parts: Iterable[Part], endpoint: Endpoint) -> str:
    """JSON with every part, at the place that the endpoint's fields name where they do."""
    document: dict[str, Any] = {}
    parts = list(parts)
    for role, place, value in parts:
        _put(document, endpoint.fields.get(role, place), value)
    for role, place in sorted(endpoint.fields.items()):
        if at(document, place) is ABSENT:
            _put(document, place, f"<{role}>")
    return json.dumps(document, indent=2, ensure_ascii=False)


def _put(document: dict[str, Any], place: str, value: str) -> None:
    steps = (
        [step.replace("~1", "/").replace("~0", "~") for step in place[1:].split("/")] if place[0] == "/" else [place]
    )
    for step in steps[:-1]:
        inner = document.get(step)
        document[step] = inner = inner if isinstance(inner, dict) else {}
        document = inner
    document[steps[-1]] = value
