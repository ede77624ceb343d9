"""Whatever bytes come: no exception, one fate each, and the bulk decoder says what the reference says."""

from __future__ import annotations

import random
import struct
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.decode import Batch, payload, read
from pipeline.core.reasons import Reject
from tests.events import NOON_MS, NOON_US, SCHEMA_IDS, SCHEMAS, Event, context, event, frame, merge, plan, slab, split
from tests.property import running
from tests.property.budget import examples
from tests.property.running import Outcome

TOPICS = {"channel": "events.email", "profile": "events.profile", "account": "events.account", "crm": "events.crm"}
EXAMPLES: dict[str, list[Event]] = {
    "channel": [
        event("email_opened", profile_id="p1", message_id="m1", event_id=None),
        event(
            "email_clicked", profile_id="p2", campaign_id="c", link="ü", properties={"a": "1", "b": "ß"}, event_id="1"
        ),
    ],
    "profile": [
        merge(["a", "b"], "c", attributes={"email": "x@example.org"}),
        split("a", {"b": ["c"], "d": []}, profile_id="x"),
    ],
    "account": [plan(10, activities=["email_opened"]), plan(3), event("account_system")],
    "crm": [event("crm_purchase", profile_id="p", properties={"value": "12"}), event("crm_custom")],
}
ODD_BYTES = (b"\x00", b"\x01", b"\x02", b"\x7f", b"\x80", b"\xff", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\xc3")


def mutated(body: bytes, dice: random.Random) -> bytes:
    """A body with a few bytes changed, lost, added, repeated or cut off."""
    for _ in range(dice.randrange(1, 4)):
        at, odd = dice.randrange(len(body) + 1), dice.choice(ODD_BYTES)
        body = dice.choice(
            (
                body[:at] + odd + body[at + len(odd) :],
                body[:at] + bytes([dice.randrange(256)]) + body[at + 1 :],
                body[:at] + body[at + 1 :],
                body[:at] + odd + body[at:],
                body[:at],
                body + odd,
                body[:at] + body[dice.randrange(len(body) + 1) :],
            )
        )
    return body


def values(seed: int, count: int) -> tuple[str, list[bytes]]:
    """Framed values of one kind: some whole, most mutated."""
    dice = random.Random(seed)
    kind = dice.choice(sorted(TOPICS))
    found = []
    for n in range(count):
        one = frame(dice.choice(EXAMPLES[kind]) | {"event_id": dice.choice((None, str(n)))})
        found.append(one if dice.randrange(5) == 0 else one[:5] + mutated(one[5:], dice))
    return kind, found


def rows_of(batch: Batch) -> dict[int, dict[str, Any]]:
    """The decoded rows by place, times as numbers and maps as dicts."""
    found = {}
    for group in batch.groups:
        number = group.columns.schema.get_field_index("occurred_at")
        plain = group.columns.set_column(number, "occurred_at", group.columns.column(number).view(pa.int64()))
        for seq, row in zip(group.seq.tolist(), plain.to_pylist(), strict=True):
            found[seq] = row | {name: dict(row[name]) for name in ("properties", "attributes") if name in row}
    return found


def in_words(one: dict[str, Any]) -> str:
    """For comparison: NaN is NaN, and a map has no order."""
    return repr(
        {name: dict(sorted(x.items())) if isinstance(x, dict) and name != "plan" else x for name, x in one.items()}
    )


@given(st.integers(0, 1 << 40))
@examples()
def test_the_bulk_decoder_says_what_the_reference_says(seed: int) -> None:
    kind, framed = values(seed, 12)
    batch = read([slab(TOPICS[kind], 0, *framed)], SCHEMAS)
    rows = rows_of(batch)
    assert sorted([*rows, *(fault.seq for fault in batch.faults)]) == list(range(len(framed)))
    assert {fault.reason for fault in batch.faults} <= {Reject.UNDECODABLE}
    for seq, row in rows.items():
        reference = payload(SCHEMAS[SCHEMA_IDS[kind]], framed[seq][5:])
        assert in_words(row) == in_words(reference)


@given(st.integers(0, 1 << 40))
@examples()
def test_mutated_bytes_have_one_fate_each(seed: int) -> None:
    kind, framed = values(seed, 12)
    outcome = Outcome()
    for offset in (0, len(framed)):
        running.step(outcome, [slab(TOPICS[kind], offset, *framed)], context())
    record = outcome.records[0]
    assert record.read == len(framed)
    assert {(reject.raw, reject.size) for reject in record.rejects} <= {(value, len(value)) for value in framed}
    assert outcome.records[1].accepted == 0


@given(st.lists(st.binary(max_size=12) | st.none(), max_size=8, min_size=1), st.sampled_from(sorted(TOPICS.values())))
@examples()
def test_any_bytes_have_one_fate_each(anything: list[bytes | None], topic: str) -> None:
    outcome = Outcome()
    running.step(outcome, [slab(topic, 7, *anything)], context())
    assert outcome.records[0].read == len(anything)


@given(st.binary(max_size=40), st.sampled_from(sorted(TOPICS)))
@examples()
def test_any_body_behind_a_true_frame_has_one_fate(body: bytes, kind: str) -> None:
    outcome = Outcome()
    running.step(outcome, [slab(TOPICS[kind], 7, struct.pack(">bI", 0, SCHEMA_IDS[kind]) + body)], context())
    assert outcome.records[0].read == 1


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.sampled_from(sorted(EXAMPLES)))
@examples()
def test_any_time_has_one_fate(occurred_at: int, kind: str) -> None:
    outcome = Outcome()
    events = [one | {"occurred_at": occurred_at} for one in EXAMPLES[kind]]
    running.step(outcome, [slab(TOPICS[kind], 0, *events, arrived_ms=NOON_MS)], context())
    assert (outcome.records[0].accepted > 0) == (NOON_US - 7 * 86_400 * 10**6 <= occurred_at <= NOON_US + 300 * 10**6)
