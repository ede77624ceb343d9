"""Journal records as rows: nothing lost, nothing twice, always the same."""

from __future__ import annotations

import dataclasses
import io
import random
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.clickhouse.rows import PERSONS_PER_RECORD, TABLES, Decided, UnreadableRows, tables, translate
from pipeline.core.event_schema import EVENTS
from pipeline.core.record import Allowance, Person, Record
from pipeline.core.rows import packed, read_rows
from tests.integration.sink_journal import RULES, Partition


def decided(seed: int, records: int = 8) -> list[Decided]:
    made = Partition(2, random.Random(seed)).records(records, 15)
    return [Decided(10 * i, record) for i, record in enumerate(made)]


def with_persons(n: int) -> Record:
    return Record(RULES, 0, [], persons=[Person("a", f"p{i}", "p") for i in range(n)])


def test_every_row_says_the_journal_record_that_decided_it() -> None:
    found = decided(1)
    events = tables(2, found)["events"]
    assert set(events["journal_offset"].to_pylist()) == {d.offset for d in found if d.record.events}
    assert set(events["journal_partition"].to_pylist()) == {2}
    assert events["origin_partition"].equals(events["journal_partition"])


def test_events_keep_their_columns_and_order() -> None:
    found = decided(1)
    expected = pa.concat_tables([read_rows(d.record) for d in found])
    assert tables(2, found)["events"].select(EVENTS.names).equals(expected)


def test_a_range_is_one_stream_of_one_batch() -> None:
    for name, content in translate(2, decided(1)).items():
        stream = io.BytesIO(content.stream)
        with pa.ipc.open_stream(stream) as reader:
            batches = list(reader)
        assert stream.read() == b"", name
        assert [batch.num_rows for batch in batches] == [content.rows], name


def test_the_same_records_give_the_same_bytes() -> None:
    assert translate(2, decided(7)) == translate(2, decided(7))


@pytest.mark.parametrize("given", [0, 1, 2], ids=["none given", "some given", "all given"])
def test_what_a_source_does_not_give_is_sent_as_the_default_that_clickhouse_would_put(given: int) -> None:
    defaults = {"person_id": "", "link": "", "cycle_start": datetime(1970, 1, 1, tzinfo=UTC), "attributes": []}
    values = {
        "person_id": "p",
        "link": "l",
        "cycle_start": datetime(2026, 1, 1, tzinfo=UTC),
        "attributes": [("k", "v")],
    }
    columns = [pa.array([values.get(f.name)] * given + [None] * (2 - given), f.type) for f in EVENTS]
    record = Record(RULES, 0, [], **packed(EVENTS, [pa.record_batch(columns, schema=EVENTS)])._asdict())
    sent = pa.ipc.open_stream(translate(2, [Decided(0, record)])["events"].stream).read_all()
    for name, default in defaults.items():
        found = [default if value is None else value for value in sent[name].to_pylist()]
        assert found == [values[name]] * given + [default] * (2 - given), name
        may_be_null = name == "attributes" and given == 1  # some without fields go as they are
        assert sent.schema.field(name).nullable == may_be_null, name


def test_ranges_come_first_intake_last_and_empty_tables_not_at_all() -> None:
    assert (next(iter(TABLES)), [*TABLES][-1]) == ("ranges", "intake")
    assert [*translate(2, decided(1, records=80))] == [*TABLES]
    assert [*translate(2, [Decided(0, with_persons(1))])] == ["ranges", "person_map"]
    assert translate(2, []) == {}


def test_a_range_says_where_its_last_record_ends() -> None:
    (row,) = tables(2, [Decided(3, with_persons(1)), Decided(7, with_persons(1))])["ranges"].to_pylist()
    assert row == {"partition": 2, "end": 8}


@given(seed=st.integers(0, 50), cut=st.integers(0, 8))
def test_intake_adds_up_however_the_records_are_cut_into_ranges(seed: int, cut: int) -> None:
    found = decided(seed)
    whole = tables(2, found)["intake"].to_pylist()
    parts = [
        row for part in (found[:cut], found[cut:]) for row in tables(2, part).get("intake", pa.table({})).to_pylist()
    ]
    for row in whole:
        assert row["read"] == row["accepted"] + row["duplicates"] + row["rejected"]
        for name in ("read", "accepted", "duplicates", "rejected"):
            assert row[name] == sum(part[name] for part in parts if part["topic"] == row["topic"])


def test_a_later_record_has_the_higher_version() -> None:
    first, second = Decided(0, with_persons(3)), Decided(1, with_persons(1))
    versions = tables(2, [first, second])["person_map"]["version"].to_pylist()
    assert versions == [0, 1, 2, PERSONS_PER_RECORD]


@pytest.mark.parametrize("n", [PERSONS_PER_RECORD, PERSONS_PER_RECORD + 1])
def test_a_record_with_more_persons_than_versions_stays_below_the_next(n: int) -> None:
    versions = tables(2, [Decided(0, with_persons(n)), Decided(1, with_persons(1))])["person_map"]["version"]
    assert len(versions) == n + 1
    assert max(versions.to_pylist()[:-1]) == PERSONS_PER_RECORD - 1
    assert versions[-1].as_py() == PERSONS_PER_RECORD


def test_an_account_without_a_plan_has_no_allowance() -> None:
    cycle = Allowance("a", 1_767_225_600_000_000, 1_769_904_000_000_000, 5, 4, None, ())
    (row,) = tables(2, [Decided(0, Record(RULES, 0, [], allowance=[cycle]))])["allowance"].to_pylist()
    assert (row["allowance"], row["used"], row["used_as_closed"]) == (None, 5, 4)
    assert row["cycle_end"].isoformat() == "2026-02-01T00:00:00+00:00"


def test_events_that_are_damaged_are_refused_with_their_place() -> None:
    (one, *_) = decided(1)
    record = dataclasses.replace(one.record, events=one.record.events[:-1] + b"\0")
    with pytest.raises(UnreadableRows, match=r"partition 2, offset 9: the events of a journal record are damaged"):
        tables(2, [Decided(9, record)])


def test_events_with_other_columns_are_refused_with_their_place_and_names() -> None:
    schema = pa.schema([*EVENTS, ("mood", pa.string())])
    events = packed(schema, [pa.record_batch([*(pa.nulls(1, f.type) for f in EVENTS), ["good"]], schema=schema)])
    record = dataclasses.replace(with_persons(1), **events._asdict())
    with pytest.raises(UnreadableRows, match=r"partition 2, offset 9: .*\(mood\): run the version"):
        tables(2, [Decided(9, record)])
