"""What events say about a contact: section 6, as docs/decisions/contact-state.md spells it out. Sets and loops.

Everything is said by accepted events that are no tests, about the person that a profile stands for today.
'Last' and 'later' compare pairs (occurred_at, identity).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from tests.oracle.history import Event, when
from tests.oracle.persons import Profile, is_operation, named
from tests.oracle.vocabulary import TYPES

Person = tuple[str, str]  # (account, person)

_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]+)?")
_TENTHOUSANDTH = Decimal("0.0001")
_SOFT_BOUNCES = 3  # so many make a contact bounced

_PUSH_ON = ("push_subscribed", "push_subscription_refreshed")
_MIGRATED = "push_subscription_migrated"
_EDITS = {"crm_cart_product_added": True, "crm_cart_product_removed": False}
_MOVES = {"profile_entered_segment": True, "profile_exited_segment": False}


class Contact(NamedTuple):
    """The sheet of one person. Times are UTC microseconds; None: nothing was said."""

    email: str
    first_name: str
    last_name: str
    date_of_birth: str
    mobile_phone: str
    email_status: str
    newsletter_status: str
    mobile_status: str
    sms_status: str
    web_push: bool
    points: Decimal | None
    points_updated_at: int | None
    purchases: int
    purchases_value: Decimal
    last_purchase_at: int | None
    cart: list[str]
    segments: list[str]
    first_seen: int | None
    last_seen: int | None
    last_active: int | None
    last_by_channel: dict[str, int]
    profiles: list[str]


def contacts(events: list[Event], accepted: list[int], persons: dict[Profile, str]) -> dict[Person, Contact]:
    """The sheet of every person; `persons` as of today, for the profiles that operations name."""
    said = [events[n] for n in accepted if not events[n]["is_test"]]
    profiles: dict[Person, list[str]] = defaultdict(list)
    for account, profile in sorted(_everybody(said)):
        profiles[account, persons.get((account, profile), profile)].append(profile)
    about: dict[Person, list[Event]] = defaultdict(list)
    lost: dict[Person, list[Event]] = defaultdict(list)
    for event in said:
        if event.get("profile_id"):
            about[_person(event["account_id"], event["profile_id"], persons)].append(event)
        loser = event["properties"].get("from_profile_id")
        if event["type"] == _MIGRATED and loser:
            lost[_person(event["account_id"], loser, persons)].append(event)
    return {who: _sheet(about[who], lost[who], profiles[who]) for who in profiles}


def activity(events: list[Event], accepted: list[int], persons: dict[Profile, str], who: Person) -> list[Event]:
    """The person's accepted events, tests included and marked (`is_test`), newest first."""
    theirs = [
        events[n]
        for n in accepted
        if events[n].get("profile_id") and _person(events[n]["account_id"], events[n]["profile_id"], persons) == who
    ]
    return sorted(theirs, key=when, reverse=True)


def number(text: str | None) -> Decimal | None:
    """A number in decimal text: a minus or none, at most 18 digits, and a point with digits or none."""
    if text is None or not _NUMBER.fullmatch(text):
        return None
    return Decimal(text).quantize(_TENTHOUSANDTH, ROUND_DOWN)


def _person(account: str, profile: str, persons: dict[Profile, str]) -> Person:
    return account, persons.get((account, profile), profile)


def _everybody(said: list[Event]) -> set[Profile]:
    """Every profile that an event, a merge or a split names."""
    found = {(event["account_id"], event["profile_id"]) for event in said if event.get("profile_id")}
    return found | {(event["account_id"], name) for event in said if is_operation(event) for name in named(event)}


def _sheet(said: list[Event], lost: list[Event], profiles: list[str]) -> Contact:
    purchases = _of(said, "crm_purchase")
    points = _points(said)
    return Contact(
        email=_attribute(said, "email"),
        first_name=_attribute(said, "first_name"),
        last_name=_attribute(said, "last_name"),
        date_of_birth=_attribute(said, "date_of_birth"),
        mobile_phone=_attribute(said, "mobile_phone"),
        email_status=_status(said, "email"),
        newsletter_status=_subscription(said, "email"),
        mobile_status=_status(said, "sms"),
        sms_status=_subscription(said, "sms"),
        web_push=_web_push(said, lost),
        points=points[0] if points else None,
        points_updated_at=points[1] if points else None,
        purchases=len(purchases),
        purchases_value=sum((number(e["properties"].get("value")) or Decimal(0) for e in purchases), Decimal(0)),
        last_purchase_at=_latest(purchases),
        cart=_cart(said),
        segments=_segments(said),
        first_seen=min((event["occurred_at"] for event in said), default=None),
        last_seen=_latest(said),
        last_active=_latest([event for event in said if TYPES[event["type"]].is_by_person]),
        last_by_channel=_last_by_channel(said),
        profiles=profiles,
    )


def _of(said: Iterable[Event], *types: str) -> list[Event]:
    return [event for event in said if event["type"] in types]


def _last(said: Iterable[Event]) -> Event | None:
    return max(said, key=when, default=None)


def _latest(said: Iterable[Event]) -> int | None:
    return max((event["occurred_at"] for event in said), default=None)


def _attribute(said: list[Event], key: str) -> str:
    last = _last(event for event in said if key in event.get("attributes", {}))
    value: str = last["attributes"][key] if last else ""
    return value


def _status(said: list[Event], channel: str) -> str:
    words = {"paused": "paused", "resumed": "", "blocked": "blocked", "unblocked": ""}
    last = _last(_of(said, *(f"{channel}_{word}" for word in words)))
    stopped = words[last["type"].partition("_")[2]] if last else ""
    if stopped:
        return stopped
    hard = sorted((when(event) for event in _of(said, f"{channel}_hard_bounced")), reverse=True)
    soft = sorted((when(event) for event in _of(said, f"{channel}_soft_bounced")), reverse=True)
    bounces = hard[:1] + soft[_SOFT_BOUNCES - 1 : _SOFT_BOUNCES]  # the third-latest, if there are three
    delivered = _last(_of(said, f"{channel}_delivered"))
    is_bounced = any(delivered is None or bounce > when(delivered) for bounce in bounces)
    return "bounced" if is_bounced else "active"


def _subscription(said: list[Event], channel: str) -> str:
    last = _last(_of(said, f"{channel}_subscribed", f"{channel}_unsubscribed"))
    word: str = last["type"].partition("_")[2] if last else "not_subscribed"
    return word


def _web_push(said: list[Event], lost: list[Event]) -> bool:
    """A subscription that moves between two profiles of one person stays the person's."""
    gained = [when(event) for event in _of(said, *_PUSH_ON, _MIGRATED)]
    gone = [when(event) for event in [*_of(said, "push_unsubscribed"), *lost]]
    return bool(gained) and max(gained) >= max(gone, default=max(gained))


def _points(said: list[Event]) -> tuple[Decimal, int] | None:
    found = []
    for event in said:
        text = event["attributes"].get("points") if "attributes" in event else None
        if event["type"].startswith("crm_"):
            text = event["properties"].get("points")
        value = number(text)
        if value is not None:
            found.append((when(event), value))
    if not found:
        return None
    (at, _), value = max(found)
    return value, at


def _cart(said: list[Event]) -> list[str]:
    statements = _of(said, "crm_purchase")
    statements += [event for event in _of(said, "crm_cart_updated") if "product_ids" in event["properties"]]
    stated = _last(statements)
    products: set[str] = set()
    if stated and stated["type"] == "crm_cart_updated":
        products = set(stated["properties"]["product_ids"].split(","))
    later = [event for event in _of(said, *_EDITS) if stated is None or when(event) > when(stated)]
    edits = _last_of_each(later, lambda event: event["properties"].get("product_id"))
    products -= edits.keys()
    products |= {product for product, event in edits.items() if _EDITS[event["type"]]}
    return sorted(products - {""})


def _segments(said: list[Event]) -> list[str]:
    moves = _last_of_each(_of(said, *_MOVES), lambda event: event["properties"].get("segment"))
    return sorted(segment for segment, event in moves.items() if _MOVES[event["type"]])


def _last_of_each(said: list[Event], name: Callable[[Event], str | None]) -> dict[str, Event]:
    """The last event of each name; an empty name says nothing."""
    found: dict[str, Event] = {}
    for event in sorted(said, key=when):
        key = name(event)
        if key:
            found[key] = event
    return found


def _last_by_channel(said: list[Event]) -> dict[str, int]:
    channels = {TYPES[event["type"]].channel for event in said} - {""}
    return {
        channel: max(event["occurred_at"] for event in said if TYPES[event["type"]].channel == channel)
        for channel in channels
    }
