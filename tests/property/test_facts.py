"""The facts' numbers begin again at 1 after 2^32 - 1: nobody notices."""

from __future__ import annotations

from typing import Any

from tests.property import running
from tests.property.cases import SHORT, Case, every_case, some_cuts
from tests.property.running import Outcome
from tests.property.shapes import DENSE, MONTHS

NUMBERS = (1 << 32) - 1


def near_the_end(facts_left: int, rounds: int = 1) -> Outcome:
    """An empty state in which so many numbers are left before they begin again."""
    outcome = Outcome()
    outcome.state.log.base = outcome.state.log.count = rounds * NUMBERS - facts_left
    return outcome


def without_numbers(outcome: Outcome) -> list[Any]:
    return [(row["origin_offset"], row["corrects"], *(row[kind] for kind in running.KINDS)) for row in outcome.rows]


@every_case({"dense": DENSE, "months": MONTHS}, sizes=SHORT)
def test_numbers_that_begin_again_change_no_row(case: Case) -> None:
    dice = case.dice()
    where = some_cuts(dice, len(case.history))
    plain = running.run(case.history, where, case.context)
    start = near_the_end(dice.randrange(13), dice.randrange(1, 4))
    wrapped = running.run(case.history, where, case.context, start)
    assert without_numbers(wrapped) == without_numbers(plain)
    assert running.sums(wrapped) == running.sums(plain)


@every_case({"dense": DENSE}, sizes=SHORT)
def test_a_snapshot_across_the_end_of_the_numbers_goes_on(case: Case) -> None:
    dice = case.dice()
    left, where = dice.randrange(13), some_cuts(dice, len(case.history))
    live, through = near_the_end(left), near_the_end(left)
    for batch in running.batches(case.history, where):
        for outcome in (live, through):
            running.step(outcome, batch, case.context)
        through.state = running.thawed(through.state)
    assert through.journal == live.journal
