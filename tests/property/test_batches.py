"""How a history falls into batches, restarts and replays changes nothing that counts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline.core import fold, state
from pipeline.core.decide import decide
from pipeline.core.record import Link, decode, encode
from pipeline.core.state import State
from pipeline.state.snapshots import Header, Snapshots, read_columns, read_header
from pipeline.state.store import Mark
from tests.property import running
from tests.property.cases import SHORT, Case, every_case, some_cuts
from tests.property.running import Outcome
from tests.property.shapes import CONTACTS, DENSE, NEAR


@every_case()
def test_any_cutting_into_batches_gives_the_same_sums(case: Case) -> None:
    dice = case.dice()
    here, there = (running.run(case.history, some_cuts(dice, len(case.history)), case.context) for _ in range(2))
    assert running.sums(here) == running.sums(there)


@every_case({"dense": DENSE, "near": NEAR, "contacts": CONTACTS}, sizes=SHORT)
def test_any_cutting_into_batches_leaves_the_same_knowledge(case: Case) -> None:
    where = some_cuts(case.dice(), len(case.history))
    alone, together = (running.run(case.history, cut, case.context) for cut in (range(len(case.history)), where))
    assert running.knowledge(alone.state) == running.knowledge(together.state)


@every_case()
def test_after_every_step_the_state_is_the_fold_of_the_journal_byte_for_byte(case: Case) -> None:
    outcome, folded = Outcome(), State()
    for batch in running.batches(case.history, some_cuts(case.dice(), len(case.history))):
        known = len(outcome.journal)
        running.step(outcome, batch, case.context)
        for value in outcome.journal[known:]:
            fold.apply(folded, decode(value)[1], case.context.seed)
        assert running.frozen(folded) == running.frozen(outcome.state)


@every_case()
def test_a_state_that_went_through_snapshots_goes_on_byte_for_byte_the_same(case: Case) -> None:
    dice, through = case.dice(), Outcome()
    where = some_cuts(dice, len(case.history))
    for batch in running.batches(case.history, where):
        running.step(through, batch, case.context)
        if dice.randrange(3):
            through.state = running.thawed(through.state)
    live = running.run(case.history, where, case.context)
    assert through.journal == live.journal
    assert running.frozen(through.state) == running.frozen(live.state)


@every_case(sizes=SHORT)
def test_a_snapshot_on_disk_gives_back_what_was_written(case: Case) -> None:
    outcome = running.run(case.history, (), case.context)
    header = Header(0, Mark(len(outcome.journal), 7, 8), {"events.email": 3}, case.context.rules, {}, 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Snapshots(Path(folder)).write(header, state.columns(outcome.state))
        assert read_header(path) == header
        again = state.from_columns(read_columns(path))
    assert running.frozen(again) == running.frozen(outcome.state)


@every_case()
def test_deciding_touches_nothing_and_says_the_same_again(case: Case) -> None:
    outcome, link = Outcome(), Link(1, 0, "test")
    for batch in running.batches(case.history, some_cuts(case.dice(), len(case.history))):
        for part in running.window.cut_days(outcome.state.stream_time, batch):
            before = running.frozen(outcome.state)
            first, second = (encode(decide(outcome.state, part, case.context), link) for _ in range(2))
            assert first == second
            assert running.frozen(outcome.state) == before
            fold.apply(outcome.state, decode(first)[1], case.context.seed)


@every_case()
def test_a_suffix_read_again_is_nothing_but_copies(case: Case) -> None:
    dice, history = case.dice(), running.without_conflicts(case.history)
    again = history[dice.randrange(len(history)) :]
    where = some_cuts(dice, len(history))
    outcome = running.run(history, where, case.context)
    before, known = running.sums(outcome), len(outcome.records)
    for batch in running.batches([*history, *again], {*where, len(history)})[len(running.batches(history, where)) :]:
        running.step(outcome, batch, case.context)
    assert not any(record.accepted for record in outcome.records[known:])
    after = running.sums(outcome)
    for what in ("accepted", "engagement", "persons", "usage", "activities", "alerts"):
        assert before[what] == after[what]
