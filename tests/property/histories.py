"""Random histories in tiny id spaces, so that everything collides: copies, merges, loops, ties, plans, month ends."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

from tests.events import Event, event, frame, merge, plan, split, topic_of
from tests.oracle.history import DAY, MINUTE, Rules
from tests.property.running import Sent

T = TypeVar("T")

SECOND, HOUR = 1_000_000, 60 * MINUTE
_DAY_MS = DAY // 1000

# Repeated: more likely.
ACCOUNTS = ("a", "a", "a", "b")
PROFILES = ("p1", "p2", "p3", "p4", "p5")
MESSAGES = ("m1", "m1", "m1", "m1", "m1", "m2", None, "")
CAMPAIGNS = ("c1", "c1", "c1", "c2", None, "m1")
LINKS = ("l1", "l1", "l2", None, "")
ZONES = (
    "UTC", "Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/Asuncion", "Asia/Kathmandu",
    "Pacific/Kiritimati", "America/St_Johns",
)  # fmt: skip
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

_TOUCHES = (
    "email_opened", "email_clicked", "email_unique_opened", "email_unique_clicked", "viber_clicked",
    "viber_unique_clicked", "email_proxy_opened", "whatsapp_opened", "email_sent", "telegram_clicked",
)  # fmt: skip
_OTHERS = ("crm_purchase", "profile_updated", "account_system", "crm_custom")
_TO_MIDNIGHT = -1  # to the next one, UTC
_GAPS = (0, 0, 0, 1, 1000, 60_000, 3_600_000, 11 * 3_600_000, _TO_MIDNIGHT)  # milliseconds
_LONG_GAPS = (*_GAPS * 2, *(days * _DAY_MS for days in (1, 1, 3, 8, 9, 33)))
_LAGS = (0, 0, 1, SECOND, HOUR, 13 * HOUR, DAY, 3 * DAY, -5 * MINUTE)
_BROKEN = (
    (None, "not_framed"),
    (b"", "not_framed"),
    (b"\x01\x00\x00\x00\x01", "not_framed"),
    (b"\x00\x00\x00\x03\xe7rest", "unknown_schema"),
    (b"\x00\x00\x00\x00\x01\x02a\x02", "undecodable"),
)


class Dice(Protocol):
    """Where chance comes from: hypothesis, or a seed."""

    def choose(self, options: Sequence[T]) -> T:
        """One of the options; the first are the simplest."""


class _Drawn:
    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def choose(self, options: Sequence[T]) -> T:
        chosen: T = self._draw(st.sampled_from(options))
        return chosen


class _Rolled:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, options: Sequence[T]) -> T:
        return self._random.choice(options)


@dataclass(frozen=True)
class Shape:
    """What may happen in a history."""

    size: int = 30
    long_gaps: bool = True
    outside_window: bool = True
    conflicts: bool = True
    copies: bool = True
    bad: bool = True
    operations: bool = True
    plans: bool = True
    tests: bool = True
    accounts: Sequence[str] = ACCOUNTS
    profiles: Sequence[str] = PROFILES
    messages: Sequence[str | None] = MESSAGES
    anchors: Sequence[int] = (1, 2, 4, 15, 28, 30, 31)
    zones: Sequence[str] = ZONES
    types: Sequence[str] = (*_TOUCHES[:2] * 6, *_TOUCHES[2:4] * 2, *_TOUCHES, *_OTHERS)


NEAR = Shape(long_gaps=False)
# A few contacts who open one message again and again, and who are merged and split.
DENSE = Shape(
    size=40,
    long_gaps=False,
    outside_window=False,
    bad=False,
    plans=False,
    accounts=("a",),
    profiles=("p1", "p2", "p3", "p4"),
    messages=("m1", "m1", "m1", "m2"),
    types=("email_opened", "email_clicked", "email_opened", "email_unique_opened", "email_unique_clicked"),
)

# One account that uses its allowance up and changes its plan again and again.
BUSY = Shape(
    long_gaps=False,
    outside_window=False,
    bad=False,
    operations=False,
    copies=False,
    accounts=("a",),
    anchors=(2, 2, 2, 2, 15),
    zones=("UTC", "UTC", "UTC", "Asia/Kathmandu"),
    types=("crm_purchase", "crm_purchase", "email_opened", "email_sent"),
)


@dataclass
class _History:
    """A history in the making. `anchor` is an instant near which events share their times, for ties."""

    dice: Dice
    shape: Shape
    rules: Rules
    anchor: int
    now_ms: int = 0
    stream_ms: int = 0


@st.composite
def histories(draw: Callable[[st.SearchStrategy[Any]], Any], shape: Shape, rules: Rules = Rules()) -> list[Sent]:  # noqa: B008
    """What reaches one partition, in the order of arrival."""
    sizes = (*range(1, 6), *(shape.size // part for part in (4, 3, 2, 2, 1, 1, 1)))
    return _made(_Drawn(draw), shape, rules, draw(st.sampled_from(sizes)))


def rolled(seed: int, shape: Shape, rules: Rules, size: int) -> list[Sent]:
    """The history of a seed: longer ones than hypothesis makes."""
    return _made(_Rolled(seed), shape, rules, size)


def _made(dice: Dice, shape: Shape, rules: Rules, size: int) -> list[Sent]:
    start = dice.choose(STARTS)
    made = _History(dice, shape, rules, start, start // 1000, start // 1000)
    found: list[Sent] = []
    for _ in range(size):
        gap = dice.choose(_LONG_GAPS if shape.long_gaps else _GAPS)
        made.now_ms += gap if gap >= 0 else _DAY_MS - made.now_ms % _DAY_MS
        arrived_ms = made.now_ms - dice.choose((0,) * 9 + (1, 3_600_000))  # brokers' clocks differ
        made.stream_ms = max(made.stream_ms, arrived_ms)
        found.append(_sent(made, arrived_ms, found))
    return found


def _sent(made: _History, arrived_ms: int, before: list[Sent]) -> Sent:
    dice, shape = made.dice, made.shape
    chance = dice.choose(range(20))
    earlier = [sent for sent in before if sent.event is not None]
    if earlier and shape.copies and chance >= 16:
        sent = dice.choose(earlier[-8:])._replace(arrived_ms=arrived_ms)
        return _altered(dice, sent) if shape.conflicts and chance == 19 else sent
    if shape.bad and chance == 15:
        return _bad(dice, arrived_ms)
    fields = _common(made, arrived_ms, f"e{len(before)}")
    if shape.operations and 11 <= chance <= 14:
        return _of(_operation(dice, shape, fields), arrived_ms)
    if shape.plans and 9 <= chance <= 10:
        return _of(_plan(dice, shape, fields), arrived_ms)
    return _of(_touch(dice, shape, fields), arrived_ms)


def _of(one: Event, arrived_ms: int) -> Sent:
    return Sent(topic_of(one["type"]), arrived_ms, frame(one), one)


def _common(made: _History, arrived_ms: int, own_id: str) -> dict[str, Any]:
    dice = made.dice
    return {
        "account_id": dice.choose(made.shape.accounts),
        "event_id": dice.choose((*(own_id,) * 6, None, "", "e1")),
        "occurred_at": dice.choose(_times(made, arrived_ms)),
        "is_test": made.shape.tests and dice.choose(range(16)) == 15,
    }


def _times(made: _History, arrived_ms: int) -> list[int]:
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
    if name in _TOUCHES:
        ids = {"message_id": shape.messages, "campaign_id": CAMPAIGNS, "link": LINKS}
        fields |= {field: dice.choose(values) for field, values in ids.items()}
    return event(name, **fields)


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
        dice.choose((1, 2, 3, 5, 10)),
        anchor_day=dice.choose(shape.anchors),
        time_zone=dice.choose(shape.zones),
        thresholds=dice.choose(([0.8, 0.9, 1.0], [1.0], [0.5, 0.1, 0.5], [2.0], [])),
        activities=dice.choose((None, None, ["email_opened", "crm_purchase"], [])),
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
