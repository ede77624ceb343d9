"""Which events are the first of their person: section 4, as sets over the whole history."""

from __future__ import annotations

from collections import defaultdict

from tests.oracle.history import DAY, Event, Rules, stream_times, when
from tests.oracle.persons import Profile
from tests.oracle.vocabulary import TYPES

Key = tuple[str, ...]  # what a fact is about: (account, channel, message, kind[, link])
Unique = tuple[int, str]  # (place in the history, kind)


def keys(event: Event) -> list[Key]:
    """What an event may be the first of."""
    kind = TYPES[event["type"]]
    if event["is_test"] or not kind.channel or not event["profile_id"]:
        return []
    message = event["message_id"] or event["campaign_id"]
    if not message:
        return []
    about = (event["account_id"], kind.channel, message)
    if kind.verb in ("opened", "unique_opened"):
        return [(*about, "unique_open")]
    if kind.verb not in ("clicked", "unique_clicked"):
        return []
    is_about_any_link = kind.channel == "viber" and kind.verb == "unique_clicked"
    if not event["link"] or is_about_any_link:
        return [(*about, "unique_click")]
    return [(*about, "unique_click"), (*about, "unique_link_click", event["link"])]


def rank(event: Event) -> tuple[bool, int, int]:
    """'Earliest': a raw event is before every vendor's unique one."""
    return (TYPES[event["type"]].verb.startswith("unique_"), *when(event))


def facts(events: list[Event], accepted: list[int], rules: Rules) -> dict[tuple[Profile, Key], list[int]]:
    """The events that hold each fact of each profile: one, and another where the former was forgotten by then."""
    held: dict[tuple[Profile, Key], list[int]] = defaultdict(list)
    times = stream_times(events)
    for n in accepted:
        limit = (times[n] // DAY - rules.unique_days) * DAY
        for key in keys(events[n]):
            holders = held[(events[n]["account_id"], events[n]["profile_id"]), key]
            if not holders or events[holders[-1]]["occurred_at"] < limit:
                holders.append(n)
            elif rank(events[n]) < rank(events[holders[-1]]):
                holders[-1] = n
    return held


def uniques(events: list[Event], accepted: list[int], persons: dict[Profile, str], rules: Rules) -> set[Unique]:
    """The events that count, each with what it is the first of."""
    of_person: dict[tuple[str, Key], list[int]] = defaultdict(list)
    found: set[Unique] = set()
    for (profile, key), holders in facts(events, accepted, rules).items():
        found |= {(n, kind_of(key)) for n in holders[:-1]}
        of_person[persons.get(profile, profile[1]), key].append(holders[-1])
    for (_, key), holders in of_person.items():
        found.add((min(holders, key=lambda n: rank(events[n])), kind_of(key)))
    return found


def kind_of(key: Key) -> str:
    """unique_open, unique_click or unique_link_click."""
    return key[3]


def has_forgotten(events: list[Event], accepted: list[int], rules: Rules) -> bool:
    """Whether any fact was forgotten: there, and only there, uniques of merged persons may depend on the order."""
    limit = (stream_times(events)[-1] // DAY - rules.unique_days) * DAY
    return any(events[n]["occurred_at"] < limit for n in accepted if keys(events[n]))
