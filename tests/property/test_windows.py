"""No event counts twice, whatever the window was: rules change from batch to batch, copies come at any time."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given, note
from hypothesis import strategies as st

from tests.events import context
from tests.property import running
from tests.property.budget import examples
from tests.property.histories import canonical, cuts, histories
from tests.property.running import Outcome, Sent
from tests.property.shapes import NEAR, Shape

# Copies that carry the same payload: one identity sent again with a later `occurred_at` may be a new event.
LONG = Shape(conflicts=False, plans=False, bad=False)


@given(histories(LONG) | histories(replace(NEAR, conflicts=False)), cuts(), st.integers(0, 1 << 32))
@examples()
def test_no_copy_is_accepted_whatever_windows_there_were(history: list[Sent], where: set[int], seed: int) -> None:
    note(canonical(history))
    dice, outcome = random.Random(seed), Outcome()
    for batch in running.batches(history, where):
        running.step(outcome, batch, context(window_days=dice.choice((1, 2, 7, 30, 60))))
    sent = {(event["topic"], event["offset"]): event for event in running.told(history)}
    times = Counter(sent[place]["body"] for place in running.accepted(outcome))
    assert max(times.values(), default=0) <= 1
    assert running.frozen(running.folded(outcome.journal, context())) == running.frozen(outcome.state)
