"""CloudEvents 1.0 to canonical events: structured, batched, and binary (by headers). Pure.

An event's `data` holds the fields of a canonical event; id, type and time of the envelope stand for those that it
leaves out. Source and subject are kept as properties; extensions are not: some vary from delivery to delivery.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from connectors.collect.reading import Unfit
from pipeline.core.reasons import Reject

MARK = "specversion"  # only a CloudEvent has it
TYPES = frozenset({"application/cloudevents+json", "application/cloudevents-batch+json"})
TYPE_PREFIX = "tally."  # of `tally.email_opened`; the plain type does as well
_VERSION = "1.0"
_HEADER = "ce-"
_PREFIX = "cloudevents."  # of properties
_ALWAYS = ("id", "source", "type")  # and specversion
_STANDS_FOR = {"id": "event_id", "type": "type", "time": "occurred_at"}


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether the envelope is in the headers and the body is the data."""
    return any(name.lower() == _HEADER + MARK for name in headers)


def structured(headers: Mapping[str, str], data: Any) -> dict[str, Any]:
    """The event whose envelope was in the headers, as structured mode has it."""
    said = {name.lower().removeprefix(_HEADER): unquote(value) for name, value in headers.items() if _is_ours(name)}
    return {**said, "data": data}


def canonical(event: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical event that a CloudEvent carries, not yet checked.

    Raises:
        Unfit: no CloudEvent 1.0, or its data is no JSON object.
    """
    _check(event)
    data = event.get("data")
    if data is None and "data_base64" not in event:
        data = {}
    if not isinstance(data, Mapping):
        raise Unfit(Reject.IMPOSSIBLE_FIELD, "data must be a JSON object with the fields of an event")
    found = dict(data)
    for name, field in _STANDS_FOR.items():
        if found.get(field) in (None, "") and event.get(name) is not None:
            found[field] = event[name].removeprefix(TYPE_PREFIX) if name == "type" else event[name]
    properties = found.get("properties")
    if properties is None or isinstance(properties, Mapping):
        told = {f"{_PREFIX}{name}": event[name] for name in ("source", "subject") if event.get(name)}
        found["properties"] = {**told, **(properties or {})}
    return found


def _check(event: Mapping[str, Any]) -> None:
    version = event.get(MARK)
    if version != _VERSION:
        reason = Reject.MISSING_FIELD if version is None else Reject.IMPOSSIBLE_FIELD
        raise Unfit(reason, f"specversion must be {_VERSION!r}: other versions of CloudEvents are not known here")
    for name in (*_ALWAYS, "subject", "time"):
        value = event.get(name)
        if value is None and name in _ALWAYS:
            raise Unfit(Reject.MISSING_FIELD, f"{name} is missing: a CloudEvent needs it")
        if value is not None and (not isinstance(value, str) or not value):
            raise Unfit(Reject.IMPOSSIBLE_FIELD, f"{name} must be text that is not empty")


def _is_ours(name: str) -> bool:
    return name.lower().startswith(_HEADER)
