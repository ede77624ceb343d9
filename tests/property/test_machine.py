"""A worker's life, drawn step by step: batches, copies, merges, splits, plans, restarts; the oracle judges it all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.core import fold
from pipeline.core.record import decode
from pipeline.core.state import State
from tests.events import Event, context, frame, merge, plan, split, topic_of
from tests.oracle.history import DAY
from tests.property import running
from tests.property.budget import EXAMPLES, TIMES
from tests.property.cases import SMALL
from tests.property.dice import Rolled
from tests.property.histories import History
from tests.property.running import Outcome, Sent
from tests.property.shapes import PROFILES, Shape
from tests.property.test_against_oracle import compare

STEPS = 8
DAY_MS = DAY // 1000
# What the machine does itself happens nowhere else.
TOUCHES = Shape(operations=False, plans=False, copies=False)

seeds = st.integers(0, 1 << 16)
profiles = st.sampled_from(PROFILES)
lags = st.sampled_from((0, 0, 1, DAY, 3 * DAY))  # microseconds from an operation's time to its arrival


class CoreAgainstOracle(RuleBasedStateMachine):
    """One partition. What the oracle says of the whole history holds at the end of every run, however short."""

    def __init__(self) -> None:
        super().__init__()
        self.made = History(Rolled(0), TOUCHES, SMALL)
        self.outcome, self.folded = Outcome(), State()
        self.context = context(**SMALL._asdict())

    @rule(seed=seeds, size=st.integers(1, 4))
    def read_a_batch(self, seed: int, size: int) -> None:
        self.made.dice = Rolled(seed)
        self._step(len(self.made.sent), lambda: self.made.grow(size))

    @precondition(lambda self: self.made.sent)
    @rule(back=st.integers(1, 12))
    def read_a_suffix_again(self, back: int) -> None:
        again = [sent._replace(arrived_ms=self.made.now_ms) for sent in self.made.sent[-back:]]
        self._step(len(self.made.sent), lambda: self.made.sent.extend(again))

    @rule(sources=st.sets(profiles, min_size=1, max_size=2), into=profiles, lag=lags)
    def merge(self, sources: set[str], into: str, lag: int) -> None:
        self._send(merge(sorted(sources), into), lag)

    @rule(source=profiles, one=profiles, other=profiles, lag=lags)
    def split(self, source: str, one: str, other: str, lag: int) -> None:
        self._send(split(source, {one: [other]} if source == one else {one: [], other: []}), lag)

    @rule(allowance=st.integers(1, 4), anchor_day=st.sampled_from((1, 2, 31)), lag=lags)
    def set_a_plan(self, allowance: int, anchor_day: int, lag: int) -> None:
        self._send(plan(allowance, anchor_day=anchor_day, thresholds=[0.5, 1.0]), lag)

    @rule(days=st.sampled_from((1, 8, 14, 33)))
    def let_time_pass(self, days: int) -> None:
        self.made.now_ms += days * DAY_MS

    @rule()
    def restart_from_a_snapshot(self) -> None:
        self.outcome.state = running.thawed(self.outcome.state)

    @invariant()
    def the_state_is_the_fold_of_the_journal(self) -> None:
        assert running.frozen(self.folded) == running.frozen(self.outcome.state)

    def teardown(self) -> None:
        if self.made.sent:
            compare(self.made.sent, self.outcome, SMALL)

    def _send(self, one: Event, lag: int) -> None:
        fields = {"account_id": "a", "event_id": f"o{len(self.made.sent)}"}
        one = one | fields | {"occurred_at": self.made.now_ms * 1000 - lag}
        sent = Sent(topic_of(one["type"]), self.made.now_ms, frame(one), one)
        self._step(len(self.made.sent), lambda: self.made.sent.append(sent))

    def _step(self, known: int, grow: Callable[[], Any]) -> None:
        """Let the history grow behind its `known` records, and the core read what is new."""
        grow()
        self.made.stream_ms = max(self.made.stream_ms, self.made.now_ms)
        journal = len(self.outcome.journal)
        for batch in running.batches(self.made.sent, {known})[1 if known else 0 :]:
            running.step(self.outcome, batch, self.context)
        for value in self.outcome.journal[journal:]:
            fold.apply(self.folded, decode(value)[1], self.context.seed)


TestMachine = CoreAgainstOracle.TestCase
TestMachine.settings = settings(
    max_examples=EXAMPLES * TIMES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
