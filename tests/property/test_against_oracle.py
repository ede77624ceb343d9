"""Whatever happens, the core says what the oracle says: fates, persons, uniques, engagement, usage, alerts."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.events import context
from tests.oracle.history import Rules, identity
from tests.oracle.persons import is_operation, persons
from tests.oracle.verdict import Verdict, judge
from tests.property import running
from tests.property.budget import SECONDS, TIMES
from tests.property.cases import SHAPES, SMALL, Case, every_case, some_cuts
from tests.property.histories import rolled
from tests.property.running import Outcome, Sent
from tests.property.shapes import BUSY, CONTACTS, DENSE, MONTHS, NEAR

OVER_MONTHS = {
    "months": MONTHS,
    "months without operations": replace(MONTHS, operations=False),
    "busy over months": replace(BUSY, long_gaps=True),
    "contacts over months": replace(CONTACTS, long_gaps=True),
}
LONG_SIZE, LONG_HISTORIES = 80, 10
CROWD = replace(
    NEAR,
    profiles=tuple(f"p{n}" for n in range(150)),
    accounts=tuple(f"a{n}" for n in range(4)),
    messages=("m1", "m1", "m2"),
)
CROWD_SIZE, CROWD_RULES = 1500, Rules(window_days=120, unique_days=121)


def compare(history: list[Sent], outcome: Outcome, rules: Rules) -> Verdict:
    """The verdict of the oracle, once the outcome agrees with it."""
    told = running.told(history)
    verdict = judge(told, rules)
    _compare_fates(told, verdict, outcome)
    _compare_uniques(told, verdict, outcome)
    _compare_people(told, verdict, outcome)
    elsewhere = {pair: person for pair, person in verdict.persons.items() if person != pair[1]}
    assert running.persons(outcome) == elsewhere
    assert running.people(outcome) == {
        (account, profile): person
        for (account, person), contact in verdict.contacts.items()
        for profile in contact.profiles
    }
    assert running.usage(outcome) == {cycle: tuple(used) for cycle, used in _plain(verdict).items()}
    assert running.used_by_rows(outcome) == Counter({c: u[2] for c, u in _plain(verdict).items() if u[2]})
    said = {cycle: tuple(used.forecast) for cycle, used in verdict.usage.items() if used.forecast}
    assert running.forecasts(outcome) == said
    assert running.alerts(outcome) == [tuple(alert) for alert in verdict.alerts]
    if not _is_any_forgotten(told, verdict):  # a plan whose identity was forgotten and came again is another plan
        once = [(a.account_id, a.cycle_start, a.plan, a.threshold) for a in verdict.alerts if a.kind == "threshold"]
        assert len(once) == len(set(once)), "a threshold of a plan alerted twice in a cycle"
    return verdict


def _is_any_forgotten(told: list[dict[str, Any]], verdict: Verdict) -> bool:
    """Whether an identity was forgotten and came again: two events have it then."""
    return len({identity(told[n]) for n in verdict.accepted}) < len(verdict.accepted)


def _compare_people(told: list[dict[str, Any]], verdict: Verdict, outcome: Outcome) -> None:
    """Every row names the person that its profile stands for behind its batch; null where that is itself."""
    places = {(told[n]["topic"], told[n]["offset"]): n for n in verdict.accepted}
    end = 0
    for record, found in zip(outcome.records, outcome.rows_by_record, strict=True):
        end += record.read
        before = [told[n] for n in verdict.accepted if n < end and is_operation(told[n])]
        who = persons(before)
        for row in found:
            if not row["hits"] or row["profile_id"] is None:
                assert row["person_id"] is None
                continue
            assert places[row["origin_topic"], row["origin_offset"]] < end
            profile = row["account_id"], row["profile_id"]
            assert (row["person_id"] or profile[1]) == who.get(profile, profile[1])
            assert row["person_id"] != profile[1]


def _plain(verdict: Verdict) -> dict[tuple[str, int], tuple[int, int, int, int | None]]:
    return {cycle: (u.end, u.as_closed, u.as_corrected, u.allowance) for cycle, u in verdict.usage.items()}


def _compare_fates(told: list[dict[str, Any]], verdict: Verdict, outcome: Outcome) -> None:
    places = [(event["topic"], event["offset"]) for event in told]
    by_word = {
        word: [n for n, fate in enumerate(verdict.fates) if fate.word == word] for word in ("rejected", "duplicate")
    }
    assert running.rejected(outcome) == {places[n]: verdict.fates[n].reason for n in by_word["rejected"]}
    assert running.accepted(outcome) == {places[n] for n in verdict.accepted}
    counted = Counter((told[n]["topic"], told[n]["source"]) for n in by_word["duplicate"])
    assert running.duplicates(outcome) == counted


def _compare_uniques(told: list[dict[str, Any]], verdict: Verdict, outcome: Outcome) -> None:
    ranks = {(told[n]["topic"], told[n]["offset"]): told[n]["rank"] for n in verdict.accepted}
    if _is_any_forgotten(told, verdict):
        return  # rows of two events have one identity
    found = running.uniques(outcome, ranks)
    if verdict.order_matters:
        return
    assert found == Counter((told[n]["rank"], kind) for n, kind in verdict.uniques)
    assert running.engagement(outcome) == verdict.engagement


@every_case({"near": NEAR, "dense": DENSE, "busy": BUSY, "contacts": CONTACTS}, Rules())
def test_a_history_inside_the_window_counts_as_the_oracle_counts(case: Case) -> None:
    compare(
        case.history, running.run(case.history, some_cuts(case.dice(), len(case.history)), case.context), case.rules
    )


@every_case(OVER_MONTHS)
def test_a_history_over_months_counts_as_the_oracle_counts(case: Case) -> None:
    compare(
        case.history, running.run(case.history, some_cuts(case.dice(), len(case.history)), case.context), case.rules
    )


@pytest.mark.timeout(SECONDS * TIMES)
@pytest.mark.parametrize("shape", SHAPES | OVER_MONTHS)
def test_long_histories_count_as_the_oracle_counts(shape: str, seed: int) -> None:
    dice = random.Random(f"{seed} {shape}")
    for _ in range(LONG_HISTORIES * TIMES):
        number = dice.randrange(1 << 32)
        history = rolled(number, (SHAPES | OVER_MONTHS)[shape], SMALL, LONG_SIZE)
        where = {dice.randrange(1, LONG_SIZE) for _ in range(dice.choice((0, 1, 5, 20, LONG_SIZE)))}
        try:
            compare(history, running.run(history, where, context(**SMALL._asdict())), SMALL)
        except AssertionError as error:
            error.add_note(f"rolled({number}, {shape!r}, SMALL, {LONG_SIZE}), cut at {sorted(where)}")
            raise


@pytest.mark.timeout(SECONDS * TIMES)
@pytest.mark.parametrize("batches", [1, 3])
def test_a_crowd_in_large_batches_counts_as_the_oracle_counts(batches: int, seed: int) -> None:
    dice = random.Random(f"{seed} {batches}")
    for _ in range(TIMES):
        number = dice.randrange(1 << 32)
        drawn = rolled(number, CROWD, CROWD_RULES, CROWD_SIZE)
        last_ms = max(sent.arrived_ms for sent in drawn) + 86_400_000
        history = sorted((sent._replace(arrived_ms=last_ms) for sent in drawn), key=lambda sent: sent.topic)
        where = {dice.randrange(1, CROWD_SIZE) for _ in range(batches - 1)}
        outcome = running.run(history, where, context(**CROWD_RULES._asdict()))
        try:
            compare(history, outcome, CROWD_RULES)
        except AssertionError as error:
            error.add_note(f"rolled({number}, CROWD, CROWD_RULES, {CROWD_SIZE}), cut at {sorted(where)}")
            raise
