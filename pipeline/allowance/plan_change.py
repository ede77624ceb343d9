"""What setting a plan changes: by the core's own rules, on what is known of the account.

In:   the account's plans and cycles, the options given.  Out: the plan as it will be said, and what follows from it.
Time: UTC microseconds; the plan's own instant is the only clock.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.allowance.rows import NO_PLAN, SECOND_US, Cycle
from pipeline.core import accounts as core
from pipeline.core.accounts import Accounts, judge, needed
from pipeline.core.allowance import Activities, Book
from pipeline.core.cycles import cycle_of
from pipeline.core.hashing import Codes
from pipeline.core.record import Plan
from pipeline.core.vocabulary import Vocabulary

TYPE = "account_plan_set"
SOURCE = "tally"  # of events that the commands publish
THRESHOLDS = (0.8, 0.9, 1.0)
_NEAR_MAX = 3
_IDENTITY_MAX = (1 << 64) - 1  # of a plan that has no identity yet: of one instant it is the last one


class Given(NamedTuple):
    """The options of a plan; None keeps what the present plan says. `activities` () means the default list."""

    allowance: int
    anchor_day: int | None = None
    time_zone: str | None = None
    thresholds: tuple[float, ...] | None = None
    activities: tuple[str, ...] | None = None


class Told(NamedTuple):
    """A field of the plan to be: its value and where that is from (given, kept, default)."""

    field: str
    value: Any
    origin: str


class Change(NamedTuple):
    """A cycle that the plan judges anew. `before` is None without a plan until now; `fires` are alerts at once."""

    start: int
    end: int
    used: int
    before: int | None
    after: int
    fires: tuple[float, ...]
    armed: tuple[float, ...]
    armed_again: tuple[float, ...]


class Foretold(NamedTuple):
    """What follows from a plan. `boundaries`: the cycle of its instant, before and after.

    `holds`: no plan that was set later holds on.
    """

    holds: bool
    boundaries: tuple[tuple[int, int], tuple[int, int]]
    changes: list[Change]


def completed(given: Given, present: Plan | None) -> list[Told]:
    """The plan's fields, what was not given taken from the present plan, or the default."""
    if present is None:
        rest: tuple[Any, ...] = (*NO_PLAN, THRESHOLDS, None)
    else:
        rest = (present.anchor_day, present.time_zone, present.thresholds, present.activities)
    origin = "default" if present is None else "kept"
    told = [Told("allowance", given.allowance, "given")]
    for field, own, other in zip(Given._fields[1:], given[1:], rest, strict=True):
        told.append(Told(field, other, origin) if own is None else Told(field, own, "given"))
    return [one._replace(value=None) if one.field == "activities" and one.value == () else one for one in told]


def event(account: str, told: Sequence[Told], occurred_at: str) -> dict[str, Any]:
    """The event of a plan, with the fields of SEMANTICS 9; `occurred_at` is RFC 3339."""
    plan = {one.field: list(one.value) if isinstance(one.value, tuple) else one.value for one in told}
    return {"account_id": account, "source": SOURCE, "type": TYPE, "occurred_at": occurred_at, "plan": plan}


def line(said: Mapping[str, Any]) -> bytes:
    """The event as a line of JSON, as `tally produce` reads them."""
    return json.dumps(said).encode()


def plan_of(account: str, told: Sequence[Told], at: int) -> Plan:
    """The plan as the core keeps it."""
    said = {one.field: one.value for one in told}
    return Plan(account_id=account, occurred_at=at, identity=_IDENTITY_MAX, **said)


def foretell(cycles: Sequence[Cycle], plans: tuple[Plan, ...], plan: Plan, vocabulary: Vocabulary) -> Foretold:
    """What the core does with a plan that arrives next."""
    account = plan.account_id
    known = {cycle.start * SECOND_US: _cycle(cycle, plans) for cycle in cycles}
    defaults = vocabulary.default_activities
    book = Book(Accounts({account: known}, {account: plans} if plans else {}), defaults.__contains__)
    book.count_with_plans(_own_event(plan), [(0, plan)])
    fired: dict[int, list[float]] = {}
    for alert in book.alerts():
        if alert.plan == plan.identity:
            fired.setdefault(alert.cycle_start, []).append(alert.threshold)
    after = core.with_plan(plans, plan)
    changes = []
    for one in sorted(book.allowance(), key=lambda one: one.cycle_start):
        judged = judge(after, one.cycle_end)
        if judged is None:
            continue
        was = known.get(one.cycle_start)
        before = judge(plans, one.cycle_end) if was else None
        armed = tuple(t for t in judged.thresholds if t not in one.crossed)
        again = tuple(t for t in armed if was and t in was.crossed)
        limits = (before.allowance if before else None, judged.allowance)
        fires = tuple(sorted(fired.get(one.cycle_start, ())))
        changes.append(Change(one.cycle_start, one.cycle_end, one.used, *limits, fires, armed, again))
    anchor = (plans[-1].anchor_day, plans[-1].time_zone) if plans else NO_PLAN
    last = (after[-1].anchor_day, after[-1].time_zone)
    boundaries = (cycle_of(*anchor, plan.occurred_at), cycle_of(*last, plan.occurred_at))
    return Foretold(after[-1] is plan, boundaries, changes)


def near(name: str, known: Collection[str]) -> list[str]:
    """The known names nearest to one, whatever the case; the last part of a path such as Europe/Berlin is enough."""
    by_words: Mapping[str, list[str]] = _by_words(known)
    found = difflib.get_close_matches(name.lower().strip().replace(" ", "_"), by_words, n=_NEAR_MAX, cutoff=0.7)
    return list(dict.fromkeys(one for words in found for one in by_words[words]))[:_NEAR_MAX]


def _by_words(known: Collection[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(known):
        for words in {name.lower(), name.lower().rpartition("/")[2]}:
            found.setdefault(words, []).append(name)
    return found


def _cycle(cycle: Cycle, plans: tuple[Plan, ...]) -> core.Cycle:
    """A cycle as the core has it: crossed is what it reached, as activities are never taken back."""
    end = cycle.end * SECOND_US
    judged = judge(plans, end)
    reached = (t for t in judged.thresholds if cycle.used >= needed(t, judged.allowance)) if judged else ()
    return core.Cycle(end, cycle.used, cycle.used_as_closed, frozenset(reached))


def _own_event(plan: Plan) -> Activities:
    """The plan's own event, which a set of activities may name."""
    one, zero = np.array([plan.occurred_at], np.int64), np.zeros(1, np.int64)
    code = np.zeros(1, np.int32)
    return Activities(zero, zero, Codes.of(code, [plan.account_id]), one, one, Codes.of(code, [TYPE]))
