"""Histories near now: many accounts over all topics, each of its own shape, for a broker whose time is real.

A history of the property tests is dated anew: its end is now, its times of day stay. What lies outside the window
keeps its distance to it, with room for the seconds that publishing takes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from tests.events import Event, frame
from tests.oracle.history import DAY, MINUTE, Rules
from tests.oracle.vocabulary import TYPES
from tests.property.histories import HOUR, SECOND, rolled
from tests.property.running import Sent
from tests.property.shapes import BUSY, CONTACTS, DENSE, MONTHS, NEAR, Shape

RULES = Rules(window_days=30, unique_days=31, person_profiles_max=4)
ACCOUNTS_OF_A_SHAPE = 6
EVENTS_OF_AN_ACCOUNT = 110
PUBLISHING = 10 * MINUTE  # longer than any test publishes: what is that far from a bound stays on its side of it

_ASIDE = ("profile_merged", "profile_split", "account_plan_set")  # shapes have a word of their own for these
_SHAPES = {
    "near": NEAR,
    "dense": DENSE,
    "months": MONTHS,
    "busy": BUSY,
    "contacts": CONTACTS,
    "wide": replace(NEAR, types=tuple(name for name in TYPES if name not in _ASIDE)),
}
_CYCLE_ENDS = (-29, -20, -7, -6, -2, -1, 0, 1, 2)  # days from now on which cycles begin


def histories(
    seed: int, now: int, accounts: int = ACCOUNTS_OF_A_SHAPE, events: int = EVENTS_OF_AN_ACCOUNT
) -> dict[str, list[Sent]]:
    """By account: what its sources send, copies included, before it is mixed. `now`: UTC microseconds.

    `accounts` of each shape, with `events` each.
    """
    dice = random.Random(f"{seed} histories")
    days = [datetime.fromtimestamp(now / SECOND, UTC).toordinal() + ahead for ahead in _CYCLE_ENDS]
    anchors = [*(datetime.fromordinal(day).day for day in days), 31]
    found: dict[str, list[Sent]] = {}
    for number in range(accounts):
        for name, shape in _SHAPES.items():
            account = f"{name}-{number}"
            own = replace(shape, accounts=(account,), anchors=_anchors(shape, anchors))
            drawn = rolled(dice.randrange(1 << 32), own, RULES, events)
            found[account] = _dated(drawn, account, now)
    return found


def _anchors(shape: Shape, anchors: list[int]) -> Sequence[int]:
    """A busy account changes its plan often and its cycle seldom."""
    return [anchors[-3]] * 4 + anchors[:2] if len(set(shape.anchors)) <= 2 else anchors


def _dated(history: list[Sent], account: str, now: int) -> list[Sent]:
    """Copies stay copies: what has the same bytes is dated alike."""
    end = max(sent.arrived_ms for sent in history) * 1000
    days = (now - end) // DAY
    known: dict[bytes, Sent] = {}
    for sent in history:
        if sent.event is not None and sent.value is not None and sent.value not in known:
            known[sent.value] = _moved(sent, sent.event | _owned(sent.event, account), days, now)
    return [known[sent.value] if sent.event is not None and sent.value is not None else sent for sent in history]


def _owned(event: Event, account: str) -> Event:
    """Bad events are some account's too; one that names none stays so."""
    return {"account_id": account} if event["account_id"] else {}


def _moved(sent: Sent, event: Event, days: int, now: int) -> Sent:
    one = event | {"occurred_at": _occurred_at(event["occurred_at"], sent.arrived_ms * 1000, days, now)}
    return sent._replace(event=one, value=frame(one))


def _occurred_at(occurred_at: int, arrived_at: int, days: int, now: int) -> int:
    lag, window = arrived_at - occurred_at, RULES.window_days * DAY
    if lag < -RULES.future_minutes_max * MINUTE:
        return now + RULES.future_minutes_max * MINUTE + PUBLISHING
    if lag < 0:
        return now - lag
    if lag == window:
        return now - window + PUBLISHING
    if lag > window - 2 * HOUR:
        return now - window - SECOND
    found = occurred_at + days * DAY
    while found < now - window + PUBLISHING:
        found += (RULES.window_days - 1) * DAY
    return found
