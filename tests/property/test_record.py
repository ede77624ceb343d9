"""A journal record is what was written, whatever it holds."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import fastavro
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import schemas
from pipeline.core.forecast import Forecast
from pipeline.core.framing import FRAME_BYTES
from pipeline.core.record import (
    FACTS,
    HOLDERS,
    Alert,
    Allowance,
    Duplicates,
    Label,
    Link,
    Person,
    Plan,
    Record,
    Register,
    Rejected,
    Rules,
    Source,
    decode,
    encode,
    read_link,
)
from tests.property.budget import examples

SCHEMA: Any = fastavro.parse_schema(schemas.avro("journal.v1.avsc"))

u64 = st.integers(0, (1 << 64) - 1)
i64 = st.integers(-(1 << 63), (1 << 63) - 1)
text = st.text(max_size=12)
ratio = st.floats(allow_nan=False)

alerts = st.builds(Alert, text, i64, st.sampled_from(("threshold", "forecast")), ratio, i64, i64, i64, u64)
longs = st.lists(i64, max_size=3).map(tuple)
ratios = st.lists(ratio, max_size=3).map(tuple)
allowances = st.builds(
    Allowance, text, i64, i64, i64, i64, st.none() | i64, ratios, forecast=st.booleans(), days=longs, days_used=longs
)
forecasts = st.builds(Forecast, text, i64, i64, i64, i64, i64, i64, st.booleans())
plans = st.builds(
    Plan, text, i64, i64, text, st.lists(ratio, max_size=3).map(tuple),
    st.none() | st.lists(text, max_size=3).map(tuple), i64, u64,
)  # fmt: skip


def column(kind: Any, rows: int) -> st.SearchStrategy[Any]:
    return st.binary(min_size=rows * np.dtype(kind).itemsize, max_size=rows * np.dtype(kind).itemsize).map(
        lambda raw: np.frombuffer(raw, kind)
    )


@st.composite
def records(draw: Any) -> Record:
    remembered, facts, holders = (draw(st.integers(0, 5)) for _ in range(3))
    few = {"max_size": 3}
    return Record(
        rules=draw(st.builds(Rules, *[st.integers(0, 10_000)] * 5, u64)),
        stream_time=draw(i64),
        sources=draw(st.lists(st.builds(Source, text, i64, i64, i64), **few)),
        identities=draw(column(np.uint64, remembered)),
        payloads=draw(column(np.uint64, remembered)),
        origins=draw(column(np.uint64, remembered)),
        facts=draw(column(FACTS, facts)),
        holders=draw(column(HOLDERS, holders)),
        labels=draw(st.lists(st.builds(Label, text, st.none() | text, text), **few)),
        registers=draw(st.lists(st.builds(Register, text, text, text, i64, u64), **few)),
        persons=draw(st.lists(st.builds(Person, text, text, text), **few)),
        allowance=draw(st.lists(allowances, **few)),
        plans=draw(st.lists(plans, **few)),
        forecasts=draw(st.lists(forecasts, **few)),
        alerts=draw(st.lists(alerts, **few)),
        events=draw(st.binary(max_size=40)),
        events_size=draw(st.integers(0, (1 << 63) - 1)),
        rejects=draw(
            st.lists(st.builds(Rejected, text, i64, i64, text, text, text, st.binary(max_size=9), i64), **few)
        ),
        duplicates=draw(st.lists(st.builds(Duplicates, text, text, text, i64), **few)),
        runs=draw(st.booleans()),
        topics=draw(st.dictionaries(text, text, max_size=3)),
        partitions=draw(st.integers(0, (1 << 31) - 1)),
    )


def plain(record: Record) -> dict[str, Any]:
    """A record's fields, arrays as bytes."""
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return {name: x.tobytes() if isinstance(x, np.ndarray) else x for name, x in fields.items()}


@given(records(), st.builds(Link, u64, u64, text))
@examples()
def test_decode_gives_what_was_encoded(record: Record, link: Link) -> None:
    value = encode(record, link)
    found, again = decode(value)
    assert found == link
    assert plain(again) == plain(record)
    assert read_link(value) == link._replace(writer="")
    assert encode(again, found) == value
    out = io.BytesIO()  # the same bytes as the reference writes
    row = fastavro.schemaless_reader(io.BytesIO(value[FRAME_BYTES:]), SCHEMA, None)
    fastavro.schemaless_writer(out, SCHEMA, row)
    assert out.getvalue() == value[FRAME_BYTES:]
