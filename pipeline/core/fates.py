"""Fates: every event read is accepted, a duplicate or rejected; here the last two, and the count of all three.

In:   a batch, the faults found, the copies found.  Out: what the journal record says of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from pipeline.core.batch import Slab
from pipeline.core.context import TOPIC_NUMBER
from pipeline.core.decode import Batch, Fault
from pipeline.core.events import Events
from pipeline.core.hashing import Hashes, Ints
from pipeline.core.origins import OFFSET_BITS, place, topics_of
from pipeline.core.reasons import Duplicate
from pipeline.core.record import Duplicates, Rejected, Source
from pipeline.core.refused import with_head
from pipeline.core.validate import ID_BYTES_MAX
from pipeline.core.vocabulary import TOPICS


def rejects(batch: Batch, events: Events, faults: Sequence[Fault]) -> list[Rejected]:
    """The rejected events with their bytes, in stream order."""
    if not faults:
        return []
    row_of = dict(zip(events.seq.tolist(), range(len(events)), strict=True))
    accounts = events.columns["account_id"]
    found = []
    for seq, reason, detail, said in sorted(faults, key=lambda fault: fault.seq):
        topic, offset = place(int(batch.origin[seq]))
        account = accounts[row_of[seq]].as_py()[:ID_BYTES_MAX] if seq in row_of else ""
        kept = said or with_head(reason, detail, batch.values[seq] or b"")
        told = (kept.reason.value, kept.detail, kept.raw, kept.size)
        found.append(Rejected(topic, offset, int(batch.arrived_at[seq]), account, *told))
    return found


def duplicates(events: Events, rows: Ints, remembered: Sequence[bool]) -> list[Duplicates]:
    """Counts of the rows that are duplicates, by topic, source and where the first copy was met."""
    if not len(rows):
        return []
    topic = topics_of(events.origin[rows]).tolist()
    codes = events.codes("source")
    source = [codes.values[code] for code in codes.code[rows].tolist()]
    counts = Counter(zip(topic, source, remembered, strict=True))
    return [
        Duplicates(TOPICS[t], s, (Duplicate.REMEMBERED if known else Duplicate.SAME_BATCH).value, n)
        for (t, s, known), n in sorted(counts.items())
    ]


def sources(slabs: Sequence[Slab], accepted: Hashes) -> tuple[list[Source], bool]:
    """What was read, and whether it is told in runs; `accepted` are the origins of accepted events.

    One entry a topic, where a reader of the record alone comes to the order of the slabs by the layout's rule. So it is
    but after the broker's clock went back: a lane knows a topic's highest time from before the record. Then in runs.
    """
    spans = _spans(slabs)
    if not _in_stream_order(slabs):
        return _runs(slabs, np.sort(accepted)), True
    counts = np.bincount(topics_of(accepted), minlength=len(TOPICS)).tolist()
    numbered = enumerate(TOPICS)
    return [Source(topic, *spans[topic], counts[n]) for n, topic in numbered if topic in spans], False


def _in_stream_order(slabs: Sequence[Slab]) -> bool:
    highest: dict[str, int] = {}
    last = (0, 0)
    for slab in slabs:
        highest[slab.topic] = max(slab.arrived_ms, highest.get(slab.topic, 0))
        at = highest[slab.topic], TOPIC_NUMBER[slab.topic]
        if at < last:
            return False
        last = at
    return True


def _runs(slabs: Sequence[Slab], accepted: Hashes) -> list[Source]:
    """Slabs of one topic that were decided one after the other, as one entry each; `accepted` is sorted."""
    found: list[Source] = []
    for topic, run in groupby(slabs, lambda slab: slab.topic):
        parts = list(run)
        first, end = parts[0].offset, parts[-1].offset + len(parts[-1].values)
        origin = TOPIC_NUMBER[topic] << OFFSET_BITS
        count = np.diff(np.searchsorted(accepted, np.array([origin | first, origin | end], np.uint64)))
        found.append(Source(topic, first, end, int(count[0])))
    return found


def _spans(slabs: Sequence[Slab]) -> dict[str, tuple[int, int]]:
    """Per topic the first and the next offset; a topic's slabs continue each other."""
    spans: dict[str, tuple[int, int]] = {}
    for slab in slabs:
        first, end = spans.get(slab.topic, (slab.offset, slab.offset))
        assert end == slab.offset, f"{slab.topic}: offset {slab.offset} follows {end}"
        spans[slab.topic] = first, slab.offset + len(slab.values)
    return spans
