"""Much traffic in little time, for benchmarks: bodies put together from encoded pieces, 2 µs an event.

In:   a Traffic.  Out: blocks of records by topic, in the order of sending, with their truth.
All of them are valid: 5 % are exact copies, 0.1 % merges; accounts follow a power law with 60 % in the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from connectors.simulator.settings import Traffic
from connectors.simulator.truth import ACCEPTED, DUPLICATE, Truth
from pipeline.core.framing import frame
from pipeline.core.vocabulary import CHANNELS
from pipeline.topics import SOURCE_TOPICS

BLOCK_EVENTS = 10_000
_COPIES = 0.05
_MERGES = 0.001
_CRM = 0.02
_FIRST_ACCOUNT = 0.6
_PROFILES = 400_000
_MESSAGES = 4_000
_LINKS = 50
_KEPT_BLOCKS = 3  # copies come within 30,000 events
_MERGE, _SEND, _CRM_KIND = 0, 1, 2

_CHANNEL_ODDS = (0.5, 0.14, 0.12, 0.05, 0.05, 0.05, 0.02, 0.07)
# Verbs of a channel, each with the odds at its place below.
_VERBS: dict[str, tuple[str, ...]] = {
    "email": ("sent", "delivered", "opened", "clicked", "soft_bounced", "unsubscribed", "proxy_opened"),
    "messenger": ("sent", "delivered", "opened", "clicked", "soft_bounced", "unsubscribed", "undelivered"),
    "sms": ("sent", "delivered", "delivered", "clicked", "soft_bounced", "unsubscribed", "undelivered"),
    "push": ("sent", "delivered", "opened", "clicked", "soft_bounced", "unsubscribed", "closed"),
    "popup": ("opened", "closed", "opened", "clicked", "submitted", "failed", "custom"),
    "web": ("page_visited", "page_visited", "product_visited", "clicked", "searched", "logged_in", "session_started"),
}
_VERB_ODDS = (0.3, 0.3, 0.2, 0.06, 0.05, 0.04, 0.05)
_CLICKED = 3
_DIGITS = [f"{number:04}".encode() for number in range(10_000)]

Records = list[dict[str, bytes]]  # as `Sender.send_batch` takes them: key, value


@dataclass(frozen=True, slots=True)
class Block:
    """Records by topic, and how many of each topic's are copies."""

    topics: dict[str, Records]
    copies: dict[str, int]

    def count(self, truth: Truth) -> None:
        """Add them to the truth."""
        for topic, records in self.topics.items():
            copies = self.copies.get(topic, 0)
            truth.count(topic, DUPLICATE, copies)
            truth.count(topic, ACCEPTED, len(records) - copies)


class Bulk:
    """The stream of one seed."""

    def __init__(self, traffic: Traffic, schema_ids: dict[str, int]) -> None:
        """`schema_ids` by schema."""
        assert traffic.events is not None, "traffic of the past has an end"
        self._traffic, self._events = traffic, traffic.events
        self._rng = np.random.default_rng(traffic.seed)
        self._ids = schema_ids
        names = [f"acc-{number:05}" for number in range(traffic.accounts)]
        self._keys = [name.encode() for name in names]
        self._heads = {
            schema: [frame(schema_ids[schema], _text(name) + _text("altcraft" if i % 2 else "brevo")) + b"\2\x40"
                     for i, name in enumerate(names)]
            for schema in ("channel", "profile", "crm")
        }  # fmt: skip
        self._types = {
            channel: [_text(f"{channel}_{verb}") for verb in _VERBS.get(channel, _VERBS["messenger"])]
            for channel in CHANNELS
        }
        self._links = [b"\2" + _text(f"https://shop.example/p/{number}?utm_source=x") for number in range(_LINKS)]
        self._properties = [
            _texts({"journey": str(journey), "step": str(journey % 9), "variant": "AB"[journey % 2]})
            for journey in range(300)
        ]
        self._recent: list[list[tuple[str, dict[str, bytes]]]] = []

    def blocks(self) -> Iterator[Block]:
        """All events, in blocks of `BLOCK_EVENTS`."""
        for first in range(0, self._events, BLOCK_EVENTS):
            yield self._block(first, min(BLOCK_EVENTS, self._events - first))

    def _block(self, first: int, size: int) -> Block:
        made = self._make(first, size)
        earlier = [record for block in self._recent for record in block]
        topics: dict[str, Records] = {topic: [] for topic in SOURCE_TOPICS}
        copies: dict[str, int] = {}
        copied = self._rng.random(size) < _COPIES
        which = self._rng.random(size)
        for number, (topic, record) in enumerate(made):
            if copied[number] and (earlier or number):
                place = int(which[number] * (len(earlier) + number))
                topic, record = earlier[place] if place < len(earlier) else made[place - len(earlier)]  # noqa: PLW2901
                record = record.copy()  # Kafka's client marks those that it refuses  # noqa: PLW2901
                made[number] = (topic, record)
                copies[topic] = copies.get(topic, 0) + 1
            topics[topic].append(record)
        self._recent = [*self._recent[-_KEPT_BLOCKS + 1 :], made]
        return Block({topic: records for topic, records in topics.items() if records}, copies)

    def _make(self, first: int, size: int) -> list[tuple[str, dict[str, bytes]]]:
        """New events, without copies."""
        rng = self._rng
        pareto = np.minimum(rng.pareto(1.1, size).astype(np.int64) + 1, self._traffic.accounts - 1)
        account = np.where(rng.random(size) < _FIRST_ACCOUNT, 0, pareto).tolist()
        chance = rng.random(size)
        kind = np.where(chance < _MERGES, _MERGE, np.where(chance < _MERGES + _CRM, _CRM_KIND, _SEND)).tolist()
        channel = rng.choice(len(CHANNELS), size, p=_CHANNEL_ODDS).tolist()
        verb = rng.choice(len(_VERB_ODDS), size, p=_VERB_ODDS).tolist()
        profile = (rng.random(size) ** 2 * _PROFILES).astype(np.int64).tolist()
        message = (rng.random(size) ** 2 * _MESSAGES).astype(np.int64).tolist()
        detail = rng.integers(0, _LINKS * 300, size).tolist()
        ids = rng.bytes(16 * size).hex().encode()
        times = self._times(first, size)
        made = []
        for n, a in enumerate(account):
            event_id, time, person = ids[32 * n : 32 * n + 32], times[8 * n : 8 * n + 8], _profile(profile[n])
            if kind[n] == _SEND:
                name = CHANNELS[channel[n]]
                topic, value = f"events.{name}", self._sent(
                    (self._heads["channel"][a], event_id, self._types[name][verb[n]], time, person),
                    message[n], detail[n], verb[n] == _CLICKED,
                )  # fmt: skip
            elif kind[n] == _MERGE:
                visitor = b"\x1evisitor-" + event_id[:7]
                tail = b"\2" + visitor + b"\0" + person + b"\0\0\0\0\0"
                topic = "events.profile"
                value = b"".join((self._heads["profile"][a], event_id, _MERGED, time, b"\0", person, tail))
            else:
                topic = "events.crm"
                properties = self._properties[detail[n] % 300]
                value = b"".join((self._heads["crm"][a], event_id, _PURCHASE, time, b"\0", person, b"\0", properties))
            made.append((topic, {"key": self._keys[a], "value": value}))
        return made

    def _sent(self, start: tuple[bytes, ...], message: int, detail: int, clicked: bool) -> bytes:
        """A channel event from its pieces: head, id, type, time, profile; then message, campaign, link, properties."""
        head, event_id, type_, time, person = start
        digits = _DIGITS[message]
        link = self._links[detail % _LINKS] if clicked else b"\0"
        pieces = (
            head, event_id, type_, time, b"\0", person, b"\2\x0cm-", digits, b"\2\x0ac-", digits[:3], link, b"\0",
            self._properties[detail % 300],
        )  # fmt: skip
        return b"".join(pieces)

    def _times(self, first: int, size: int) -> bytes:
        """occurred_at as varints of 8 bytes each, which an instant of 1979 to 3111 has; 1 % are up to a span late."""
        traffic, rng = self._traffic, self._rng
        number = np.arange(first, first + size, dtype=np.int64)
        at = traffic.start - traffic.span + (number * (traffic.span / self._events)).astype(np.int64)
        late = np.where(rng.random(size) < 0.01, rng.random(size) * traffic.span, rng.exponential(60e6, size))
        return _varints8(at - np.minimum(late, traffic.span).astype(np.int64))


def _profile(number: int) -> bytes:
    """`p` and eight digits, as an optional string."""
    return b"\2\x12p" + _DIGITS[number // 10_000] + _DIGITS[number % 10_000]


def _varints8(values: npt.NDArray[np.int64]) -> bytes:
    coded = (values.astype(np.uint64) << np.uint64(1))[:, None] >> (np.arange(8, dtype=np.uint64) * np.uint64(7))
    assert (coded[:, 7] > 0).all(), "an instant that has other than 8 bytes"
    assert (coded[:, 7] < 0x80).all(), "an instant that has other than 8 bytes"
    octets = (coded & np.uint64(0x7F)).astype(np.uint8)
    octets[:, :7] |= 0x80
    return octets.tobytes()


def _length(number: int) -> bytes:
    """A count or a length as Avro writes it; all of them here are below 8,192."""
    assert number < 1 << 13
    return bytes([number << 1]) if number < 64 else bytes([(number << 1 & 0x7F) | 0x80, number >> 6])


def _text(text: str) -> bytes:
    raw = text.encode()
    return _length(len(raw)) + raw


def _texts(texts: dict[str, str]) -> bytes:
    return _length(len(texts)) + b"".join(_text(key) + _text(texts[key]) for key in sorted(texts)) + b"\0"


_MERGED = _text("profile_merged")
_PURCHASE = _text("crm_purchase")
