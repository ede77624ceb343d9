"""No event counts twice, whatever the window was: rules change from batch to batch, copies come at any time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.events import context
from tests.property import running
from tests.property.cases import Case, every_case, some_cuts
from tests.property.running import Outcome
from tests.property.shapes import MONTHS, NEAR

# Copies that carry the same payload: one identity sent again with a later `occurred_at` may be a new event.
SAME = {
    name: replace(shape, conflicts=False, plans=False, bad=False)
    for name, shape in (("months", MONTHS), ("near", NEAR))
}


@every_case(SAME)
def test_no_copy_is_accepted_whatever_windows_there_were(case: Case) -> None:
    dice, outcome = case.dice(), Outcome()
    for batch in running.batches(case.history, some_cuts(dice, len(case.history))):
        running.step(outcome, batch, context(window_days=dice.choice((1, 2, 7, 30, 60))))
    bodies = {(event["topic"], event["offset"]): event.get("body") for event in running.told(case.history)}
    times = Counter(bodies[place] for place in running.accepted(outcome))
    assert max(times.values(), default=0) <= 1
    assert running.frozen(running.folded(outcome.journal, context())) == running.frozen(outcome.state)
