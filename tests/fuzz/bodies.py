"""Hostile values for the topics: real event bodies of all four schemas, some whole, most damaged, of one seed."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import NamedTuple

import schemas
from pipeline.core.decode import BODY_BYTES_MAX
from pipeline.core.framing import frame
from pipeline.core.vocabulary import TOPICS
from tests.events import SCHEMA_IDS, Event, event, kind_of, merge, plan, split, topic_of
from tests.fuzz.wire import INT64_MAX, INT64_MIN, Piece, long, pieces

WHOLE = 0.3  # of all bodies: enough that merges, plans and uniques go on among the garbage
HOSTILE_PIECE = 0.3  # one piece at its extreme, the body around it whole; the rest has bytes damaged
BROKEN_FRAME = 0.03
WRONG_TOPIC = 0.01
COPY = 0.05  # a value of before once more
SAME_ID = 0.05  # another body with an event id of before

_ID = "########"  # in the places where every event gets its own id
_ACCOUNTS = tuple(f"account {n}" for n in range(24))
_SECOND, _HOUR, _DAY = 1_000_000, 3_600_000_000, 86_400_000_000
_LAGS = (0, 0, 1, _SECOND, _HOUR, _DAY, 6 * _DAY, 7 * _DAY, 8 * _DAY, -_SECOND, -300 * _SECOND, -301 * _SECOND)

_LONGS = tuple(
    long(n)
    for n in (
        INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, -1, 0, 1, 29, 31, 32, 10**15, 10**15 + 1, 1 << 31, 1 << 53,
        1 << 62, -(1 << 62),
    )
)  # fmt: skip
_OVERLONG = (b"\xff" * 9 + b"\x01", b"\xff" * 10 + b"\x01", b"\x80" * 40 + b"\x00", b"\x80\x00", b"\xff")
_TEXTS = (
    b"", b"null", b" Guest\t", b"[object Object]", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    "ü".encode(), "\u2028".encode(), b"x" * 512, b"x" * 513, b"y" * 70_000, b"Europe/Kyiv", b"../etc/passwd",
    b"email_opened", b"profile_merged", b"profile_split", b"account_plan_set", b"account 1", b"p1", b"p2",
)  # fmt: skip
_DOUBLES = tuple(
    struct.pack("<d", x)
    for x in (float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 5e-324, 1.7e308, -1.0, 0.8, 1.0, 1e15)
)
_COUNTS = tuple(long(n) for n in (-1, -2, 1, 2, 1000, 1 << 31, 1 << 40, INT64_MAX, INT64_MIN, -(1 << 40)))
_UNIONS = tuple(long(n) for n in (0, 1, 2, -1, 3, 1 << 31, INT64_MAX, INT64_MIN))
_EXTREMES: dict[str, tuple[bytes, ...]] = {
    "long": _LONGS + _OVERLONG,
    "length": _LONGS + _OVERLONG,
    "count": _COUNTS + _OVERLONG,
    "size": _COUNTS + _OVERLONG,
    "union": _UNIONS + _OVERLONG,
    "boolean": (b"\x00", b"\x01", b"\x02", b"\xff", b""),
    "double": _DOUBLES,
    "text": _TEXTS,
}
_ODD = (b"\x00", b"\x01", b"\x02", b"\x7f", b"\x80", b"\xff", b"\xff" * 9 + b"\x01", b"\xc3", long(1 << 40), long(-1))


class Value(NamedTuple):
    """What reaches a topic."""

    topic: str
    value: bytes | None


class Pattern(NamedTuple):
    """An event in pieces, and where every new one of it differs: when it occurred, its id (-1: it has none)."""

    kind: str
    topic: str
    parts: list[bytes]
    whats: list[str]
    occurred_at: int
    event_id: int


def events(dice: random.Random) -> list[Event]:
    """Events of all four schemas in small id spaces, so that people, facts and plans meet."""
    found: list[Event] = []
    for n in range(120):
        base = {"account_id": dice.choice(_ACCOUNTS), "event_id": dice.choice((_ID, _ID, None))}
        person = [f"p{dice.randrange(30)}" for _ in range(4)]
        touch = base | {
            "profile_id": person[0],
            "message_id": dice.choice(("m1", "m2", None)),
            "campaign_id": dice.choice(("c1", "c2", None)),
            "link": dice.choice(("l1", "l2", None)),
            "properties": {"n": str(n), "ü": "ß"},
            "is_test": n % 11 == 0,
        }
        verb = dice.choice(("sent", "opened", "clicked", "unique_opened", "unique_clicked"))
        found += [
            event(f"email_{verb}", **touch),
            event(dice.choice(("viber_clicked", "whatsapp_opened", "telegram_clicked", "push_clicked")), **touch),
            event("crm_purchase", **base, profile_id=person[0], properties={"value": "12"}),
            merge(person[:2], person[2], **base) if n % 2 else split(person[0], {person[1]: person[2:3]}, **base),
            event("profile_updated", **base, profile_id=person[0], attributes={"email": "a@example.org"}),
        ]
        if n % 4 == 0:
            own = dice.choice((None, ["email_opened", "crm_purchase"]))
            zone = dice.choice(("UTC", "Europe/Berlin", "Africa/Cairo"))
            found.append(plan(dice.choice((3, 50)), anchor_day=1 + n % 31, time_zone=zone, activities=own, **base))
            found.append(event("account_system", **base))
        if n % 8 == 2:  # what mutation makes too rarely for every world to meet it
            found.append(merge([person[0], person[1]], person[1], **base))
            found.append(split(person[0], {person[1]: person[1:3]}, **base))
    return found


def pattern(one: Event, blocks: str) -> Pattern:
    """The event in pieces; `blocks` as in `wire.pieces`."""
    kind = kind_of(topic_of(one["type"]))
    found = list(pieces(schemas.avro(f"events/{kind}.v1.avsc"), one, "", blocks))
    when = next(n for n, piece in enumerate(found) if piece.name == "occurred_at")
    own = [n for n, piece in enumerate(found) if _is_id(piece)]
    return Pattern(
        kind, topic_of(one["type"]), [p.raw for p in found], [p.what for p in found], when, own[0] if own else -1
    )


def _is_id(piece: Piece) -> bool:
    return piece.name == "event_id" and piece.raw == _ID.encode()


class Storm:
    """Values without end, the same for the same dice."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        made = [pattern(one, dice.choice(("whole", "whole", "sized", "single"))) for one in events(dice)]
        self._patterns = made
        self._sent: list[Value] = []
        self._count = 0

    def values(self, count: int, now_us: int) -> list[Value]:
        """The next ones, at a time of the stream."""
        return [self._next(now_us) for _ in range(count)]

    def _next(self, now_us: int) -> Value:
        dice = self._dice
        if self._sent and dice.random() < COPY:
            return dice.choice(self._sent)
        one = dice.choice(self._patterns)
        topic = one.topic if dice.random() > WRONG_TOPIC else dice.choice(TOPICS)
        value: bytes | None = frame(SCHEMA_IDS[one.kind], self._body(one, now_us))
        if dice.random() < BROKEN_FRAME:
            assert value is not None
            value = dice.choice(_FRAMES)(value, dice)
        made = Value(topic, value)
        if dice.random() < 2 * COPY:
            self._sent.append(made)
        return made

    def _body(self, one: Pattern, now_us: int) -> bytes:
        dice = self._dice
        self._count += 1
        parts = one.parts.copy()
        parts[one.occurred_at] = long(now_us - dice.choice(_LAGS))
        if one.event_id >= 0:
            number = dice.randrange(self._count) if dice.random() < SAME_ID else self._count
            parts[one.event_id] = b"%08d" % number
        at = dice.random()
        if at < WHOLE:
            return b"".join(parts)
        if at < WHOLE + HOSTILE_PIECE:
            _make_hostile(parts, one.whats, dice)
            return b"".join(parts)
        return damaged(b"".join(parts), dice)


def _make_hostile(parts: list[bytes], whats: list[str], dice: random.Random) -> None:
    at = dice.randrange(len(parts))
    what = whats[at]
    parts[at] = dice.choice(_EXTREMES[what])
    if what == "text":
        parts[at - 1] = long(len(parts[at]))


def damaged(body: bytes, dice: random.Random) -> bytes:
    """A body with bits turned, bytes changed, lost, added or repeated, or cut off."""
    for _ in range(dice.randrange(1, 4)):
        body = dice.choice(_DAMAGES)(body, dice.randrange(len(body) + 1), dice)
    return body


def bombs() -> list[Value]:
    """Bodies as large as may be, and one byte larger: maps and arrays of nothing, blocks in blocks, long texts."""
    channel, merged = event("email_opened", profile_id="p1", event_id=None), merge(["a"], "b")
    planned = plan(5, activities=["email_opened"])
    return [
        *_swollen(channel, "properties", b"\x00\x00"),
        *_swollen(channel, "properties", b"\x02\x00\x00"),
        *_swollen(merged, "sources", b"\x00"),
        *_swollen(merged, "sources", b"\x02a"),
        *_swollen(planned, "activities", b"\x00"),
        *_swollen(planned, "thresholds", struct.pack("<d", 0.5)),
    ]


def _swollen(one: Event, name: str, item: bytes) -> list[Value]:
    """Bodies of BODY_BYTES_MAX at most, and of more: a field that holds nothing but the item, in one block."""
    topic = topic_of(one["type"])
    kind = kind_of(topic)
    found = list(pieces(schemas.avro(f"events/{kind}.v1.avsc"), one, "", "whole"))
    first = next(n for n, piece in enumerate(found) if (piece.what, piece.name) == ("count", name))
    last = max(n for n, piece in enumerate(found) if (piece.what, piece.name) == ("count", name))
    head, tail = (b"".join(p.raw for p in part) for part in (found[:first], found[last + 1 :]))
    room = BODY_BYTES_MAX - len(head) - len(tail) - 5
    made = []
    for size in (room, room + len(item) + 5):
        count = size // len(item)
        body = head + long(count) + item * count + b"\x00" + tail
        made.append(Value(topic, frame(SCHEMA_IDS[kind], body)))
    return made


Damage = Callable[[bytes, int, random.Random], bytes]

_DAMAGES: tuple[Damage, ...] = (
    lambda body, at, dice: (
        body[:at] + bytes([body[at] ^ 1 << dice.randrange(8)]) + body[at + 1 :] if body[at:] else b""
    ),
    lambda body, at, dice: body[:at] + bytes([dice.randrange(256)]) + body[at + 1 :],
    lambda body, at, dice: body[:at] + body[at + 1 :],
    lambda body, at, dice: body[:at] + dice.choice(_ODD) + body[at:],
    lambda body, at, dice: body[:at] + (odd := dice.choice(_ODD)) + body[at + len(odd) :],
    lambda body, at, dice: body[:at],
    lambda body, at, dice: body + dice.choice(_ODD),
    lambda body, at, dice: body[:at] + body[dice.randrange(len(body) + 1) :],
    lambda body, at, dice: body[:at] + body[at : at + dice.randrange(40)] + body[at:],
)

Reframe = Callable[[bytes, random.Random], bytes | None]

_FRAMES: tuple[Reframe, ...] = (
    lambda value, dice: None,
    lambda value, dice: b"",
    lambda value, dice: value[: dice.randrange(8)],
    lambda value, dice: bytes([dice.randrange(1, 256)]) + value[1:],
    lambda value, dice: value[:1] + struct.pack(">I", dice.choice((0, 99, 1 << 31, (1 << 32) - 1))) + value[5:],
    lambda value, dice: frame(dice.choice(sorted(SCHEMA_IDS.values())), value[5:]),
    lambda value, dice: value[5:],
)
