"""A vendor of the tests' own: items are flat objects with a canonical type, columns have the same names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.collect.endpoint import Endpoint
from connectors.collect.rows import Translator
from connectors.collect.translation import Event, Refusal, Vendor, minted
from connectors.files.rows import Reader
from connectors.producer.settings import schema_ids
from pipeline import rfc3339
from pipeline.core import vocabulary
from pipeline.core.reasons import Reject
from pipeline.settings import load

ENDPOINT = Endpoint("e1", "plain", "acme", "plain")


def _items(document: Any) -> list[Any] | None:
    if isinstance(document, list):
        return document
    return [document] if isinstance(document, dict) else None


def _translate(item: Mapping[str, Any], _endpoint: Endpoint) -> Event | Refusal:
    if not item.get("type"):
        return Refusal(Reject.MISSING_FIELD, "type is missing")
    try:
        occurred_at = rfc3339.parse(item["occurred_at"])
    except (KeyError, ValueError) as error:
        return Refusal(Reject.IMPOSSIBLE_FIELD, f"occurred_at: {error}")
    event_id = item.get("event_id") or minted(item)
    said = {"type": item["type"], "occurred_at": occurred_at, "event_id": event_id}
    return Event(said | {"profile_id": item.get("profile_id") or None})


PLAIN = Vendor("plain", _items, _translate, lambda columns, _endpoint: dict(columns))


def reader() -> Reader:
    """Rows of files to messages."""
    return Reader(Translator(vocabulary.load(), schema_ids(load({}, {}))), ENDPOINT, PLAIN)
