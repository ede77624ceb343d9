"""What a journal record takes in a sink's memory while it waits."""

from __future__ import annotations

from connectors.clickhouse import footprint
from pipeline.core import record as journal
from tests.integration.sink_journal import RULES


def test_a_record_of_many_small_entries_takes_more_than_its_bytes() -> None:
    rejects = [journal.Rejected("events.sms", n, 0, "a", "not_framed", "", b"x", 1) for n in range(1_000)]
    record = journal.Record(RULES, 0, [], rejects=rejects)
    size = len(journal.encode(record, journal.Link(1, 0, "w")))
    assert footprint.waiting(record, size) == size + 1_000 * footprint.ENTRY_BYTES > 10 * size
