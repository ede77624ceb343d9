"""What a plan would change, foretold from what the views have, is what the core then decides."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.producer.rows import Message, Translator
from pipeline.allowance import plan_change
from pipeline.allowance.plan_change import Given
from pipeline.allowance.rows import SECOND_US, Cycle
from pipeline.core import validate, vocabulary
from pipeline.core.batch import Slab
from pipeline.core.record import Allowance, Plan
from pipeline.core.vocabulary import Vocabulary
from pipeline.topics import SCHEMAS
from tests.events import context, event, frame, topic_of
from tests.property import running
from tests.property.budget import EXAMPLES, examples
from tests.property.running import Outcome, Sent

TYPES: Vocabulary = vocabulary.load()
DAY_US = 86_400_000_000
BEGIN = 19_800 * DAY_US
ZONES = ("UTC", "Europe/Berlin", "Pacific/Auckland", "America/Sao_Paulo")
SETS = (None, None, ("email_opened", "account_plan_set"), ("account_plan_set",), ("sms_sent",))
STEPS = 2
PLANS = 2 * EXAMPLES


class World:
    """One account, as the core and as ClickHouse's views have it."""

    def __init__(self, dice: random.Random) -> None:
        self.dice, self.now, self.number = dice, BEGIN, 0
        self.outcome = Outcome()

    def say(self, one: dict[str, Any]) -> list[Any]:
        """One event arrives, in a batch of its own; returns the records."""
        before = len(self.outcome.records)
        sent = Sent(topic_of(one["type"]), self.now // 1000, frame(one), one)
        read = [source for record in self.outcome.records for source in record.sources if source.topic == sent.topic]
        offset = sum(source.next - source.first for source in read)
        running.step(self.outcome, [Slab(sent.topic, offset, sent.arrived_ms, [sent.value])], context())
        return self.outcome.records[before:]

    def use(self) -> None:
        """Some activities on a day of the window, own types too."""
        at = self.now - self.dice.randrange(6 * DAY_US)
        for _ in range(self.dice.randrange(1, 6)):
            self.number += 1
            type_ = self.dice.choice(("email_opened", "email_opened", "sms_sent"))
            self.say(event(type_, occurred_at=at, event_id=f"n{self.number}", profile_id="p"))

    def plans(self) -> tuple[Plan, ...]:
        found = [plan for record in self.outcome.records for plan in record.plans]
        return tuple(sorted(found, key=lambda plan: (plan.occurred_at, plan.identity)))

    def cycles(self) -> list[Cycle]:
        last: dict[int, Allowance] = {}
        for record in self.outcome.records:
            last |= {one.cycle_start: one for one in record.allowance}
        return [_row(one) for one in last.values()]

    def given(self) -> Given:
        thresholds = self.dice.choice((None, (0.5, 1.0), (0.8,), (), (0.1, 0.8, 2.5)))
        activities = self.dice.choice(SETS)
        return Given(
            self.dice.choice((3, 5, 5, 8, 20, 100)),
            self.dice.choice((None, 1, 15, 31)),
            self.dice.choice((None, *ZONES)),
            thresholds,
            activities,
        )


def _row(one: Allowance) -> Cycle:
    times = one.cycle_start // SECOND_US, one.cycle_end // SECOND_US
    return Cycle("acme", *times, one.allowance, one.used_as_closed, one.used, None, None, *[None] * 9)


@examples()
@given(st.integers(0, (1 << 32) - 1))
def test_what_is_foretold_of_a_plan_is_what_the_core_decides(case: int) -> None:
    dice = random.Random(case)
    world = World(dice)
    for _ in range(STEPS):
        world.now += dice.randrange(1, 3 * DAY_US)
        world.use()
        if dice.random() < 0.5:
            _set(world)


def _set(world: World) -> None:
    plans = world.plans()
    at = world.now - world.dice.choice((0, 0, 0, world.dice.randrange(6 * DAY_US)))
    told = plan_change.completed(world.given(), plans[-1] if plans else None)
    plan = plan_change.plan_of("acme", told, at)
    known = world.cycles()
    foretold = plan_change.foretell(known, plans, plan, TYPES)
    said = {one.field: list(one.value) if isinstance(one.value, tuple) else one.value for one in told}
    # The day's forecasts come before it, with a record of their own where the stream's day changes.
    records = world.say(event("account_plan_set", source="tally", occurred_at=at, plan=said))
    alerts = [a for r in records for a in r.alerts if a.kind == "threshold" and a.plan == r.plans[-1].identity]
    fired = sorted((change.start, t, change.used) for change in foretold.changes for t in change.fires)
    assert sorted((a.cycle_start, a.threshold, a.used) for a in alerts) == fired
    then = {one.start: one for one in world.cycles()}
    before = {one.start: one for one in known}
    crossed = {a.cycle_start: a.crossed for r in records for a in r.allowance}
    assert sorted(crossed) == [change.start for change in foretold.changes if change.start in crossed]
    for change in foretold.changes:
        found = then[change.start // SECOND_US]
        assert (found.end * SECOND_US, found.used, found.allowance) == (change.end, change.used, change.after)
        assert set(change.armed).isdisjoint(crossed[change.start])
        was = before.get(change.start // SECOND_US)
        assert change.before == (was.allowance if was else None)
        assert set(change.armed_again) <= set(change.armed)
    assert then.keys() - before.keys() <= {change.start // SECOND_US for change in foretold.changes}
    assert foretold.holds == (world.plans()[-1] == records[-1].plans[-1])


def test_the_producer_takes_the_plans_that_the_core_takes(seed: int) -> None:
    """Two judges of one plan: what a command lets through is never rejected later, and what is right is let through."""
    dice = random.Random(f"{seed} plans")
    translator = Translator(TYPES, dict.fromkeys(SCHEMAS, 1))
    verdicts = set()
    for _ in range(PLANS):
        thresholds = sorted({dice.choice((0.5, 0.8, 1.0, 3.0, 0.0, -1.0)) for _ in range(dice.randrange(4))})
        told = plan_change.completed(
            Given(
                dice.choice((0, 1, 5, 10**15, 10**15 + 1)),
                dice.choice((0, 1, 28, 31, 32)),
                dice.choice((*ZONES, "Mars/Olympus", "", "../etc")),
                tuple(thresholds)
                if dice.random() < 0.9
                else tuple(n / 40 + 0.1 for n in range(dice.randrange(30, 36))),
                dice.choice(((), ("email_opened",), ("nonsense",))),
            ),
            None,
        )
        said = plan_change.event("acme", told, "2026-11-21T10:00:00Z")
        line = plan_change.line(said)
        is_right = validate.plan_fault(TYPES, said) is None
        verdicts.add(is_right)
        assert isinstance(translator.translate(line, 1), Message) is is_right, said
    assert verdicts == {True, False}


test_the_producer_takes_the_plans_that_the_core_takes.cases = PLANS  # type: ignore[attr-defined]
