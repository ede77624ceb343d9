"""Rules may change from batch to batch, as settings do at a restart: what was decided holds."""

from __future__ import annotations

from tests.events import context
from tests.property import running
from tests.property.cases import Case, every_case, some_cuts
from tests.property.running import Outcome


@every_case()
def test_rules_that_change_between_batches_break_neither_fold_nor_tables(case: Case) -> None:
    dice, outcome = case.dice(), Outcome()
    for batch in running.batches(case.history, some_cuts(dice, len(case.history))):
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
