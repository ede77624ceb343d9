"""The answers under "Segments" and "One contact"."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from tests.integration.analysts.answering import Given, answers, by, within
from tests.integration.analysts.world import Happened, Rows, World, instant
from tests.oracle.contacts import Contact


def _doers(world: World, given: Given) -> dict[str, list[Happened]]:
    """Who did it, and when."""
    did = [one for one in world.of(given["account"]) if one.person and one.type == given["type"]]
    return by(lambda one: one.person, did)


def _sheets(world: World, given: Given) -> dict[str, Contact]:
    everybody = [pair for verdict in world.verdicts.values() for pair in verdict.contacts.items()]
    return {person: sheet for (account, person), sheet in everybody if account == given["account"]}


def _moment(at: int | None) -> Any:
    return None if at is None else instant(at)


@answers("did-at-least")
def did_at_least(world: World, given: Given) -> Rows:
    found = []
    for person, happened in _doers(world, given).items():
        times = [one.at for one in happened if within(one.at, given)]
        if len(times) >= given["times"]:
            found.append((person, len(times), min(times), max(times)))
    return sorted(found, key=lambda row: (-row[1], row[0]))


@answers("last-did-before")
def last_did_before(world: World, given: Given) -> Rows:
    now = given["as_of"]
    found = []
    for person, happened in _doers(world, given).items():
        times = [one.at for one in happened if one.at <= now]
        if times and max(times) < now - timedelta(days=given["days"]):
            last = max(times)
            ago = int(now.timestamp()) - int(last.timestamp())
            found.append((person, len(times), last, ago / 86400))
    return sorted(found, key=lambda row: (row[2], row[0]))


@answers("never-did")
def never_did(world: World, given: Given) -> Rows:
    return [(person,) for person in sorted(_sheets(world, given).keys() - _doers(world, given).keys())]


@answers("no-answer")
def no_answer(world: World, given: Given) -> Rows:
    found = []
    for person, happened in world.people(given["account"]).items():
        about = [one for one in happened if one.campaign and within(one.at, given)]
        delivered = [one for one in about if one.verb == "delivered"]
        campaigns = {one.campaign for one in delivered}
        if len(campaigns) >= given["times"] and not any(one.verb in ("opened", "clicked") for one in about):
            found.append((person, len(campaigns), max(one.at for one in delivered)))
    return sorted(found, key=lambda row: (-row[1], row[0]))


@answers("inactive-contacts")
def inactive_contacts(world: World, given: Given) -> Rows:
    since = given["as_of"] - timedelta(days=given["days"])
    found = []
    for person, sheet in _sheets(world, given).items():
        last = _moment(sheet.last_active)
        if last is None or last < since:
            reachable = sheet.newsletter_status == "subscribed" and sheet.email_status == "active"
            found.append((person, last, _moment(sheet.last_seen), reachable))
    return sorted(found, key=lambda row: (row[1] is not None, row[1] or 0, row[0]))


@answers("best-customers")
def best_customers(world: World, given: Given) -> Rows:
    found = [
        (person, sheet.email, sheet.purchases, sheet.purchases_value, _moment(sheet.last_purchase_at))
        for person, sheet in _sheets(world, given).items()
        if sheet.purchases_value >= given["value"]
    ]
    return sorted(found, key=lambda row: (-row[3], row[0]))[:50]


@answers("segment-activity")
def segment_activity(world: World, given: Given) -> Rows:
    did = Counter(
        one.person for one in world.of(given["account"]) if one.type in given["types"] and within(one.at, given)
    )
    members: dict[str, list[str]] = {}
    for person, sheet in _sheets(world, given).items():
        for segment in sheet.segments:
            members.setdefault(segment, []).append(person)
    found = []
    for segment, people in members.items():
        active = sum(did[person] > 0 for person in people)
        found.append((segment, len(people), active, sum(did[person] for person in people), active / len(people)))
    return sorted(found, key=lambda row: (-row[1], row[0]))


@answers("timeline")
def timeline(world: World, given: Given) -> Rows:
    theirs = [
        one
        for one in world.happened
        if (one.account, one.person) == (given["account"], given["person"])
        and (not given["types"] or one.type in given["types"])
    ]
    theirs.sort(key=lambda one: (one.type, one.message, one.link, one.profile))
    theirs.sort(key=lambda one: one.at, reverse=True)
    return [
        (one.at, one.type, one.campaign, one.message, one.link, one.profile, one.is_test, dict(one.properties))
        for one in theirs[: given["limit"]]
    ]


@answers("sheet")
def sheet(world: World, given: Given) -> Rows:
    found = _sheets(world, given).get(given["person"])
    if found is None:
        return []
    times = {
        name: _moment(getattr(found, name))
        for name in ("points_updated_at", "last_purchase_at", "first_seen", "last_seen", "last_active")
    }
    channels = {channel: instant(at) for channel, at in found.last_by_channel.items()}
    return [(given["account"], given["person"], *found._replace(**times, last_by_channel=channels))]


@answers("profiles-of-person")
def profiles_of_person(world: World, given: Given) -> Rows:
    events = Counter(one.profile for one in world.of(given["account"]))
    for person, sheet in _sheets(world, given).items():
        if given["profile"] in sheet.profiles:
            return [(person, profile, events[profile]) for profile in sorted(sheet.profiles)]
    return []


@answers("shared-addresses")
def shared_addresses(world: World, given: Given) -> Rows:
    owners: dict[str, list[str]] = {}
    for person, sheet in sorted(_sheets(world, given).items()):
        if sheet.email:
            owners.setdefault(sheet.email.lower(), []).append(person)
    found = [(address, len(people), people) for address, people in owners.items() if len(people) > 1]
    return sorted(found, key=lambda row: (-row[1], row[0]))
