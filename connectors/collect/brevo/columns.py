"""A row of an exported file to the payload that the same event is in a webhook: pure.

The vendor documents no columns of its exports. Read here, by inference: the webhook's own field names, compared without
case, space, `-` and `_`; any other column is placed by the endpoint's `fields`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.collect.endpoint import Endpoint

_APART = re.compile(r"[\s_-]+")
_FIELDS = frozenset(
    {"event", "email", "message-id", "camp_id", "campaign name", "subject", "reason", "link", "URL", "tag", "tags"}
    | {"template_id", "contact_id", "sending_ip", "sender_email", "X-Mailin-custom", "date", "date_event", "date_sent"}
    | {"ts", "ts_event", "ts_epoch", "ts_sent", "msg_status", "reference", "to", "type", "segment_ids"}
    | {"mirror_link", "user_agent", "device_used"}
)
_NAMES = {_APART.sub("", name).casefold(): name for name in _FIELDS}
_NAMES["campaignid"] = "camp_id"
_STATUS = "msg_status"


def row(cells: Mapping[str, str], endpoint: Endpoint) -> Mapping[str, Any]:
    """The payload of a row. An empty cell says nothing; a column that the endpoint's `fields` name keeps its name."""
    named = {place.removeprefix("/") for place in endpoint.fields.values()}
    item: dict[str, Any] = {}
    for column, cell in cells.items():
        if cell and cell.strip():
            item[column if column in named else _field(column)] = cell.strip()
    if _STATUS in item and "message-id" in item:  # an SMS spells it otherwise, and without the hyphen
        item["messageId"] = item.pop("message-id")
    return item


def _field(column: str) -> str:
    return _NAMES.get(_APART.sub("", column).casefold(), column.strip())
