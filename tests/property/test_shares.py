"""Tables that grow and forget by the smallest shares say what tables say that do it at once."""

from __future__ import annotations

import pytest

from pipeline.core import table
from tests.property import running
from tests.property.cases import Case, every_case, some_cuts
from tests.property.running import Outcome
from tests.property.shapes import MONTHS, STEADY


def run(case: Case, share: int, restarts: bool = False) -> Outcome:
    """The case's history, with so many rows moved or swept at a call at least."""
    outcome, where = Outcome(), some_cuts(case.dice(), len(case.history))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "SHARE_ROWS_MIN", share)
        for batch in running.batches(case.history, where):
            running.step(outcome, batch, case.context)
            outcome.state = running.thawed(outcome.state) if restarts else outcome.state
    return outcome


@every_case({"months": MONTHS, "steady": STEADY})
def test_what_is_forgotten_by_parts_is_not_seen_meanwhile(case: Case) -> None:
    at_once, by_parts = run(case, table.SHARE_ROWS_MIN), run(case, 1)
    assert by_parts.journal == at_once.journal
    assert running.knowledge(by_parts.state) == running.knowledge(at_once.state)


@every_case({"months": MONTHS, "steady": STEADY})
def test_a_snapshot_amid_a_sweep_goes_on(case: Case) -> None:
    live, through = run(case, 1), run(case, 1, restarts=True)
    assert through.journal == live.journal
    assert running.frozen(through.state) == running.frozen(live.state)
