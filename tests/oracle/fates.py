"""The fate of every event: sections 2, 3, 5 and 8."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tests.oracle.history import DAY, MINUTE, Event, Identity, Rules, identity, stream_times
from tests.oracle.persons import is_operation, sizes
from tests.oracle.vocabulary import TYPES
from tests.oracle.zones import ZONES

REFUSED = "account_delivery_refused"
COLLECTORS = ("undecodable", "oversized", "unknown_type", "missing_field", "impossible_field", "nobody")
COLLECTORS += ("merge_with_itself", "profile_named_twice")
NOBODY = ("", "null", "none", "undefined", "anonymous", "guest", "0", "-1", "[object object]")


class Fate(NamedTuple):
    """`accepted`, `duplicate` or `rejected`; the reason of a reject."""

    word: str
    reason: str = ""


ACCEPTED, DUPLICATE = Fate("accepted"), Fate("duplicate")


def fates(events: list[Event], rules: Rules) -> list[Fate]:
    """One for each event, in the order of arrival."""
    found: list[Fate] = []
    remembered: dict[Identity, tuple[int, Event]] = {}  # the day of the stream that the first copy arrived on, and it
    operations: list[Event] = []
    for event, now in zip(events, stream_times(events), strict=True):
        reason = event.get("unreadable") or invalid(event) or _untimely(event, now, rules)
        if reason:
            found.append(Fate("rejected", reason))
            continue
        first = remembered.get(identity(event))
        if first and now // DAY - first[0] <= rules.window_days + 1:
            is_copy = first[1]["body"] == event["body"]
            found.append(DUPLICATE if is_copy else Fate("rejected", "conflicting_duplicate"))
            continue
        remembered[identity(event)] = now // DAY, event
        if is_operation(event) and max(sizes([*operations, event])) > rules.person_profiles_max:
            found.append(Fate("rejected", "too_many_profiles"))
            continue
        operations += [event] if is_operation(event) else []
        found.append(ACCEPTED)
    return found


def _untimely(event: Event, now: int, rules: Rules) -> str:
    """Section 3; `now` is the stream's time."""
    if event["occurred_at"] < now - rules.window_days * DAY:
        return "too_late"
    if event["occurred_at"] > event["arrived_at"] + rules.future_minutes_max * MINUTE:
        return "in_the_future"
    return ""


def is_refusal(event: Event) -> bool:
    """Whether it tells of a delivery that a collector could not translate."""
    if event.get("type") != REFUSED or not event["properties"].keys() >= {"reason", "detail", "raw", "size"}:
        return False
    return event["properties"]["reason"] in COLLECTORS


def invalid(event: Event) -> str:
    """Why an event is invalid in itself; empty where it is not. What a collector refused is so for its reason."""
    if is_refusal(event):
        return str(event["properties"]["reason"])
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
        and plan["time_zone"] in ZONES
        and all(0 < threshold < float("inf") for threshold in plan["thresholds"])
        and all(name in TYPES for name in plan["activities"] or [])
    )
    return "" if possible else "impossible_field"
