"""How a history falls into batches, restarts and replays changes nothing that counts."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from pipeline.core.decide import decide
from pipeline.core.record import Link, encode
from tests.events import context
from tests.oracle.history import Rules
from tests.property import running
from tests.property.budget import SECONDS, TIMES, examples
from tests.property.histories import canonical, cuts, histories, rolled
from tests.property.running import Outcome, Sent
from tests.property.shapes import BUSY, DENSE, NEAR, Shape

RULES = {"unique_days": 12, "person_profiles_max": 3}
LONG = {
    "busy": BUSY,
    "dense": DENSE,
    "months": Shape(),
    "dense over months": replace(DENSE, long_gaps=True, plans=True),
}
LONG_HISTORIES = 8

anything = histories(DENSE) | histories(NEAR) | histories(Shape()) | histories(BUSY)


@given(anything, cuts(), cuts())
@examples(0.5)
def test_any_cutting_into_batches_gives_the_same_sums(history: list[Sent], one: set[int], other: set[int]) -> None:
    note(canonical(history))
    here, there = (running.run(history, where, context(**RULES)) for where in (one, other))
    assert running.sums(here) == running.sums(there)
    assert running.frozen(running.folded(here.journal, context())) == running.frozen(here.state)


@pytest.mark.timeout(SECONDS * TIMES)
@pytest.mark.parametrize("shape", LONG)
def test_any_cutting_of_long_histories_of_the_run_s_seed_gives_the_same_sums(shape: str, seed: int) -> None:
    dice = random.Random(f"{seed} {shape} batches")
    for _ in range(LONG_HISTORIES * TIMES):
        number, size = dice.randrange(1 << 32), 60
        history = rolled(number, LONG[shape], Rules(**RULES), size)
        where = [{dice.randrange(1, size) for _ in range(dice.choice((0, 5, size)))} for _ in range(2)]
        here, there = (running.run(history, cut, context(**RULES)) for cut in where)
        said = f"rolled({number}, LONG[{shape!r}], Rules(**RULES), {size}), cut at {[sorted(cut) for cut in where]}"
        assert running.sums(here) == running.sums(there), said
        assert running.frozen(running.folded(there.journal, context())) == running.frozen(there.state), said


@given(histories(DENSE) | histories(NEAR), cuts())
@examples(0.2)
def test_any_cutting_into_batches_leaves_the_same_knowledge(history: list[Sent], where: set[int]) -> None:
    note(canonical(history))
    alone, together = (running.run(history, cut, context()) for cut in (range(len(history)), where))
    assert running.knowledge(alone.state) == running.knowledge(together.state)


@given(anything, cuts())
@examples(0.3)
def test_the_state_is_the_fold_of_the_journal_byte_for_byte(history: list[Sent], where: set[int]) -> None:
    outcome = running.run(history, where, context(**RULES))
    assert running.frozen(running.folded(outcome.journal, context())) == running.frozen(outcome.state)


@given(anything, cuts())
@examples(0.2)
def test_a_state_that_went_through_a_snapshot_goes_on_byte_for_byte_the_same(
    history: list[Sent], where: set[int]
) -> None:
    through, live = Outcome(), Outcome()
    for batch in running.batches(history, where):
        for outcome in (through, live):
            running.step(outcome, batch, context(**RULES))
        through.state = running.thawed(through.state)
        assert running.frozen(through.state) == running.frozen(live.state)
    assert through.journal == live.journal


@given(anything, cuts())
@examples(0.15)
def test_deciding_touches_nothing_and_says_the_same_again(history: list[Sent], where: set[int]) -> None:
    outcome, link = Outcome(), Link(1, 0, "test")
    for batch in running.batches(history, where):
        for part in running.window.cut_days(outcome.state.stream_time, batch):
            before = running.frozen(outcome.state)
            first, second = (encode(decide(outcome.state, part, context(**RULES)), link) for _ in range(2))
            assert first == second
            assert running.frozen(outcome.state) == before
            running.step(outcome, part, context(**RULES))


@given(anything, cuts(), st.data())
@examples(0.4)
def test_a_suffix_read_again_is_nothing_but_copies(history: list[Sent], where: set[int], data: st.DataObject) -> None:
    history = running.without_conflicts(history)
    note(canonical(history))
    again = history[data.draw(st.integers(0, len(history) - 1), "first read again") :]
    once = running.run(history, where, context(**RULES))
    twice = running.run([*history, *again], {*where, len(history)}, context(**RULES))
    read_again = twice.records[len(once.records) :]
    assert not any(record.accepted for record in read_again)
    before, after = running.sums(once), running.sums(twice)
    for what in ("accepted", "engagement", "persons", "usage", "activities", "alerts"):
        assert before[what] == after[what]
