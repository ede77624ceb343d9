"""The peers' traffic: seeded channel events, all valid, in the schema of the project's own topics.

In:   seed, how many, the instant that counts as now.  Out: blocks of records by topic, in the order of sending.
5 % are exact copies of one of the last 20,000 records; 30 % of opens and clicks are of somebody who has opened or
clicked that message before. Each profile belongs to one account and has about ten events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyruhvro

import schemas
from pipeline.core import vocabulary
from pipeline.core.framing import frame
from pipeline.core.hashing import Ints

BLOCK_EVENTS = 4_000
COPIES = 0.05
AGAIN = 0.3
ACCOUNTS = 400
ACCOUNT_POWER = 1.5  # the first account has 1.8 % of the events: none decides the load of a partition
PROFILE_EVENTS = 10
MESSAGES = 40  # of each channel
OPENED, CLICKED = 0.20, 0.25  # of the chance that draws a verb: below the first an open, below the second a click
KEPT = 20_000  # records among which a copy is chosen
SPAN_US = 5 * 86_400_000_000  # inside the acceptance window of seven days
LATE_US = 3_600_000_000.0  # events are late by up to an hour

OPEN, CLICK, OTHER = 0, 1, 2
OTHERS = 6  # names of other types that a channel has, some of them several times
JOURNEYS = 300

_OTHER_VERBS = ("sent", "delivered", "soft_bounced", "page_visited", "product_visited", "closed", "submitted")
_SCHEMA = "events/channel.v1.avsc"
_SOURCES = pa.array(["altcraft", "brevo", "connectif", "mindbox"])
_LINKS = pa.array([*(f"https://shop.example/p/{n}?utm_source=x" for n in range(50)), None])
_CHANNEL_MESSAGES = [(channel, n) for channel in vocabulary.CHANNELS for n in range(MESSAGES)]
_MESSAGE_IDS = pa.array([f"{channel}-{n:03}" for channel, n in _CHANNEL_MESSAGES])
_CAMPAIGN_IDS = pa.array([f"{channel}-campaign-{n // 2:03}" for channel, n in _CHANNEL_MESSAGES])
_PROPERTY_NAMES = pa.array(["journey", "step", "variant"])
_PROPERTIES = pa.array([text for n in range(JOURNEYS) for text in (str(n), str(n % 9), "AB"[n % 2])])

Records = list[dict[str, bytes]]


class Traffic:
    """The stream of one seed."""

    def __init__(self, seed: int, events: int, now_us: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._events, self._now_us = events, now_us
        self._profiles = max(1, events // ACCOUNTS // PROFILE_EVENTS)  # of an account
        names = [f"acc-{number:04}" for number in range(ACCOUNTS)]
        self._accounts, self._keys = pa.array(names), [name.encode() for name in names]
        self._profile_ids = pa.array([f"p{a:04}{n:06}" for a in range(ACCOUNTS) for n in range(self._profiles)])
        self._types = pa.array([name for channel in vocabulary.CHANNELS for name in _types(channel)])
        self._topics = [f"events.{channel}" for channel in vocabulary.CHANNELS]
        self._schema, self._schema_id = json.dumps(schemas.avro(_SCHEMA)), schemas.ids()[_SCHEMA]
        self._kept: list[tuple[str, dict[str, bytes]]] = []
        self._opens: dict[str, Ints] = {}

    def blocks(self) -> Iterator[dict[str, Records]]:
        """All events."""
        for first in range(0, self._events, BLOCK_EVENTS):
            yield self._block(first, min(BLOCK_EVENTS, self._events - first))

    def _block(self, first: int, size: int) -> dict[str, Records]:
        copied = (self._rng.random(size) < COPIES).tolist()
        which = self._rng.integers(0, KEPT, size).tolist()
        found: dict[str, Records] = {}
        for number, made in enumerate(self._made(first, size)):
            place = which[number]
            if copied[number] and self._kept:
                made = self._kept[place % len(self._kept)]  # noqa: PLW2901
            elif len(self._kept) < KEPT:
                self._kept.append(made)
            else:
                self._kept[place] = made
            found.setdefault(made[0], []).append(made[1])
        return found

    def _made(self, first: int, size: int) -> Iterator[tuple[str, dict[str, bytes]]]:
        """New events without copies: topic and record."""
        drawn = self._drawn(size)
        (bodies,) = pyruhvro.serialize_record_batch(pa.record_batch(self._columns(first, drawn)), self._schema, 1)
        for channel, account, body in zip(
            drawn["channel"].tolist(), drawn["account"].tolist(), bodies.to_pylist(), strict=True
        ):
            yield self._topics[channel], {"key": self._keys[account], "value": frame(self._schema_id, body)}

    def _drawn(self, size: int) -> dict[str, Ints]:
        """Who does what, as numbers; some opens and clicks are as one of the block before."""
        rng = self._rng
        chance = rng.random(size)
        drawn = {
            "account": (ACCOUNTS * rng.random(size) ** ACCOUNT_POWER).astype(np.int64),
            "profile": rng.integers(0, self._profiles, size),
            "channel": rng.integers(0, len(self._topics), size),
            "message": rng.integers(0, MESSAGES, size),
        }
        engaged = np.flatnonzero(chance < CLICKED)
        again = engaged[rng.random(len(engaged)) < AGAIN] if self._opens else engaged[:0]
        if len(again):
            chosen = rng.integers(0, len(self._opens["account"]), len(again))
            for name, values in drawn.items():
                values[again] = self._opens[name][chosen]
        self._opens = {name: values[engaged] for name, values in drawn.items()}
        drawn["verb"] = np.where(chance < OPENED, OPEN, np.where(chance < CLICKED, CLICK, OTHER))
        return drawn

    def _columns(self, first: int, drawn: dict[str, Ints]) -> dict[str, pa.Array]:
        """As the schema of channel events names them."""
        rng, size = self._rng, len(drawn["verb"])
        ids, channel, message = (
            rng.bytes(16 * size).hex(),
            drawn["channel"],
            drawn["channel"] * MESSAGES + drawn["message"],
        )
        at = self._now_us - SPAN_US + ((first + np.arange(size)) * (SPAN_US / self._events)).astype(np.int64)
        journeys = (rng.integers(0, JOURNEYS, size)[:, None] * 3 + np.arange(3)).ravel()
        links = _LINKS.take(np.where(drawn["verb"] == CLICK, rng.integers(0, len(_LINKS) - 1, size), len(_LINKS) - 1))
        return {
            "account_id": self._accounts.take(drawn["account"]),
            "source": _SOURCES.take(drawn["account"] % len(_SOURCES)),
            "event_id": pa.array([ids[at : at + 32] for at in range(0, 32 * size, 32)]),
            "type": self._types.take((channel * 3 + drawn["verb"]) * OTHERS + rng.integers(0, OTHERS, size)),
            "occurred_at": pa.array(at - (rng.random(size) * LATE_US).astype(np.int64), pa.timestamp("us", "UTC")),
            "is_test": pa.array(np.zeros(size, bool)),
            "profile_id": self._profile_ids.take(drawn["account"] * self._profiles + drawn["profile"]),
            "message_id": _MESSAGE_IDS.take(message),
            "campaign_id": _CAMPAIGN_IDS.take(message),
            "link": links,
            "vendor_type": pa.nulls(size, pa.string()),
            "properties": pa.MapArray.from_arrays(
                np.arange(size + 1, dtype=np.int32) * 3,
                _PROPERTY_NAMES.take(np.tile(np.arange(3), size)),
                _PROPERTIES.take(journeys),
            ),
        }


def _types(channel: str) -> list[str]:
    """So many names for each verb: the others differ."""
    known = vocabulary.load().types
    clicked = f"{channel}_clicked"
    opened = f"{channel}_opened" if f"{channel}_opened" in known else clicked  # nobody sees who opens an SMS
    others = [f"{channel}_{verb}" for verb in _OTHER_VERBS if f"{channel}_{verb}" in known]
    return [opened] * OTHERS + [clicked] * OTHERS + [others[n % len(others)] for n in range(OTHERS)]
