"""What the tests of the oracle's contact sheets share: events of one person, and their sheets."""

from __future__ import annotations

from typing import Any

from tests.events import NOON_US, Event, event
from tests.oracle.contacts import Contact, contacts
from tests.oracle.persons import is_operation, persons

HOUR = 3_600_000_000


def told(*events: Event) -> list[dict[str, Any]]:
    """The events an hour after one another, unless they say when; ranks in the order given."""
    at = [NOON_US + n * HOUR if one["occurred_at"] == NOON_US else one["occurred_at"] for n, one in enumerate(events)]
    return [one | {"occurred_at": when, "rank": n} for n, (one, when) in enumerate(zip(events, at, strict=True))]


def sheets(*events: Event) -> dict[tuple[str, str], Contact]:
    history = told(*events)
    who = persons([one for one in history if is_operation(one)])
    return contacts(history, list(range(len(history))), who)


def sheet(*events: Event) -> Contact:
    """The sheet of person p."""
    return sheets(*events)["acme", "p"]


def of(type_name: str, profile: str | None = "p", **properties: str) -> Event:
    return event(type_name, profile_id=profile, properties=properties)


def each(channel: str, *verbs: str) -> list[Event]:
    return [of(f"{channel}_{verb}") for verb in verbs]


def says(profile: str = "p", kind: str = "profile_updated", **attributes: str) -> Event:
    return event(kind, profile_id=profile, attributes=attributes)
