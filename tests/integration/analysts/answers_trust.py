"""The answers under "Allowance" and "Trust"."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from tests.integration.analysts.answering import Given, answers, by, persons, utc, within
from tests.integration.analysts.traffic import ALLOWANCES
from tests.integration.analysts.world import Fated, Happened, Rows, World, instant
from tests.oracle.allowance import Usage
from tests.oracle.cycles import cycle_of
from tests.oracle.fates import REFUSED
from tests.oracle.vocabulary import TYPES


def _cycles(world: World, given: Given) -> Iterator[tuple[datetime, datetime, Usage]]:
    for verdict in world.verdicts.values():
        for (account, start), used in sorted(verdict.usage.items()):
            if account == given["account"]:
                yield utc(start), utc(used.end), used


@answers("allowance-by-cycle")
def allowance_by_cycle(world: World, given: Given) -> Rows:
    found = []
    for start, end, used in _cycles(world, given):
        late = used.as_corrected - used.as_closed
        granted = used.allowance
        rest = (None, None) if granted is None else (granted - used.as_corrected, used.as_corrected / granted)
        found.append((start, end, granted, used.as_closed, used.as_corrected, late, *rest))
    return found


@answers("allowance-run-out")
def allowance_run_out(world: World, given: Given) -> Rows:
    return [
        (used.as_corrected, used.allowance, *_foreseen(used))
        for start, end, used in _cycles(world, given)
        if used.allowance is not None and start <= given["as_of"] < end
    ]


def _foreseen(used: Usage) -> tuple[object, ...]:
    made = used.forecast
    if made is None:
        return (None,) * 8
    bounds = [max(bound, used.as_corrected) for bound in (made.expected, made.low, made.high)]
    found = [used.met_at(bound) for bound in (made.expected, made.high, made.low)]
    meets = [None if at is None else utc(at) for at in found]
    return utc(made.made_at), *bounds, *meets, not made.confident


@answers("allowance-by-type")
def allowance_by_type(world: World, given: Given) -> Rows:
    return _shares(world, given, lambda one: (one.type,))


@answers("allowance-by-campaign")
def allowance_by_campaign(world: World, given: Given) -> Rows:
    return _shares(world, given, lambda one: (one.campaign, TYPES[one.type].channel))


def _shares(world: World, given: Given, key: Callable[[Happened], tuple[str, ...]]) -> Rows:
    """Activities by cycle and key, the most used first."""
    account = given["account"]
    anchor, zone = {"acme": (10, "Europe/Berlin"), "beta": (31, "America/Sao_Paulo"), "gamma": (1, "UTC")}[account]
    assert (account in ALLOWANCES) == (account != "gamma")
    used: Counter[tuple[datetime, tuple[str, ...]]] = Counter()
    for one in world.of(account):
        if TYPES[one.type].is_activity:
            start, _ = cycle_of(anchor, zone, int(one.at.timestamp()) * 1_000_000)
            used[utc(start), key(one)] += 1
    total: Counter[datetime] = Counter()
    for (start, _), n in used.items():
        total[start] += n
    found = [(start, *names, n, n / total[start]) for (start, names), n in used.items()]
    return sorted(found, key=lambda row: (row[0], -row[-2], *row[1:-2]))


@answers("allowance-plans")
def allowance_plans(world: World, given: Given) -> Rows:
    plans = [plan for verdict in world.verdicts.values() for plan in verdict.plans]
    return [
        (instant(one["occurred_at"]), said["allowance"], said["anchor_day"], said["time_zone"],
         sorted(set(said["thresholds"])), list(said["activities"] or ()))
        for one in sorted(plans, key=lambda one: (one["occurred_at"], one["rank"]), reverse=True)
        if one["account_id"] == given["account"] and (said := one["plan"])
    ]  # fmt: skip


@answers("alerts")
def alerts(world: World, given: Given) -> Rows:
    raised = [one for v in world.verdicts.values() for one in v.alerts if one.account_id == given["account"]]
    found = [
        (utc(one.cycle_start), one.kind, one.threshold, one.used, one.allowance, instant(one.occurred_at))
        for one in raised
    ]
    return sorted(found, key=lambda row: (row[0], row[3], row[2]))


def _rejected(world: World, given: Given) -> list[Fated]:
    return [one for one in world.fated("rejected") if one.account == given["account"]]


def _detail(world: World, one: Fated) -> str:
    return world.details[one.partition, one.told["topic"], one.told["offset"]]


@answers("rejected-by-reason")
def rejected_by_reason(world: World, given: Given) -> Rows:
    reasons: dict[str, list[Fated]] = {}
    for one in _rejected(world, given):
        if within(one.arrived, given):
            reasons.setdefault(one.reason, []).append(one)
    found = []
    for reason, events in reasons.items():
        last = max(events, key=lambda one: (one.arrived, one.told["topic"], one.partition, one.told["offset"]))
        found.append((reason, len(events), last.arrived.date(), _detail(world, last)))
    return sorted(found, key=lambda row: (-row[1], row[0]))


@answers("refused-deliveries")
def refused_deliveries(world: World, given: Given) -> Rows:
    alike: dict[tuple[str, ...], list[datetime]] = {}
    for one in _rejected(world, given):
        if one.told.get("type") == REFUSED and within(one.arrived, given):
            where, _, words = _detail(world, one).partition(": ")
            vendor, _, endpoint = where.split(" ")
            alike.setdefault((vendor, endpoint, one.reason, words), []).append(one.arrived)
    found = [(*key, len(times), max(times)) for key, times in alike.items()]
    return sorted(found, key=lambda row: (-row[4], *row[:4]))


@answers("dead-letters")
def dead_letters(world: World, given: Given) -> Rows:
    found = []
    for one in _rejected(world, given):
        if one.reason == given["reason"]:
            topic, offset = one.told["topic"], one.told["offset"]
            raw = world.values[one.partition, topic, offset]
            seen = (one.arrived, _detail(world, one), len(raw), base64.b64encode(raw).decode())
            found.append((topic, one.partition, offset, *seen))
    found.sort(key=lambda row: (row[0], row[1], -row[2]))
    found.sort(key=lambda row: row[3], reverse=True)
    return found[: given["limit"]]


@answers("late-arrivals")
def late_arrivals(world: World, given: Given) -> Rows:
    arrived = [one for one in world.happened if one.account == given["account"] and within(one.at, given)]
    found: Rows = []
    for source, happened in sorted(by(lambda one: one.source, arrived).items()):
        late = sum(one.arrived - one.at > timedelta(hours=given["hours"]) for one in happened)
        longest = max(int(one.arrived.timestamp()) - int(one.at.timestamp()) for one in happened)
        found.append((source, len(happened), late, late / len(happened), longest / 3600))
    return found


@answers("duplicates-by-source")
def duplicates_by_source(world: World, given: Given) -> Rows:
    copies = Counter((one.told["source"], one.told["topic"]) for one in world.fated("duplicate"))
    return sorted(((*pair, n) for pair, n in copies.items()), key=lambda row: (-row[2], row[0], row[1]))


@answers("conservation")
def conservation(world: World, given: Given) -> Rows:
    fates = {
        word: Counter(one.told["topic"] for one in world.fated(word)) for word in ("accepted", "duplicate", "rejected")
    }
    read = Counter(told["topic"] for number in world.told for told in world.told[number])
    return [(topic, read[topic], *(fates[word][topic] for word in fates), 0) for topic in sorted(read)]


@answers("tests")
def tests(world: World, given: Given) -> Rows:
    tested = [one for one in world.happened if one.account == given["account"] and one.is_test]
    found = [
        (*group, len(happened), persons(happened))
        for group, happened in by(lambda one: (one.campaign, one.type), tested).items()
    ]
    return sorted(found, key=lambda row: (-row[2], row[0], row[1]))
