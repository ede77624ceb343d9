"""Rows of Connectif's Activities export (CSV) to the items that `rows` translates: pure.

The export's headers stand on no page but a few: an endpoint's fields name the columns. A row keeps what is known not
to change from one export to the next; names, tags and attribution are left out: a later export may say them otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.collect.connectif import keys, rows
from connectors.collect.endpoint import Endpoint
from connectors.collect.translation import Refusal, minted

# By role: headers in plain spelling. `Content ID`, `Workflow ID`, `Previous contact ID`, `Origin` and `Email` stand on
# Connectif's pages, the others are guesses that an endpoint's fields overrule.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "event": ("event", "activity_type", "type"),
    "occurred_at": ("occurred_at", "date", "activity_date"),
    "event_id": ("event_id", "activity_id"),
    "contact_id": ("contact_id",),
    "external_id": ("external_id",),
    "email": ("email",),
    "content_id": ("content_id",),
    "workflow_id": ("workflow_id",),
    "previous_contact_id": ("previous_contact_id",),
    "order_id": ("order_id", "purchase_id"),
    "product_id": ("product_id",),
    "link": ("link",),
    "segment": ("segment", "segment_id"),
    "origin": ("origin",),
}
# What tells two activities of one contact, type and date apart.
_OF_IDENTITY = (
    *("message_id", "content_id", "campaign_id", "workflow_id", "order_id", "product_id"),
    *("link", "segment", "sources", "previous_contact_id"),
)
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


def row(columns: Mapping[str, str], endpoint: Endpoint) -> Mapping[str, Any]:
    """The item of a row, its id minted from activity type, contact, date, content, workflow, order and product."""
    by_header = {_plain(header): value for header, value in columns.items() if value and value.strip()}
    item: dict[str, Any] = {}
    for role, headers in _COLUMNS.items():
        found = next((by_header[header] for header in headers if header in by_header), None)
        if found is not None:
            item[role] = found
    for role, header in endpoint.fields.items():
        if value := columns.get(header) or by_header.get(_plain(header)):
            item[role] = value
    if "event" not in item and endpoint.event is None:
        item["event"] = keys.NO_TYPE
    if "event_id" not in item:
        _mint(item, endpoint)
    return item


def _mint(item: dict[str, Any], endpoint: Endpoint) -> None:
    """Adds the id, unless the row is no event: then `translate` says why."""
    found = rows.translate(item, endpoint)
    if isinstance(found, Refusal):
        return
    said = found.fields
    told = [item.get(name) for name in _OF_IDENTITY]
    activity = said["vendor_type"] or said["type"]
    item["event_id"] = minted(keys.VENDOR, "activity", activity, said["profile_id"], said["occurred_at"], told)


def _plain(header: str) -> str:
    return _NOT_PLAIN.sub("_", header.strip().lower()).strip("_")
