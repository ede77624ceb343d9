"""The fate of every event: sections 2, 3, 5 and 8."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from zoneinfo import available_timezones

from tests.oracle.history import DAY, MINUTE, Event, Rules, identity, stream_day, stream_time
from tests.oracle.persons import is_operation, sizes
from tests.oracle.vocabulary import TYPES

NOBODY = ("", "null", "none", "undefined", "anonymous", "guest", "0", "-1", "[object object]")
_ZONES = available_timezones()


class Fate(NamedTuple):
    """`accepted`, `duplicate` or `rejected`; the reason of a reject."""

    word: str
    reason: str = ""


ACCEPTED, DUPLICATE = Fate("accepted"), Fate("duplicate")


def fates(events: list[Event], rules: Rules) -> list[Fate]:
    """One for each event, in the order of arrival."""
    found: list[Fate] = []
    for n in range(len(events)):
        found.append(_fate(events, n, found, rules))
    return found


def _fate(events: list[Event], n: int, before: list[Fate], rules: Rules) -> Fate:
    event = events[n]
    reason = event.get("unreadable") or invalid(event)
    if not reason and event["occurred_at"] < stream_time(events, n) - rules.window_days * DAY:
        reason = "too_late"
    if not reason and event["occurred_at"] > event["arrived_at"] + rules.future_minutes_max * MINUTE:
        reason = "in_the_future"
    if reason:
        return Fate("rejected", reason)
    for m in range(n - 1, -1, -1):
        if _is_remembered(events, m, n, before, rules) and identity(events[m]) == identity(event):
            return DUPLICATE if events[m]["body"] == event["body"] else Fate("rejected", "conflicting_duplicate")
    if is_operation(event):
        accepted = [events[m] for m in range(n) if before[m] == ACCEPTED and is_operation(events[m])]
        if max(sizes([*accepted, event])) > rules.person_profiles_max:
            return Fate("rejected", "too_many_profiles")
    return ACCEPTED


def _is_remembered(events: list[Event], m: int, n: int, before: list[Fate], rules: Rules) -> bool:
    """Section 3: for the whole acceptance window and one day more, by the stream's day."""
    if before[m] != ACCEPTED and before[m].reason != "too_many_profiles":
        return False
    return stream_day(events, n) - stream_day(events, m) <= rules.window_days + 1


def invalid(event: Event) -> str:
    """Why an event is invalid in itself; empty where it is not."""
    if event["type"] not in TYPES:
        return "unknown_type"
    if event["topic"] != TYPES[event["type"]].topic:
        return "wrong_topic"
    if not event["account_id"] or not event["source"]:
        return "missing_field"
    if _names_nobody([event.get("profile_id")]):
        return "nobody"
    checks = {"profile_merged": _merge, "profile_split": _split, "account_plan_set": _plan}
    return checks[event["type"]](event) if event["type"] in checks else ""


def _names_nobody(names: Iterable[str | None]) -> bool:
    return any(name is not None and name.strip().lower() in NOBODY for name in names)


def _merge(event: Event) -> str:
    if event["target"] is None or not event["sources"]:
        return "missing_field"
    if _names_nobody([event["target"], *event["sources"]]):
        return "nobody"
    return "merge_with_itself" if event["target"] in event["sources"] else ""


def _split(event: Event) -> str:
    if event["split_source"] is None or not event["parts"]:
        return "missing_field"
    named = [name for part in event["parts"] for name in (part["target"], *part["members"])]
    if _names_nobody([event["split_source"], *named]):
        return "nobody"
    return "profile_named_twice" if len(set(named)) < len(named) else ""


def _plan(event: Event) -> str:
    plan = event["plan"]
    if plan is None:
        return "missing_field"
    possible = (
        plan["allowance"] >= 1
        and 1 <= plan["anchor_day"] <= 31
        and plan["time_zone"] in _ZONES
        and all(0 < threshold < float("inf") for threshold in plan["thresholds"])
        and all(name in TYPES for name in plan["activities"] or [])
    )
    return "" if possible else "impossible_field"
