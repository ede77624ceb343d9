"""Uniques are set, not sequence: the order of arrival and what was done and undone change nothing.

What order does decide, and nothing else (SEMANTICS 2, 4, 5): of two events with one identity and different payloads
the first counts (`distinct` leaves one); whether the size cap refuses a merge or a split (more profiles are allowed
here than there are); whether a fact was forgotten before it was asked for (nothing here is that old).
"""

from __future__ import annotations

from typing import Any

from tests.events import frame, merge, split
from tests.oracle.contacts import contacts
from tests.oracle.history import DAY, Rules, identity
from tests.oracle.verdict import judge
from tests.property import running
from tests.property.cases import Case, every_case, some_cuts
from tests.property.running import Outcome, Sent
from tests.property.shapes import CONTACTS, DENSE, STILL

WIDE = Rules(window_days=60)  # nothing is too late, nothing is forgotten, and nobody has 50 profiles
DAY_MS = DAY // 1000


def distinct(history: list[Sent]) -> list[Sent]:
    """One event of each identity: of copies the first counts, which is the one thing that order decides."""
    first: dict[Any, Sent] = {}
    for sent, event in zip(history, running.told(history), strict=True):
        if sent.event is not None:
            first.setdefault(identity(event), sent)
    return list(first.values())


def arriving_in(order: list[Sent]) -> list[Sent]:
    """The events in this order, a second between each, after all of them have occurred."""
    last_ms = max(sent.event["occurred_at"] for sent in order if sent.event) // 1000 + DAY_MS
    return [sent._replace(arrived_ms=last_ms + 1000 * n) for n, sent in enumerate(order)]


def counted(outcome: Outcome, history: list[Sent]) -> tuple[Any, ...]:
    """What order must not change: uniques by event and by day, persons, usage as corrected."""
    ranks = {(event["topic"], event["offset"]): event["rank"] for event in running.told(history)}
    used = {cycle: corrected for cycle, (_, _, corrected, _) in running.usage(outcome).items()}
    return running.uniques(outcome, ranks), running.engagement(outcome), running.persons(outcome), used


@every_case({"dense": DENSE, "still": STILL}, WIDE)
def test_events_may_arrive_in_any_order(case: Case) -> None:
    dice = case.dice()
    here = arriving_in(distinct(case.history))
    there = arriving_in(dice.sample(here, len(here)))
    outcomes = [running.run(h, some_cuts(dice, len(h)), case.context) for h in (here, there)]
    assert not any(record.rejects for outcome in outcomes for record in outcome.records)
    assert counted(outcomes[0], here) == counted(outcomes[1], there)


@every_case({"contacts": CONTACTS}, WIDE)
def test_the_oracle_s_contacts_know_no_order(case: Case) -> None:
    told = [event for event in running.told(case.history) if "unreadable" not in event]
    verdict = judge(told, case.rules)
    order = case.dice().sample(verdict.accepted, len(verdict.accepted))
    assert contacts(told, order, verdict.persons) == verdict.contacts


def channels(outcome: Outcome) -> dict[tuple[Any, ...], Any]:
    """Engagement on channels: without the operations' own rows."""
    return {group: counts for group, counts in running.engagement(outcome).items() if group[2]}


@every_case({"dense": DENSE, "still": STILL}, Rules())
def test_a_split_that_undoes_a_merge_brings_everything_back(case: Case) -> None:
    dice = case.dice()
    outcome = running.run(case.history, some_cuts(dice, len(case.history)), case.context)
    who, before = running.persons(outcome), channels(outcome)
    persons = sorted({who.get(("a", profile), profile) for profile in STILL.profiles})
    if len(persons) < 2:
        return
    undone = merged_and_parted(case.history, *dice.sample(persons, 2))
    suffix = running.batches([*case.history, *undone], {len(case.history), len(case.history) + dice.randrange(2)})[1:]
    for batch in suffix:
        running.step(outcome, batch, case.context)
    assert not any(record.rejects for record in outcome.records[-len(suffix) :])
    assert running.persons(outcome) == who
    assert channels(outcome) == before


def merged_and_parted(history: list[Sent], one: str, other: str) -> list[Sent]:
    """A merge of two persons, and the split that undoes it."""
    later_ms = max(sent.arrived_ms for sent in history) + DAY_MS
    fields = {"account_id": "a", "occurred_at": later_ms * 1000}
    merged = merge([one], other, event_id="merged", **fields)
    parted = split(other, {one: [], other: []}, event_id="parted", **fields | {"occurred_at": later_ms * 1000 + 1})
    return [Sent("events.profile", later_ms, frame(operation), operation) for operation in (merged, parted)]
