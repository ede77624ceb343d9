"""A state as of one instant, copied while batches go on."""

from __future__ import annotations

from pipeline.core import state
from pipeline.core.undo import Undo
from tests.property import running
from tests.property.cases import Case, every_case, some_cuts
from tests.property.running import Outcome


@every_case()
def test_a_copy_of_a_state_is_what_it_was_at_its_record_however_many_batches_came_since(case: Case) -> None:
    dice, outcome = case.dice(), Outcome()
    frozen: Undo | None = None
    wanted: dict[str, bytes] = {}
    for batch in running.batches(case.history, some_cuts(dice, len(case.history))):
        running.step(outcome, batch, case.context)
        if frozen is not None and dice.randrange(3) == 0:
            assert {name: column.tobytes() for name, column in frozen.copied().items()} == wanted
            frozen = None
        if frozen is None:
            wanted, frozen = running.frozen(outcome.state), state.freeze(outcome.state)
    if frozen is not None:
        again = state.from_columns(frozen.copied())
        assert running.frozen(again) == wanted
