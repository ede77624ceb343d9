"""Rules may change from batch to batch, as settings do at a restart: what was decided holds."""

from __future__ import annotations

import random

from hypothesis import given, note
from hypothesis import strategies as st

from tests.events import context
from tests.property import running
from tests.property.budget import examples
from tests.property.histories import canonical, cuts, histories
from tests.property.running import Outcome, Sent
from tests.property.shapes import DENSE, NEAR, Shape


@given(histories(DENSE) | histories(NEAR) | histories(Shape()), cuts(), st.integers(0, 1 << 32))
@examples(0.3)
def test_rules_that_change_between_batches_break_neither_fold_nor_tables(
    history: list[Sent], where: set[int], seed: int
) -> None:
    note(canonical(history))
    dice, outcome = random.Random(seed), Outcome()
    for batch in running.batches(history, where):
        rules = {
            "window_days": dice.choice((1, 3, 7, 30)),
            "unique_days": dice.choice((31, 40, 90)),
            "person_profiles_max": dice.choice((2, 3, 5)),
        }
        running.step(outcome, batch, context(**rules))
        for table in (outcome.state.seen, outcome.state.held):
            keys = table.keys[table.keys > 0].tolist()
            assert len(keys) == len(set(keys)) == table.count
    assert running.frozen(running.folded(outcome.journal, context())) == running.frozen(outcome.state)
