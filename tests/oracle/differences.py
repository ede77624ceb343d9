"""Why a vendor's uniques are not ours: one look at every unique, with all events that speak of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

from tests.oracle.history import Event
from tests.oracle.persons import Profile
from tests.oracle.uniques import Key, Unique, keys
from tests.oracle.vocabulary import TYPES

EVIDENCE_ONLY = ("raw_missing", "machine")


class Class(NamedTuple):
    """What a number is about: `kind` is open or click."""

    account_id: str
    campaign_id: str
    channel: str
    kind: str
    name: str


class Touches(NamedTuple):
    """Places of the events that speak of one person's unique: raw ones, machines', the vendor's."""

    raw: list[int]
    machine: list[int]
    vendor: list[int]


def differences(
    events: list[Event], accepted: list[int], persons: dict[Profile, str], firsts: set[Unique]
) -> tuple[Counter[Class], Counter[Class]]:
    """By class the signed part of the difference, and how many uniques it is about.

    `firsts`: the events that count, as the verdict has them. Uniques that were forgotten in between are `other`.
    """
    signed, about = Counter[Class](), Counter[Class]()
    for n in accepted:
        if _is_vendor(events[n]) and not events[n]["is_test"] and not _compared(events[n]):
            signed[_class(events[n], "incomplete")] -= 1
    for key, touches in _touches(events, accepted, persons).items():
        held = [n for n in touches.raw + touches.vendor if (n, key[3]) in firsts]
        _judge(events, touches, held, signed, about)
    for name, n in signed.items():
        about[name] += abs(n)
    return signed, about


def _judge(
    events: list[Event], touches: Touches, held: list[int], signed: Counter[Class], about: Counter[Class]
) -> None:
    """One person's unique. `held`: the events that count it, one unless it was forgotten in between."""
    reports = sorted(touches.vendor, key=lambda n: _when(events[n]))
    if not reports and not touches.raw:
        return
    told: list[str] = []
    for n in reports:
        profile = events[n]["profile_id"]
        if profile in told:
            signed[_class(events[n], "repeated")] -= 1
        elif told:
            signed[_class(events[n], "merged")] -= 1
        told.append(profile)
    if not reports:
        place = min(touches.raw, key=lambda n: _when(events[n]))
        signed[_class(events[place], "unreported")] += 1
    else:
        place = reports[0]
        if not touches.raw:
            about[_class(events[place], "machine" if touches.machine else "raw_missing")] += 1
    signed[_class(events[place], "other_campaign")] -= 1
    first, *again = sorted(held, key=lambda n: (_is_vendor(events[n]), events[n]["occurred_at"]))
    signed[_class(events[first], "other_campaign")] += 1
    for n in again:
        signed[_class(events[n], "other")] += 1


def _touches(events: list[Event], accepted: list[int], persons: dict[Profile, str]) -> dict[Key, Touches]:
    found: dict[Key, Touches] = defaultdict(lambda: Touches([], [], []))
    for n in accepted:
        event = events[n]
        verb = TYPES[event["type"]].verb
        as_raw = event | {"type": "email_opened"} if verb == "proxy_opened" else event
        for key in _compared(as_raw):
            person = persons.get((event["account_id"], event["profile_id"]), event["profile_id"])
            touches = found[(*key, person)]
            side = touches.machine if verb == "proxy_opened" else touches.vendor if _is_vendor(event) else touches.raw
            side.append(n)
    return found


def _compared(event: Event) -> list[Key]:
    """The uniques that it speaks of and that a vendor counts: opens; clicks by link, on viber by message."""
    of_clicks = "unique_click" if TYPES[event["type"]].channel == "viber" else "unique_link_click"
    return [key for key in keys(event) if key[3] in ("unique_open", of_clicks)]


def _is_vendor(event: Event) -> bool:
    return TYPES[event["type"]].verb.startswith("unique_")


def _when(event: Event) -> tuple[int, str, str]:
    """Of several at one instant the first by name: which of them it was, no rule of section 4 asks."""
    return event["occurred_at"], event["campaign_id"] or "", event["profile_id"]


def _class(event: Event, name: str) -> Class:
    kind = TYPES[event["type"]]
    about = "click" if kind.verb.endswith("clicked") else "open"
    return Class(event["account_id"], event["campaign_id"] or "", kind.channel, about, name)
