"""A row of an exported file to the message that the same event is in a hook: pure.

The vendor documents no columns, only that history comes in the hook's own format. Read here, by inference: the hook's
names, what is inside an object with a dot (`event_data.campaign_id`) or, for its documented fields, without.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connectors.collect.endpoint import Endpoint

NULL = "null"
# Documented fields of `event_data`, told from the first level's by their names alone.
EVENT_DATA = frozenset(
    {"message_id", "campaign_id", "segment_id", "resource_id", "ip", "country", "city", "postal_code", "region", "tz"}
    | {"lat", "lon", "user_agent", "os", "browser", "device", "link_url", "launch_id", "send_message_id", "extra_uid"}
)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_NESTED = ("{", "[")  # how a cell begins that holds an object or a list


def row(cells: Mapping[str, str], endpoint: Endpoint) -> Mapping[str, Any]:
    """The message of a row. An empty cell says nothing, but for `profile_id`: there it is a deleted profile's null."""
    item: dict[str, Any] = {}
    for column, cell in cells.items():
        path = column.strip().split(".")
        if path[0] in EVENT_DATA and len(path) == 1:
            path = ["event_data", *path]
        if cell == "" and path != ["profile_id"]:
            continue
        _put(item, path, _value(path, cell))
    return item


def _value(path: list[str], cell: str) -> Any:
    if cell in ("", NULL):
        return None
    if path == ["is_test"]:
        return _BOOLEANS.get(cell.lower(), cell)
    if cell.startswith(_NESTED):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _put(item: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value at a path; what stands in the way as no object is told by its own column."""
    *outer, last = path
    for name in outer:
        inside = item.setdefault(name, {})
        if not isinstance(inside, dict):
            return
        item = inside
    if isinstance(value, dict) and isinstance(item.get(last), dict):
        value = value | item[last]
    item[last] = value
