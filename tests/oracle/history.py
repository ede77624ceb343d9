"""What the oracle is told: every event that reached one partition, in the order of arrival.

An event is a dict with the fields of SEMANTICS section 9, times as UTC microseconds, and beside them:
`topic`, `offset`, `arrived_at` (UTC microseconds), `body` (its Avro bytes), `rank` (the number that breaks ties
between identities). Bytes that are no event are {"topic", "offset", "arrived_at", "unreadable": reason}.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

DAY = 86_400_000_000
MINUTE = 60_000_000

Event = dict[str, Any]
Identity = tuple[str, str, str]

# Not said by the source, or not part of what it says.
_BESIDE = ("event_id", "topic", "offset", "arrived_at", "body", "rank")


class Rules(NamedTuple):
    """The numbers that SEMANTICS names in sections 3 to 5."""

    window_days: int = 7
    future_minutes_max: int = 5
    unique_days: int = 90
    person_profiles_max: int = 50


def identity(event: Event) -> Identity:
    """Section 2: (account, source, event id), the id minted from what the payload says where there is none."""
    own = event["event_id"]
    if not own:
        said = {name: value for name, value in event.items() if value and name not in _BESIDE}
        own = "minted:" + json.dumps(said, sort_keys=True)
    return event["account_id"], event["source"], own


def when(event: Event) -> tuple[int, int]:
    """What 'earlier' and 'later' compare: (occurred_at, identity)."""
    return event["occurred_at"], event["rank"]


def stream_times(events: list[Event]) -> list[int]:
    """Section 3: when each event arrives, the highest arrived_at so far."""
    found: list[int] = []
    for event in events:
        found.append(max(found[-1], event["arrived_at"]) if found else event["arrived_at"])
    return found
