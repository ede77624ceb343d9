"""What a vendor's translation takes and gives. Pure: no clock, no network, no settings.

An item, one JSON object of a delivery, becomes exactly one event or one refusal: nothing is dropped, nothing doubled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from connectors.collect.endpoint import Endpoint
from pipeline.core.reasons import Reject

ID_BYTES = 16  # of a minted event id: 128 bits
DETAIL_CHARACTERS_MAX = 500  # of a refusal's words


_CANONICAL = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


class Event(NamedTuple):
    """A canonical event: the fields of SEMANTICS section 9 with Avro's values (times UTC microseconds).

    `account_id` and `source` are set by the caller, from the endpoint, whatever the item says.
    """

    fields: dict[str, Any]


class Refusal(NamedTuple):
    """Why an item is no event. The words name the field and how to mend it, never a contact's address or name."""

    reason: Reject
    detail: str


Translate = Callable[[Mapping[str, Any], Endpoint], Event | Refusal]
# A delivery's parsed JSON to its items, or None where it is no delivery of this vendor's at all.
Items = Callable[[Any], list[Any] | None]
# A row of an exported file, by its column names, to the item that the same event is in a delivery.
Row = Callable[[Mapping[str, str], Endpoint], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Vendor:
    """All that tells one vendor from another. `success` and `try_again` are the statuses that it understands."""

    name: str
    items: Items
    translate: Translate
    row: Row
    success: int = 200
    try_again: int = 503  # with Retry-After: the collector is full, or Kafka away
    delimiters: str = ",;\t"  # of its exported files


def minted(*parts: object) -> str:
    """A deterministic event id: 128 bits, hexadecimal, of the parts as canonical JSON."""
    text = _CANONICAL.encode(parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).hexdigest()


def text(value: object) -> str:
    """A JSON value as a property's text: texts as they are, all else as canonical JSON."""
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else _CANONICAL.encode(value)
