"""What a journal record takes in a sink's memory, told without decompressing it."""

from __future__ import annotations

import random

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from connectors.clickhouse import footprint
from pipeline.core import record as journal
from tests.integration.sink_journal import RULES, Partition


@given(st.integers(0, 1 << 32), st.integers(1, 60))
def test_the_events_take_what_arrow_takes_for_them_once_they_are_read(seed: int, events: int) -> None:
    for record in Partition(0, random.Random(seed)).records(2, events):
        with pa.ipc.open_stream(record.events) as reader:
            assert footprint.decompressed(record.events) == reader.read_all().get_total_buffer_size()


def test_events_that_compress_well_are_told_by_what_they_become() -> None:
    table = pa.table({"text": ["x" * 1_000_000] * 30, "number": pa.array(range(30), pa.int64())})
    for compression in ("zstd", None):
        out = pa.BufferOutputStream()
        with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_table(table, max_chunksize=10)
        assert 30_000_000 <= footprint.decompressed(bytes(out.getvalue())) < 30_010_000


def test_a_record_without_events_becomes_no_rows() -> None:
    assert footprint.decompressed(b"") == 0


def test_a_record_of_many_small_entries_takes_more_than_its_bytes() -> None:
    rejects = [journal.Rejected("events.sms", n, 0, "a", "not_framed", "", b"x", 1) for n in range(1_000)]
    record = journal.Record(RULES, 0, [], rejects=rejects)
    size = len(journal.encode(record, journal.Link(1, 0, "w")))
    assert footprint.waiting(record, size) == size + 1_000 * footprint.ENTRY_BYTES > 10 * size
