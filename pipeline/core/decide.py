"""Decide: what one batch changes, as a journal record. The state stays as it is.

In:   slabs of one partition and one stream day.  Out: the record, without its place in the chain.
Time: the slabs' arrival.  Late: see `window`.
sift (decode > validate > accept window > identify > deduplicate) > resolve person > uniques > allowance > rows
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.accepted import Accepted, accept
from pipeline.core.allowance import Activities, Book
from pipeline.core.batch import Slab
from pipeline.core.context import Context
from pipeline.core.decode import read
from pipeline.core.events import Events, unify
from pipeline.core.facts import VENDOR
from pipeline.core.fates import duplicates, rejects, sources
from pipeline.core.firsts import label, opportunities
from pipeline.core.fold import fact_limit
from pipeline.core.hashing import Ints
from pipeline.core.people import People, Resolved, operate, resolve
from pipeline.core.reasons import Reject
from pipeline.core.record import Label, Plan, Record
from pipeline.core.rows import Decided, correction_rows, encode_rows
from pipeline.core.sift import refuse, sift
from pipeline.core.state import State
from pipeline.core.uniques import Facts, candidates, decide_uniques
from pipeline.core.window import DAY_US, stream_times


class _Uniques(NamedTuple):
    facts: Facts
    holders: Facts
    marks: npt.NDArray[np.uint8]  # of each accepted row: the kinds that it is the first of
    labels: list[Label]  # new ones
    corrections: Facts
    corrected: list[Label]  # of each correction


def decide(state: State, slabs: Sequence[Slab], context: Context, refused: str = "") -> Record:
    """What a batch changes; its slabs lie on one day of the stream (`window.cut_days`).

    `refused`: why none of its new events is accepted, in words; they are rejected as oversized.
    """
    batch = read(slabs, context.schemas)
    stream = stream_times(state.stream_time, batch.arrived_at)
    day = int(stream[-1]) // DAY_US
    assert int(stream[0]) // DAY_US == day, "a batch is cut where the stream's day changes"
    events = unify(batch, context.seed)
    sifted = sift(state, events, stream, context)
    sifted = refuse(sifted, refused) if refused else sifted
    people = operate(state.persons, events, sifted.keys, sifted.new, context)
    for row in people.refused:
        detail = f"a person would have more than {context.rules.person_profiles_max} profiles"
        sifted.faults.add_one(row, Reject.TOO_MANY_PROFILES, detail)
    kept = np.setdiff1d(sifted.new, people.refused) if people.refused else sifted.new
    accepted = accept(events, kept, sifted.keys, context)
    resolved = resolve(state.persons, people, accepted)
    uniques = _decide_uniques(state, accepted, people, resolved, (day, context))
    book = _open_book(state, day, context)
    cycle_start = _count_allowance(book, accepted, events)
    rows = encode_rows(
        accepted,
        Decided(resolved.person, uniques.marks, cycle_start),
        correction_rows(uniques.corrections, uniques.corrected) if uniques.corrected else None,
    )
    remembered = np.append(accepted.row, np.array(people.refused, np.int64))
    read_of, runs = sources(slabs, accepted.origin)
    return Record(
        rules=context.rules,
        stream_time=int(stream[-1]),
        sources=read_of,
        runs=runs,
        identities=sifted.keys.identity[remembered],
        payloads=events.body_hash[remembered],
        origins=events.origin[remembered],
        facts=uniques.facts,
        holders=uniques.holders,
        labels=uniques.labels,
        registers=people.registers,
        persons=people.persons,
        allowance=book.allowance(),
        plans=book.new_plans(),
        forecasts=book.forecasts(),
        alerts=book.alerts(),
        **rows._asdict(),
        rejects=rejects(batch, events, batch.faults + sifted.faults.found),
        duplicates=duplicates(events, sifted.copies, sifted.remembered),
    )


def _decide_uniques(
    state: State, accepted: Accepted, people: People, resolved: Resolved, at: tuple[int, Context]
) -> _Uniques:
    day, context = at
    decided = decide_uniques(
        state.log,
        state.held,
        fact_limit(day, context.rules),
        candidates(opportunities(accepted, context.seed)),
        resolved.whom,
        people.regrouped,
    )
    facts = decided.facts
    facts["label"], labels = label(accepted, facts, state.labels)
    counted = facts[decided.counts]
    kinds = np.bincount(counted["row"], counted["kind"] & ~np.uint8(VENDOR), len(accepted))  # a row has each kind once
    marks = kinds.astype(np.uint8)
    known = [*state.labels, *labels] if len(decided.corrections) else []
    corrected = [known[number] for number in decided.corrections["label"].tolist()]
    return _Uniques(facts, decided.holders, marks, labels, decided.corrections, corrected)


def _open_book(state: State, day: int, context: Context) -> Book:
    """The accounts as they are; on a new day of the stream, with that day's forecasts."""
    book = Book(state.accounts, context.vocabulary.default_activities.__contains__)
    if day > state.stream_time // DAY_US:
        book.foresee(day)
    return book


def _count_allowance(book: Book, accepted: Accepted, events: Events) -> Ints:
    """Count the batch; returns the cycle of every accepted row, UTC microseconds, -1 where none."""
    rows = accepted.live.nonzero()[0]
    if len(events.groups) > 1:  # else they stand in stream order
        rows = rows[np.argsort(accepted.seq[rows])]
    activities = Activities(
        rows, accepted.seq, accepted.account, accepted.occurred_at, accepted.arrived_at, accepted.types
    )
    plans: list[tuple[int, Plan]] = []
    if "account_plan_set" in accepted.types.values:
        planned = rows[accepted.types.mask(t == "account_plan_set" for t in accepted.types.values)[rows]]
        plans = [(int(accepted.seq[row]), _plan(accepted, events, row)) for row in planned.tolist()]
    counted, starts = book.count_with_plans(activities, plans)
    cycle_start = np.full(len(accepted), -1, np.int64)
    cycle_start[counted] = starts
    return cycle_start


def _plan(accepted: Accepted, events: Events, row: int) -> Plan:
    event = events.one(int(accepted.row[row]))
    said = event["plan"]
    return Plan(
        account_id=event["account_id"],
        allowance=said["allowance"],
        anchor_day=said["anchor_day"],
        time_zone=said["time_zone"],
        thresholds=tuple(sorted(set(said["thresholds"]))),
        activities=None if said["activities"] is None else tuple(said["activities"]),
        occurred_at=int(accepted.occurred_at[row]),
        identity=int(accepted.identity[row]),
    )
