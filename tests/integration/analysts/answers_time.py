"""The answers under "Time"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.integration.analysts.answering import Given, answers, by, exact_quantile, persons, within
from tests.integration.analysts.world import Happened, Rows, World


class _Received(NamedTuple):
    """When a person's message was delivered, and when it was first opened."""

    campaign: str
    channel: str
    delivered: datetime
    opened: datetime | None


def _received(happened: Iterable[Happened], with_campaign: bool) -> list[_Received]:
    """Messages of people, each once; a message that several campaigns sent is one of each where campaigns matter."""
    found = []
    about = [one for one in happened if one.person and one.about and (one.campaign or not with_campaign)]
    for group in by(lambda one: (one.campaign * with_campaign, one.channel, one.person, one.about), about).values():
        delivered = [one.at for one in group if one.verb == "delivered"]
        opened = [one.at for one in group if one.verb == "opened"]
        if delivered:
            found.append(
                _Received(group[0].campaign, group[0].channel, min(delivered), min(opened) if opened else None)
            )
    return found


@answers("time-to-first-open")
def time_to_first_open(world: World, given: Given) -> Rows:
    waits: dict[tuple[str, str], list[int]] = {}
    for got in _received(world.of(given["account"]), True):
        if got.opened is not None and got.opened >= got.delivered:
            seconds = int(got.opened.timestamp()) - int(got.delivered.timestamp())
            waits.setdefault((got.campaign, got.channel), []).append(seconds)
    return [
        (*group, len(seconds), exact_quantile(0.5, seconds) / 3600, exact_quantile(0.9, seconds) / 3600)
        for group, seconds in sorted(waits.items())
    ]


@answers("hours-and-weekdays")
def hours_and_weekdays(world: World, given: Given) -> Rows:
    zone = given["zone"]
    engaged = [
        one for one in world.of(given["account"]) if one.verb in ("opened", "clicked") and within(one.at, given, zone)
    ]
    groups = by(lambda one: _slot(one.at, zone), engaged)
    return [
        (
            *slot,
            sum(one.verb == "opened" for one in happened),
            sum(one.verb == "clicked" for one in happened),
            persons(happened),
        )
        for slot, happened in sorted(groups.items())
    ]


def _slot(at: datetime, zone: str) -> tuple[int, int]:
    local = at.astimezone(ZoneInfo(zone))
    return local.isoweekday(), local.hour


@answers("best-time-to-send")
def best_time_to_send(world: World, given: Given) -> Rows:
    messages: Counter[tuple[int, int]] = Counter()
    opened: Counter[tuple[int, int]] = Counter()
    for got in _received(world.of(given["account"]), False):
        if within(got.delivered, given, given["zone"]):
            slot = _slot(got.delivered, given["zone"])
            messages[slot] += 1
            opened[slot] += got.opened is not None and (
                got.delivered <= got.opened <= got.delivered + timedelta(days=1)
            )
    found = [(*slot, n, opened[slot], opened[slot] / n) for slot, n in messages.items() if n >= given["times"]]
    return sorted(found, key=lambda row: (-row[4], -row[2], row[0], row[1]))


@answers("active-by-week")
def active_by_week(world: World, given: Given) -> Rows:
    active = [one for one in _active(world, given) if within(one.at, given)]
    weeks = by(lambda one: _begin("week", one.at), active)
    return [(week, persons(happened), len(happened)) for week, happened in sorted(weeks.items())]


def _active(world: World, given: Given) -> list[Happened]:
    return [one for one in world.of(given["account"]) if one.person and one.type in given["types"]]


def _begin(unit: str, at: datetime) -> date:
    day = at.date()
    return day.replace(day=1) if unit == "month" else day - timedelta(days=day.weekday())


@answers("retention")
def retention(world: World, given: Given) -> Rows:
    unit = given["unit"]
    cohorts: dict[date, set[str]] = {}
    for person, happened in world.people(given["account"]).items():
        cohorts.setdefault(_begin(unit, min(one.at for one in happened)), set()).add(person)
    active = by(lambda one: _begin(unit, one.at), _active(world, given))
    found = []
    for cohort, members in cohorts.items():
        for period, happened in active.items():
            stayed = {one.person for one in happened} & members
            if stayed:
                later = (period - cohort).days // 7
                if unit == "month":
                    later = 12 * (period.year - cohort.year) + period.month - cohort.month
                found.append((cohort, later, len(members), len(stayed), len(stayed) / len(members)))
    return sorted(found)


@answers("subscriber-growth")
def subscriber_growth(world: World, given: Given) -> Rows:
    channel = given["channel"]
    moves = [
        one
        for one in world.of(given["account"])
        if one.channel == channel and one.verb in ("subscribed", "unsubscribed") and within(one.at, given)
    ]
    found: Rows = []
    balance = 0
    for day, happened in sorted(by(lambda one: one.at.date(), moves).items()):
        gained = sum(one.verb == "subscribed" for one in happened)
        lost = len(happened) - gained
        balance += gained - lost
        found.append((day, gained, lost, gained - lost, balance))
    return found
