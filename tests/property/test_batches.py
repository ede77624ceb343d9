"""How a history falls into batches, restarts and replays changes nothing that counts."""

from __future__ import annotations

from hypothesis import given, note
from hypothesis import strategies as st

from pipeline.core.decide import decide
from pipeline.core.record import Link, encode
from tests.events import context
from tests.property import running
from tests.property.budget import examples
from tests.property.histories import DENSE, NEAR, Shape, canonical, cuts, histories
from tests.property.running import Outcome, Sent

RULES = {"unique_days": 12, "person_profiles_max": 3}

anything = histories(DENSE) | histories(NEAR) | histories(Shape())


@given(anything, cuts(), cuts())
@examples()
def test_any_cutting_into_batches_gives_the_same_sums(history: list[Sent], one: set[int], other: set[int]) -> None:
    note(canonical(history))
    here, there = (running.run(history, where, context(**RULES)) for where in (one, other))
    assert running.sums(here) == running.sums(there)


@given(histories(DENSE) | histories(NEAR), cuts())
@examples(0.5)
def test_any_cutting_into_batches_leaves_the_same_knowledge(history: list[Sent], where: set[int]) -> None:
    note(canonical(history))
    alone, together = (running.run(history, cut, context()) for cut in (range(len(history)), where))
    assert running.knowledge(alone.state) == running.knowledge(together.state)


@given(anything, cuts())
@examples()
def test_the_state_is_the_fold_of_the_journal_byte_for_byte(history: list[Sent], where: set[int]) -> None:
    outcome = running.run(history, where, context(**RULES))
    assert running.frozen(running.folded(outcome.journal, context())) == running.frozen(outcome.state)


@given(anything, cuts())
@examples(0.5)
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
@examples(0.3)
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
@examples()
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
