"""The body of a request with canonical events to its items, by its content type and headers: pure.

JSON holds one event or a list of them; JSON lines one a line, a broken one is refused by itself. CloudEvents come
structured, batched, or with their envelope in the headers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connectors.collect.own import cloudevents
from connectors.collect.own.rows import items, row, translate
from connectors.collect.rows import ITEMS_MAX, Delivery, delivery
from connectors.collect.translation import Refusal, Vendor
from pipeline.core.reasons import Reject

OWN = Vendor("own", items, translate, row)
_DATA = Vendor("own", lambda document: [document], translate, row)
_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})


def items_of(content_type: str, headers: Mapping[str, str], body: bytes) -> Delivery | Refusal:
    """The items of a request's body; an item that is no JSON is a refusal in its place."""
    media = content_type.partition(";")[0].strip().lower()
    if media in _LINES:
        return _lines(body)
    found = delivery(body, OWN)
    if media in cloudevents.TYPES:
        return found if isinstance(found, Refusal) else found._replace(values=[_event(one) for one in found.values])
    if cloudevents.is_binary(headers):
        return _of_headers(headers, body)
    return _lines(body) if isinstance(found, Refusal) and _are_lines(body) else found


def _lines(body: bytes) -> Delivery | Refusal:
    """A line with a list has several items, as a body has."""
    values: list[Any] = []
    raws: list[bytes] = []
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        found = delivery(line, OWN)
        if isinstance(found, Refusal):
            values.append(found)
            raws.append(line)
        else:
            values += found.values
            raws += [found.raw(n) for n in range(len(found.values))]
        if len(values) > ITEMS_MAX:
            return Refusal(Reject.OVERSIZED, f"the delivery has more than {ITEMS_MAX} items")
    return Delivery(values, raws.__getitem__)


def _are_lines(body: bytes) -> bool:
    """Whether a body that is no JSON has a first line that is: then it is JSON lines, whatever its type says."""
    first, _, rest = body.strip().partition(b"\n")
    return bool(rest.strip()) and not isinstance(delivery(first, OWN), Refusal)


def _of_headers(headers: Mapping[str, str], body: bytes) -> Delivery | Refusal:
    """One event, whose refusal keeps the envelope with the data."""
    data: Any = None
    if body.strip():
        found = delivery(body, _DATA)
        if isinstance(found, Refusal):
            return found
        data = found.values[0]
    event = cloudevents.structured(headers, data)
    return Delivery([event], lambda _: json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _event(item: Any) -> Any:
    """An item of what calls itself CloudEvents, and must be one."""
    if isinstance(item, dict) and cloudevents.MARK not in item:
        return Refusal(Reject.MISSING_FIELD, f"{cloudevents.MARK} is missing: a CloudEvent needs it")
    return item
