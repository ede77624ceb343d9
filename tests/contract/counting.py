"""A core that counts, in place of the real one: it holds the numbers that producers wrote to be complete and in order.

A value is 8 bytes, the number of the event in its topic partition, from 0.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.core.accounts import Accounts
from pipeline.core.batch import Slab
from pipeline.core.record import SCHEMA_ID, Record, Rules, Source
from pipeline.core.undo import Undo
from pipeline.state.core import Columns, Size
from pipeline.topics import SOURCE_TOPICS

DAY_MS = 86_400_000
RULES = Rules(1, 7, 5, 90, 50, seed_fingerprint=4711)


@dataclass
class Counted:
    """Per topic the next number, and the sum of all numbers."""

    stream_time: int = 0
    total: int = 0
    next: dict[str, int] = field(default_factory=dict)


class CountingCore:
    """See the module. `events` of a record are the batch's values, topic by topic."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.rules = rules
        self.schema_id = SCHEMA_ID

    def empty(self) -> Counted:
        return Counted()

    def cut(self, state: Counted, slabs: list[Slab]) -> list[list[Slab]]:
        parts: list[list[Slab]] = []
        for slab in slabs:
            if not parts or parts[-1][-1].arrived_ms // DAY_MS != slab.arrived_ms // DAY_MS:
                parts.append([])
            parts[-1].append(slab)
        return parts

    def decide(self, state: Counted, slabs: list[Slab]) -> Record:
        values: dict[str, list[bytes]] = {}
        bounds: dict[str, list[int]] = {}
        for slab in slabs:
            values.setdefault(slab.topic, []).extend(slab.values)
            span = bounds.setdefault(slab.topic, [slab.offset, slab.offset])
            assert span[1] == slab.offset, f"{slab.topic}: {slab.offset} follows {span[1]}"
            span[1] = slab.offset + len(slab.values)
        for topic, numbers in values.items():
            first = state.next.get(topic, 0)
            wanted = struct.pack(f">{len(numbers)}q", *range(first, first + len(numbers)))
            assert b"".join(numbers) == wanted, f"{topic} does not go on at {first}"
        sources = [Source(topic, first, end, end - first) for topic, (first, end) in bounds.items()]
        now = max([state.stream_time, *(slab.arrived_ms * 1000 for slab in slabs)])
        return Record(self.rules, now, sources, events=b"".join(v for vs in values.values() for v in vs))

    def refuse(self, state: Counted, slabs: list[Slab], why: str) -> Record:
        """Counts nothing."""
        record = CountingCore.decide(self, state, slabs)
        return replace(record, events=b"", sources=[source._replace(accepted=0) for source in record.sources])

    def apply(self, state: Counted, record: Record) -> None:
        numbers = struct.unpack(f">{len(record.events) // 8}q", record.events)
        state.total += sum(numbers)
        state.stream_time = record.stream_time
        for source in record.sources:
            state.next[source.topic] = state.next.get(source.topic, 0) + source.next - source.first

    def accounts(self, state: Counted) -> Accounts:
        """There are none."""
        return Accounts()

    def size(self, state: Counted) -> Size:
        return Size({"topics": len(state.next)}, 0)

    def freeze(self, state: Counted) -> Undo:
        numbers = [state.next.get(topic, 0) for topic in SOURCE_TOPICS]
        rest = np.array([state.stream_time, state.total], np.int64)
        return Undo({"next": np.array(numbers, np.int64), "rest": rest})

    def from_columns(self, columns: Columns) -> Counted:
        stream_time, total = columns["rest"].tolist()
        numbers = zip(SOURCE_TOPICS, columns["next"].tolist(), strict=True)
        return Counted(stream_time, total, {topic: number for topic, number in numbers if number})


def main() -> None:
    """Run a worker with this core, from the environment's settings. COUNTING_REFUSED: seconds that a refusal waits."""
    from pipeline import settings
    from pipeline.cli.worker import run
    from pipeline.transport import activation

    activation.REFUSED_S = float(os.environ.pop("COUNTING_REFUSED", activation.REFUSED_S))
    wait_s = float(os.environ.pop("COUNTING_BROKER_WAIT", "60"))
    run(settings.load(), CountingCore(), wait_s)


if __name__ == "__main__":
    main()
