"""The OpenAPI 3.1 document of the collector, with every status that a place may answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from connectors.collect.answers import STATUSES, TRY_AGAIN, TRY_AGAIN_STATUS, WORDS, Outcome
from connectors.collect.bodies import TYPES
from connectors.collect.routes import DELIVERIES, Place
from connectors.collect.vendors import VENDORS

_OBJECT = {"type": "object"}
_ID = {"type": "string", "minLength": 1, "pattern": r"^[^/?#\s]+$"}
_PROBLEM = {
    "type": "object",
    "required": ["title", "status"],
    "properties": {"title": {"type": "string"}, "status": {"type": "integer"}},
}
_REJECTED = {
    "type": "object",
    "required": ["index", "reason", "detail"],
    "properties": {
        "index": {"type": "integer", "minimum": 0},
        "reason": {"type": "string"},
        "detail": {"type": "string"},
    },
}
_WHAT = {
    Place.HOOK: "Take a vendor's delivery; its credential stands in headers.",
    Place.HOOK_WITH_SECRET: "The same for senders that can give no header: the credential stands in the path.",
    Place.EVENTS: "Take canonical events: a JSON object or list, JSON lines, or CloudEvents. The credential names "
    "the endpoint.",
    Place.OPENAPI: "This document.",
    Place.HEALTH: "Whether the process answers.",
    Place.READY: "Whether Kafka answers, so that deliveries can be taken.",
}
_PARAMETERS = {
    "endpoint": "Id of an endpoint, as `tally endpoints new` printed it.",
    "secret": "Secret of a key of kind path.",
}
_RETRY_AFTER = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}


def document() -> dict[str, Any]:
    """The document as JSON has it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tally collect",
            "version": "1",
            "description": "Success is answered once Kafka has acknowledged everything of a delivery. To try again is "
            "always safe: what was taken before is recognised.",
        },
        "paths": {str(place): {_method(place): _complete(place)} for place in Place if place is not Place.NONE},
        "components": {
            "schemas": {"Problem": _PROBLEM, "Rejected": _REJECTED},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _method(place: Place) -> str:
    return place.methods[0].lower()


def _complete(place: Place) -> dict[str, Any]:
    operation = _operation(place)
    operation["operationId"] = place.name.lower()
    operation["responses"]["400"] = {"description": "This is no HTTP request that can be read."}
    return operation


def _operation(place: Place) -> dict[str, Any]:
    if place not in DELIVERIES:
        found: dict[str, Any] = {"summary": _WHAT[place], "responses": {"200": _answer("As it is.", _OBJECT)}}
        if place is Place.READY:
            found["responses"]["503"] = _answer("Kafka does not answer.", _OBJECT)
        return found
    operation: dict[str, Any] = {
        "summary": _WHAT[place],
        "requestBody": {"required": False, "content": {media: {"schema": {}} for media in sorted(TYPES - {""})}},
        "responses": {"200": _answer("Everything is kept.", _success(place)), **_failures(place)},
    }
    names = [part[1:-1] for part in place.split("/") if part.startswith("{")]
    if names:
        operation["parameters"] = [_parameter(name) for name in names]
    if place is Place.EVENTS:
        operation["security"] = [{"bearer": []}, {"basic": []}]
    return operation


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _ID, "description": _PARAMETERS[name]}


def _success(place: Place) -> dict[str, Any]:
    rejected: dict[str, Any] = {"type": "integer", "minimum": 0}
    if place is Place.EVENTS:
        rejected = {"type": "array", "items": {"$ref": "#/components/schemas/Rejected"}}
    return {
        "type": "object",
        "required": ["accepted", "rejected"],
        "properties": {
            "accepted": {"type": "integer", "minimum": 0},
            "rejected": rejected,
            "rejected_not_shown": {"type": "integer", "minimum": 1},
        },
    }


def _failures(place: Place) -> dict[str, Any]:
    own = [Outcome.UNAUTHORIZED, Outcome.REPLAYED, Outcome.TOO_LARGE, Outcome.NO_DELIVERY]
    if place is not Place.EVENTS:  # parts of a path that are empty, or hold a slash, are another place
        own.append(Outcome.NO_PLACE)
    problem = {"$ref": "#/components/schemas/Problem"}
    found = {str(STATUSES[one]): _answer(WORDS[one], problem, "application/problem+json") for one in own}
    for status in sorted(_try_again(place)):
        found[str(status)] = _answer(_words(TRY_AGAIN), problem, "application/problem+json")
        found[str(status)]["headers"] = {"Retry-After": _RETRY_AFTER}
    return found


def _try_again(place: Place) -> set[int]:
    if place is Place.EVENTS:
        return {TRY_AGAIN_STATUS}
    return {TRY_AGAIN_STATUS, *(vendor.try_again for vendor in VENDORS.values())}


def _words(outcomes: Iterable[Outcome]) -> str:
    return " ".join(f"{WORDS[one]}." for one in outcomes)


def _answer(what: str, schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    return {"description": what, "content": {media: {"schema": schema}}}


DOCUMENT = document()
