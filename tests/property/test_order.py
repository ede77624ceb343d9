"""Uniques are set, not sequence: the order of arrival and what was done and undone change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from tests.events import context, frame, merge, split
from tests.oracle.history import DAY, identity
from tests.property import running
from tests.property.budget import examples
from tests.property.histories import canonical, cuts, histories
from tests.property.running import Outcome, Sent
from tests.property.shapes import DENSE, NEAR

STILL = replace(NEAR, plans=False, outside_window=False, bad=False)  # whatever may not depend on the order
WIDE = {"window_days": 60}  # nothing is too late
DAY_MS = DAY // 1000


def distinct(history: list[Sent]) -> list[Sent]:
    """One event of each identity: of copies the first counts, which is the one thing that order decides."""
    first: dict[Any, Sent] = {}
    for sent, event in zip(history, running.told(history), strict=True):
        first.setdefault(identity(event), sent)
    return list(first.values())


def arriving_in(order: list[Sent]) -> list[Sent]:
    """The events in this order, a minute between each, after all of them have occurred."""
    last_ms = max(sent.event["occurred_at"] for sent in order if sent.event) // 1000 + DAY_MS
    return [sent._replace(arrived_ms=last_ms + 60_000 * n) for n, sent in enumerate(order)]


def counted(outcome: Outcome, history: list[Sent]) -> tuple[Any, ...]:
    """What order must not change: uniques by event and by day, persons, usage as corrected."""
    ranks = {(event["topic"], event["offset"]): event["rank"] for event in running.told(history)}
    used = {cycle: corrected for cycle, (_, _, corrected, _) in running.usage(outcome).items()}
    return running.uniques(outcome, ranks), running.engagement(outcome), running.persons(outcome), used


@given(st.data(), histories(DENSE) | histories(STILL), cuts(), cuts())
@examples(0.5)
def test_events_may_arrive_in_any_order(data: st.DataObject, drawn: list[Sent], one: set[int], other: set[int]) -> None:
    here = arriving_in(distinct(drawn))
    there = arriving_in(data.draw(st.permutations(here)))
    note(canonical(here))
    note(canonical(there))
    outcomes = [running.run(history, where, context(**WIDE)) for history, where in ((here, one), (there, other))]
    assert not any(record.rejects for outcome in outcomes for record in outcome.records)
    assert counted(outcomes[0], here) == counted(outcomes[1], there)


def channels(outcome: Outcome) -> dict[tuple[Any, ...], Any]:
    """Engagement on channels: without the operations' own rows."""
    return {group: counts for group, counts in running.engagement(outcome).items() if group[2]}


@given(histories(DENSE), cuts(), st.data())
@examples(0.3)
def test_a_split_that_undoes_a_merge_brings_everything_back(
    history: list[Sent], where: set[int], data: st.DataObject
) -> None:
    before = running.run(history, where, context())
    who = running.persons(before)
    persons = sorted({who.get(("a", profile), profile) for profile in DENSE.profiles})
    if len(persons) < 2:
        return
    one, other = data.draw(st.permutations(persons))[:2]
    later_ms = max(sent.arrived_ms for sent in history) + DAY_MS
    fields = {"account_id": "a", "occurred_at": later_ms * 1000}
    merged = merge([one], other, event_id="merged", **fields)
    parted = split(other, {one: [], other: []}, event_id="parted", **fields | {"occurred_at": later_ms * 1000 + 1})
    undone = [Sent("events.profile", later_ms, frame(operation), operation) for operation in (merged, parted)]
    note(canonical([*history, *undone]))
    together = {len(history)} if data.draw(st.booleans()) else {len(history), len(history) + 1}
    after = running.run([*history, *undone], where | together, context())
    assert running.persons(after) == who
    assert channels(after) == channels(before)
