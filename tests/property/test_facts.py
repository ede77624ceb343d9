"""The facts' numbers begin again at 1 after 2^32 - 1: nobody notices."""

from __future__ import annotations

from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from tests.events import context
from tests.property import running
from tests.property.budget import examples
from tests.property.histories import canonical, cuts, histories
from tests.property.running import Outcome, Sent
from tests.property.shapes import DENSE, Shape

NUMBERS = (1 << 32) - 1
RULES = {"unique_days": 12, "person_profiles_max": 3}


def near_the_end(facts_left: int, rounds: int = 1) -> Outcome:
    """An empty state in which so many numbers are left before they begin again."""
    outcome = Outcome()
    outcome.state.log.base = outcome.state.log.count = rounds * NUMBERS - facts_left
    return outcome


def without_numbers(outcome: Outcome) -> list[Any]:
    return [(row["origin_offset"], row["corrects"], *(row[kind] for kind in running.KINDS)) for row in outcome.rows]


@given(histories(DENSE) | histories(Shape()), cuts(), st.integers(0, 12), st.integers(1, 3))
@examples(0.1)
def test_numbers_that_begin_again_change_no_row(history: list[Sent], where: set[int], left: int, rounds: int) -> None:
    note(canonical(history))
    plain = running.run(history, where, context(**RULES))
    wrapped = running.run(history, where, context(**RULES), near_the_end(left, rounds))
    assert without_numbers(wrapped) == without_numbers(plain)
    assert running.sums(wrapped) == running.sums(plain)


@given(histories(DENSE), cuts(), st.integers(0, 12))
@examples(0.1)
def test_a_snapshot_across_the_end_of_the_numbers_goes_on(history: list[Sent], where: set[int], left: int) -> None:
    live, through = near_the_end(left), near_the_end(left)
    for batch in running.batches(history, where):
        for outcome in (live, through):
            running.step(outcome, batch, context())
        through.state = running.thawed(through.state)
    assert through.journal == live.journal
