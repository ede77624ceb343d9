"""Histories meet every situation that SEMANTICS speaks of: what never happens is proven by nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.fates import ACCEPTED
from tests.oracle.history import DAY, MINUTE, identity, stream_times, when
from tests.oracle.persons import is_operation, registers
from tests.oracle.uniques import facts, keys, rank
from tests.oracle.verdict import Verdict, judge
from tests.oracle.vocabulary import TYPES
from tests.property import running
from tests.property.cases import SHAPES, SMALL
from tests.property.histories import rolled

HISTORIES, SIZE = 160, 60  # of every shape, always the same ones
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Told = list[dict[str, Any]]


def of_fates(told: Told, verdict: Verdict) -> Iterator[str]:
    seen = set()
    for event, fate, now in zip(told, verdict.fates, stream_times(told), strict=True):
        yield f"{fate.word} {fate.reason}".strip()
        if "unreadable" in event:
            continue
        if fate == ACCEPTED and identity(event) in seen:
            yield "an identity that was forgotten comes again"
        seen |= {identity(event)} if fate == ACCEPTED else set()
        yield f"{fate.word}: {event['occurred_at'] - (now - SMALL.window_days * DAY)} us inside the window"
        early = event["occurred_at"] - event["arrived_at"] - SMALL.future_minutes_max * MINUTE
        yield f"{fate.word}: {early} us too early"
        if fate == ACCEPTED and event["is_test"]:
            yield f"a test of {event['topic']}"


def of_uniques(told: Told, verdict: Verdict) -> Iterator[str]:
    firsts = {n for n, _ in verdict.uniques}
    for n in verdict.accepted:
        kind = TYPES[told[n]["type"]]
        if kind.verb == "proxy_opened":
            yield "a machine's open"
        if kind.verb in ("opened", "clicked") and not told[n]["is_test"]:
            yield from _about(told[n])
        if kind.verb.startswith("unique_") and n in firsts:
            yield "a vendor's unique event is the first"
    of_key = defaultdict(list)
    for (profile, key), holders in facts(told, verdict.accepted, SMALL).items():
        who = verdict.persons.get(profile, profile[1])
        of_key[who, key].append(holders[-1])
        if len(holders) > 1:
            yield "a fact was forgotten and made again"
    if any(len(holders) > 1 for holders in of_key.values()):
        yield "two profiles of one person hold one fact"
    yield from _takeovers(told, verdict)


def _about(event: dict[str, Any]) -> Iterator[str]:
    if not event["profile_id"]:
        yield f"{event['type']} without a person"
    elif not event["message_id"] and not event["campaign_id"]:
        yield "neither message nor campaign"
    elif not event["message_id"]:
        yield "a campaign for a message"
    elif TYPES[event["type"]].verb == "clicked" and not event["link"]:
        yield "a click without a link"


def _takeovers(told: Told, verdict: Verdict) -> Iterator[str]:
    holder: dict[Any, int] = {}
    for n in verdict.accepted:
        for key in ((told[n]["profile_id"], *about) for about in keys(told[n])):
            former = told[holder[key]] if key in holder else None
            if former and rank(told[n]) < rank(former):
                yield "an earlier event arrives later"
                if when(told[n]) > when(former):
                    yield "a raw event takes over from an earlier vendor's unique one"
                if told[n]["occurred_at"] == former["occurred_at"]:
                    yield "two first events at one time"
            if not former or rank(told[n]) < rank(former):
                holder[key] = n


def of_people(told: Told, verdict: Verdict) -> Iterator[str]:
    known = registers([told[n] for n in verdict.accepted if is_operation(told[n])])
    accounts = defaultdict(set)
    for account, profile in known:
        accounts[profile].add(account)
        path = [profile]
        while (account, path[-1]) in known and known[account, path[-1]][0] not in path:
            path.append(known[account, path[-1]][0])
        if len(path) > 2:
            yield "a chain of merges"
        if (account, path[-1]) in known and known[account, path[-1]][0] != path[-1]:
            yield f"a loop of {len(path) - path.index(known[account, path[-1]][0])} merges"
    if any(len(of) > 1 for of in accounts.values()):
        yield "one profile id in two accounts"
    if any(when(told[m]) > when(told[n]) for m, n in pairwise(n for n in verdict.accepted if is_operation(told[n]))):
        yield "an earlier operation arrives later"


def of_allowance(told: Told, verdict: Verdict) -> Iterator[str]:
    plans = [told[n] for n in verdict.accepted if told[n]["type"] == "account_plan_set" and not told[n]["is_test"]]
    own = {plan["occurred_at"] for plan in plans}
    for alert in verdict.alerts:
        if alert.kind == "forecast":
            yield "a forecast alert"
            earlier = [a for a in verdict.alerts if a[:3] == alert[:3] and a.occurred_at < alert.occurred_at]
            yield from ["a forecast alert again"] if earlier else []
        else:
            yield "an alert at a plan's own event" if alert.occurred_at in own else "an alert at an activity"
    for used in verdict.usage.values():
        if used.as_closed < used.as_corrected:
            yield "an activity in a closed cycle"
        yield "a cycle without a plan" if used.allowance is None else "a cycle with a plan"
    for plan in plans:
        said = plan["plan"]
        yield "a plan names its activities" if said["activities"] is not None else "a plan names none"
        for (account, start), used in verdict.usage.items():
            local = (EPOCH + timedelta(microseconds=start)).astimezone(ZoneInfo(said["time_zone"]))
            if account == plan["account_id"] and said["anchor_day"] > local.day > 27 and local.hour == 0:
                yield "an anchor day that the month lacks"
            if account == plan["account_id"] and local.hour == 1 and local.day == said["anchor_day"]:
                yield "a cycle whose midnight is skipped"
            if account == plan["account_id"] and plan["arrived_at"] > used.end > plan["occurred_at"]:
                yield "a plan that arrives after the cycle that it judges"
    if len(plans) > 1 and any(when(one) > when(other) for one, other in pairwise(plans)):
        yield "an earlier plan arrives later"


def of_contacts(told: Told, verdict: Verdict) -> Iterator[str]:
    for contact in verdict.contacts.values():
        for column in ("email_status", "newsletter_status", "mobile_status", "sms_status"):
            yield f"{column} {getattr(contact, column)}"
        for column in ("email", "points", "cart", "segments", "web_push", "purchases_value", "last_active"):
            yield f"{column} {'said' if getattr(contact, column) else 'not said'}"
        if contact.first_seen is None:
            yield "a person who was never seen"


EXPECTED = {
    "accepted", "duplicate", "rejected conflicting_duplicate", "rejected too_late", "rejected in_the_future",
    "rejected unknown_type", "rejected wrong_topic", "rejected missing_field", "rejected nobody",
    "rejected merge_with_itself", "rejected profile_named_twice", "rejected impossible_field",
    "rejected too_many_profiles", "rejected not_framed", "rejected unknown_schema", "rejected undecodable",
    "an identity that was forgotten comes again",
    "accepted: 0 us inside the window", "rejected: -1 us inside the window", "duplicate: 0 us inside the window",
    "accepted: 0 us too early", "rejected: 1 us too early",
    "a test of events.email", "a test of events.profile", "a test of events.account", "a test of events.crm",
    "a machine's open", "telegram_clicked without a person", "neither message nor campaign",
    "a campaign for a message", "a click without a link", "a vendor's unique event is the first",
    "an earlier event arrives later", "two first events at one time",
    "a raw event takes over from an earlier vendor's unique one", "a fact was forgotten and made again",
    "two profiles of one person hold one fact",
    "a chain of merges", "a loop of 2 merges", "a loop of 3 merges", "one profile id in two accounts",
    "an earlier operation arrives later",
    "a forecast alert", "a forecast alert again",
    "an alert at a plan's own event", "an alert at an activity", "an activity in a closed cycle",
    "a cycle without a plan", "a cycle with a plan", "a plan names its activities", "a plan names none",
    "an anchor day that the month lacks", "a cycle whose midnight is skipped",
    "a plan that arrives after the cycle that it judges", "an earlier plan arrives later",
    *(f"email_status {status}" for status in ("active", "blocked", "bounced", "paused")),
    *(f"mobile_status {status}" for status in ("active", "bounced", "paused")),
    *(
        f"{column} {status}"
        for column in ("newsletter_status", "sms_status")
        for status in ("subscribed", "unsubscribed", "not_subscribed")
    ),
    *(
        f"{column} {said}"
        for column in ("email", "points", "cart", "segments", "web_push", "purchases_value", "last_active")
        for said in ("said", "not said")
    ),
    "a person who was never seen",
}  # fmt: skip


def test_every_situation_happens() -> None:
    met: set[str] = set()
    for shape in SHAPES.values():
        for number in range(HISTORIES):
            told = running.told(rolled(number, shape, SMALL, SIZE))
            verdict = judge(told, SMALL)
            for situations in (of_fates, of_uniques, of_people, of_allowance, of_contacts):
                met |= set(situations(told, verdict))
    assert met >= EXPECTED, sorted(EXPECTED - met)
