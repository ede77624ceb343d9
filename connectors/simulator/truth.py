"""What the simulator sends, and what must become of it: the truth that a run of the pipeline is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import schemas
from pipeline.core.framing import frame
from pipeline.core.reasons import Reject
from pipeline.event_bytes import encoder
from pipeline.topics import SCHEMAS, schema_of

ACCEPTED = "accepted"
DUPLICATE = "duplicate"


class Item(NamedTuple):
    """One record: an event in Avro's names and units, or raw bytes where it is none; and its fate."""

    topic: str
    account: str
    event: dict[str, Any] | None
    fate: str
    raw: bytes | None = None


class Bytes:
    """Items to record values."""

    def __init__(self, schema_ids: Mapping[str, int]) -> None:
        """`schema_ids` by schema."""
        self._ids = dict(schema_ids)
        self._encode = {name: encoder(schemas.avro(f"events/{name}.v1.avsc")) for name in SCHEMAS}

    def value(self, item: Item) -> bytes | None:
        """The record's value; None is a record without one."""
        if item.event is None:
            return item.raw
        schema = schema_of(item.topic)
        return frame(self._ids[schema], self._encode[schema](item.event))


class Truth:
    """Counts of what was published, by topic and by fate."""

    def __init__(self) -> None:
        self.topics: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    def count(self, topic: str, fate: str, events: int = 1) -> None:
        """Events that were published."""
        self.topics[topic] += events
        self.fates[fate] += events

    def facts(self) -> dict[str, Any]:
        """As `--format json` prints it."""
        rejected = {reason.value: self.fates[reason] for reason in Reject if self.fates[reason]}
        return {
            "published": self.topics.total(),
            "topics": dict(sorted(self.topics.items())),
            "expected": {
                "accepted": self.fates[ACCEPTED],
                "duplicates": self.fates[DUPLICATE],
                "rejected": rejected,
            },
            "left_out": dict(sorted(self.left_out.items())),
        }
