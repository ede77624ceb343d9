"""Random histories in tiny id spaces, so that everything collides: copies, merges, loops, ties, plans, month ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.events import Event, event, frame, merge, plan, split, topic_of
from tests.oracle.history import DAY, MINUTE, Rules
from tests.oracle.vocabulary import TYPES
from tests.property.contact_words import words
from tests.property.dice import Dice, Drawn, Rolled
from tests.property.running import Sent
from tests.property.shapes import Shape

SECOND, HOUR = 1_000_000, 60 * MINUTE
_DAY_MS = DAY // 1000

CAMPAIGNS = ("c1", "c1", "c1", "c2", None, "m1")
LINKS = ("l1", "l1", "l2", None, "")
# Starts of histories, UTC: month ends, a leap day, clocks that skip midnight (Sao Paulo, Cairo, Beirut, Asuncion).
STARTS = tuple(
    day * DAY + 22 * HOUR
    for day in (
        19_780,  # 2024-02-27
        19_814,  # 2024-04-01
        17_836,  # 2018-11-01, Sao Paulo skips midnight on the 4th
        19_473,  # 2023-04-26, Cairo skips midnight on the 28th
        19_811,  # 2024-03-29, Beirut skips midnight on the 31st
        19_999,  # 2024-10-03, Asuncion skips midnight on the 6th
        20_087,  # 2024-12-30
    )
)

_TO_MIDNIGHT = -1  # to the next one, UTC
_GAPS = (0, 0, 0, 0, 0, 1, 1, 1000, 1000, 60_000, 3_600_000, 11 * 3_600_000, _TO_MIDNIGHT)  # milliseconds
_LONG_GAPS = (*_GAPS * 2, *(days * _DAY_MS for days in (1, 1, 3, 8, 9, 33)))
_LAGS = (0, 0, 1, SECOND, HOUR, 13 * HOUR, DAY, 3 * DAY, -5 * MINUTE)
_BROKEN = (
    (None, "not_framed"),
    (b"", "not_framed"),
    (b"\x01\x00\x00\x00\x01", "not_framed"),
    (b"\x00\x00\x00\x03\xe7rest", "unknown_schema"),
    (b"\x00\x00\x00\x00\x01\x02a\x02", "undecodable"),
)

# What a collector says of a delivery that it could not translate.
_REFUSED = {"reason": "missing_field", "detail": "profile_id", "raw": "eyJhIjogMX0=", "size": "8"}


@dataclass
class History:
    """A history in the making. `anchor` is an instant near which events share their times, for ties."""

    dice: Dice
    shape: Shape
    rules: Rules
    sent: list[Sent] = field(default_factory=list)
    anchor: int = 0
    now_ms: int = 0
    stream_ms: int = 0

    def __post_init__(self) -> None:
        self.anchor = self.dice.choose(STARTS)
        self.now_ms = self.stream_ms = self.anchor // 1000

    def grow(self, size: int) -> list[Sent]:
        """So many more records arrive; returns them."""
        for _ in range(size):
            gap = self.dice.choose(_LONG_GAPS if self.shape.long_gaps else _GAPS)
            self.now_ms += gap if gap >= 0 else _DAY_MS - self.now_ms % _DAY_MS
            arrived_ms = self.now_ms - self.dice.choose((0,) * 9 + (1, 3_600_000))  # brokers' clocks differ
            self.stream_ms = max(self.stream_ms, arrived_ms)
            self.sent.append(_sent(self, arrived_ms))
        return self.sent[len(self.sent) - size :]


@st.composite
def histories(draw: Callable[[st.SearchStrategy[Any]], Any], shape: Shape, rules: Rules = Rules()) -> list[Sent]:  # noqa: B008
    """What reaches one partition, in the order of arrival."""
    sizes = (*range(1, 6), *(shape.size // part for part in (4, 3, 2, 2, 1, 1, 1)))
    return History(Drawn(draw), shape, rules).grow(draw(st.sampled_from(sizes)))


def rolled(seed: int, shape: Shape, rules: Rules, size: int) -> list[Sent]:
    """The history of a seed."""
    return History(Rolled(seed), shape, rules).grow(size)


def _sent(made: History, arrived_ms: int) -> Sent:
    dice, shape = made.dice, made.shape
    chance = dice.choose(range(20))
    earlier = [sent for sent in made.sent if sent.event is not None]
    if earlier and shape.copies and chance >= 16:
        sent = dice.choose(earlier[-8:])._replace(arrived_ms=arrived_ms)
        return _altered(dice, sent) if shape.conflicts and chance == 19 else sent
    if shape.bad and chance == 15:
        return _bad(dice, arrived_ms)
    fields = _common(made, arrived_ms, f"e{len(made.sent)}")
    if shape.operations and 11 <= chance <= 14:
        return _of(_operation(dice, shape, fields), arrived_ms)
    if shape.plans and 9 <= chance <= 10:
        return _of(_plan(dice, shape, fields), arrived_ms)
    return _of(_touch(dice, shape, fields), arrived_ms)


def _of(one: Event, arrived_ms: int) -> Sent:
    return Sent(topic_of(one["type"]), arrived_ms, frame(one), one)


def _common(made: History, arrived_ms: int, own_id: str) -> dict[str, Any]:
    dice = made.dice
    return {
        "account_id": dice.choose(made.shape.accounts),
        "event_id": dice.choose((*(own_id,) * 6, None, "", "e1")),
        "occurred_at": dice.choose(_times(made, arrived_ms)),
        "is_test": made.shape.tests and dice.choose(range(16)) == 15,
    }


def _times(made: History, arrived_ms: int) -> list[int]:
    """When it may have occurred: shortly before it arrived, at an instant that others share, at the window's bounds."""
    arrived, oldest = arrived_ms * 1000, made.stream_ms * 1000 - made.rules.window_days * DAY
    times = [arrived - lag for lag in _LAGS]
    halves = (made.anchor + n * DAY // 2 for n in range(-4, 2 * (arrived - made.anchor) // DAY + 1))
    times += [shared for shared in halves if oldest <= shared <= arrived]
    if made.shape.outside_window:
        times += [oldest, oldest - 1, arrived + made.rules.future_minutes_max * MINUTE + 1]
    return times


def _touch(dice: Dice, shape: Shape, fields: dict[str, Any]) -> Event:
    name = dice.choose(shape.types)
    if not name.startswith("account_"):
        fields["profile_id"] = dice.choose((*shape.profiles * 3, None))
    if TYPES[name].channel:
        ids = {"message_id": shape.messages, "campaign_id": CAMPAIGNS, "link": LINKS}
        fields |= {field: dice.choose(values) for field, values in ids.items()}
    return event(name, **fields, **words(dice, shape, name))


def _operation(dice: Dice, shape: Shape, fields: dict[str, Any]) -> Event:
    names: list[str] = []
    for _ in range(dice.choose((2, 2, 3, 4))):
        names.append(dice.choose([name for name in shape.profiles if name not in names]))
    if dice.choose(range(3)):
        return merge(names[1:], names[0], **fields)
    where: dict[str, list[str]] = {name: [] for name in names[: dice.choose((1, 2))]}
    for member in names[len(where) :]:
        where[dice.choose(list(where))].append(member)
    return split(dice.choose(shape.profiles), where, **fields)


def _plan(dice: Dice, shape: Shape, fields: dict[str, Any]) -> Event:
    return plan(
        dice.choose(shape.allowances),
        anchor_day=dice.choose(shape.anchors),
        time_zone=dice.choose(shape.zones),
        thresholds=dice.choose(([0.8, 0.9, 1.0], [1.0], [0.5, 0.1, 0.5], [2.0], [])),
        activities=dice.choose(
            (None, None, ["email_opened", "crm_purchase"], ["account_plan_set", "email_opened"], [])
        ),
        **fields,
    )


def _altered(dice: Dice, sent: Sent) -> Sent:
    """The same identity with another payload, or the same payload from another source."""
    assert sent.event is not None
    change = dice.choose(({"vendor_type": "other"}, {"source": "other"}, {"properties": {"k": "v"}}))
    moved = {"occurred_at": sent.event["occurred_at"] + dice.choose((0, 0, HOUR, 9 * DAY))}
    one = sent.event | change | moved
    return sent._replace(event=one, value=frame(one))


def _bad(dice: Dice, arrived_ms: int) -> Sent:
    fields = {"occurred_at": arrived_ms * 1000, "event_id": dice.choose(("x1", "x2", None))}
    events = (
        event("email_opened", profile_id=" Anonymous", **fields),
        event("email_opened", account_id="", **fields),
        event("email_opened", source="", **fields),
        event("email_exploded", **fields),
        merge(["p1", "0"], "p2", **fields),
        merge(["p1", "p2"], "p2", **fields),
        merge(["p1"], None, **fields),
        merge([], "p1", **fields),
        split("p1", {"p2": ["p2"]}, **fields),
        split(None, {"p2": []}, **fields),
        plan(0, **fields),
        plan(5, time_zone="Mars/Olympus", **fields),
        plan(5, anchor_day=32, **fields),
        event("account_delivery_refused", properties=_REFUSED, **fields),
        event("account_delivery_refused", properties=_REFUSED | {"reason": "too_late"}, **fields),
    )
    number = dice.choose(range(len(events) + len(_BROKEN) + 1))
    if number < len(events):
        return _of(events[number], arrived_ms)
    if number < len(events) + len(_BROKEN):
        value, reason = _BROKEN[number - len(events)]
        return Sent("events.email", arrived_ms, value, None, reason)
    return _of(event("email_opened", profile_id="p1", **fields), arrived_ms)._replace(topic="events.sms")


def cuts(size: int = 40) -> st.SearchStrategy[set[int]]:
    """Where a history is cut into batches."""
    return st.sets(st.integers(1, size), max_size=6)


def canonical(history: Iterable[Sent]) -> str:
    """A history in words, for notes of failures."""
    shown = [
        {"arrived_ms": sent.arrived_ms, "topic": sent.topic, **{k: v for k, v in (sent.event or {}).items() if v}}
        for sent in history
    ]
    return "\n".join(json.dumps(one) for one in shown)
