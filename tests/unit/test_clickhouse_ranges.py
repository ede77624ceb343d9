"""Ranges of the journal: what is cut, what is fixed, and what comes back after a crash."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.clickhouse import footprint, ranges
from connectors.clickhouse.ranges import (
    IGNORED_RUN_MAX,
    NOWHERE,
    START,
    JournalGone,
    Lane,
    Limits,
    Position,
    Range,
    agree,
    fence,
    fenced_by,
    first_offset,
    metadata,
    position,
)
from connectors.clickhouse.rows import translate
from pipeline.core.framing import FRAME_BYTES
from pipeline.core.record import FORMAT, Link, Record, Rejected, Source, UnknownFormat, encode
from tests.integration.sink_journal import RULES, Partition
from tests.integration.sink_values import chained

LIMITS = Limits(rows=40, size=1 << 20, linger_seconds=1.0)


def journal(seed: int) -> list[bytes]:
    chance = random.Random(seed)
    return chained(list(Partition(0, chance).records(12, 10)), chance)


def record(accepted: int = 1) -> Record:
    return Record(RULES, 0, [Source("events.email", 0, accepted, accepted)])


def value(id_: int, prev: int, accepted: int = 1) -> bytes:
    return encode(record(accepted), Link(id_, prev, "w"))


def lane(committed: Position = START, first: int = 0, limits: Limits = LIMITS) -> Lane:
    return Lane(0, committed, first, limits)


def sunk(found: Lane, values: list[bytes], now: float = 0.0) -> list[Range]:
    """All ranges of a journal from the lane's first offset on; what waits at the end lingers out."""
    ranges = []
    for offset in range(found.next, len(values)):
        found.take(offset, values[offset], now)
        while found.due(now):
            ranges.append(found.cut(now))
            found.finish()
    while found.due(now + 10):
        ranges.append(found.cut(now + 10))
        found.finish()
    return ranges


def test_a_range_waits_for_its_rows_or_its_linger() -> None:
    found = lane()
    found.take(0, value(1, 0, accepted=39), 5.0)
    assert not found.due(5.9)
    assert found.due(6.0)
    found.take(1, value(2, 1, accepted=1), 5.5)
    assert found.due(5.5)


def test_a_range_is_full_by_its_rows_and_not_by_its_linger() -> None:
    found = lane()
    found.take(0, value(1, 0, accepted=39), 5.0)
    assert found.due(6.0)
    assert not found.is_full
    found.take(1, value(2, 1, accepted=1), 5.5)
    assert found.is_full
    found.cut(6.0)
    assert not found.is_full


def test_a_range_takes_no_more_records_than_may_be_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)
    records = list(Partition(0, chance).records(6, 10))
    values = [encode(one, Link(n + 1, n, "w")) for n, one in enumerate(records)]
    first, second = (one.events_size for one in records[:2])
    monkeypatch.setattr(ranges, "RANGE_ROWS_BYTES_MAX", first + second)
    found = lane(limits=Limits(rows=10_000, size=1 << 30, linger_seconds=60))
    found.take(0, values[0], 0.0)
    assert not found.due(0.0)
    for offset in range(1, 6):
        found.take(offset, values[offset], 0.0)
        assert found.due(0.0)
    assert found.cut(0.0).intent.end == 2
    found.finish()
    assert found.due(0.0)


def test_a_record_of_small_rejects_waits_as_what_it_takes_in_memory() -> None:
    rejects = [Rejected("events.sms", n, 0, "a", "not_framed", "", b"x", 1) for n in range(100)]
    found = lane()
    found.take(0, encode(Record(RULES, 0, [], rejects=rejects), Link(1, 0, "w")), 0.0)
    assert found.size > 100 * footprint.ENTRY_BYTES


def test_a_range_waits_no_longer_than_for_its_bytes() -> None:
    one = value(1, 0)
    size = footprint.waiting(record(), len(one))
    found = lane(limits=Limits(rows=1000, size=2 * size, linger_seconds=60))
    found.take(0, one, 0.0)
    assert not found.due(0.0)
    found.take(1, value(2, 1), 0.0)
    assert found.due(0.0)


def test_a_range_names_what_it_fixes_and_what_it_leaves() -> None:
    found = lane()
    for offset, (id_, prev) in enumerate([(5, 0), (9, 7), (6, 5), (8, 5)]):
        found.take(offset, value(id_, prev), 0.0)
    range_ = found.cut(1.0)
    assert range_.intent == Position(0, 0, NOWHERE, end=4)
    assert range_.done == Position(4, 6, 2)
    assert [d.offset for d in range_.decided] == [0, 2]
    assert range_.ignored == 2


def test_an_open_range_stays_the_same_until_it_is_finished() -> None:
    found = lane()
    found.take(0, value(5, 0), 0.0)
    first = found.cut(1.0)
    found.take(1, value(6, 5), 1.0)
    assert found.cut(2.0) is first
    found.finish()
    assert found.cut(2.0).intent.offset == 1


def test_records_outside_the_chain_alone_move_the_position_and_keep_the_id() -> None:
    found = lane(Position(3, 77, 1), first=3)
    found.take(3, value(5, 0), 0.0)
    found.take(4, None, 0.0)
    range_ = found.cut(1.0)
    assert range_.decided == []
    assert range_.done == Position(5, 77, 1)


@given(seed=st.integers(0, 40), crash=st.integers(0, 9), limit=st.integers(1, 200))
def test_after_a_crash_the_fixed_range_is_the_same_whatever_the_limits_are_now(
    seed: int, crash: int, limit: int
) -> None:
    values = journal(seed)
    ranges = sunk(lane(), values)
    lost = ranges[min(crash, len(ranges) - 1)]
    committed = position(lost.intent.offset, metadata(lost.intent))
    other = Limits(rows=limit, size=1 << 20, linger_seconds=0.0)
    again = sunk(lane(committed, first_offset(committed, 0, len(values)), other), values)
    assert again[0].intent == lost.intent
    assert again[0].done == lost.done
    assert translate(0, again[0].decided) == translate(0, lost.decided)


@given(seed=st.integers(0, 40))
def test_the_ranges_hold_every_valid_record_once(seed: int) -> None:
    values = journal(seed)
    offsets = [d.offset for range_ in sunk(lane(), values) for d in range_.decided]
    assert len(offsets) == 12
    assert offsets == sorted(set(offsets))


@pytest.mark.parametrize("committed", [START, Position(5, (1 << 64) - 1, 4), Position(5, 3, 4, end=9)])
def test_a_position_survives_its_commit(committed: Position) -> None:
    assert position(committed.offset, metadata(committed)) == committed


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"id": "xyz", "at": 1}', "not json"])
def test_a_commit_of_somebody_else_is_refused(text: str | None) -> None:
    with pytest.raises(JournalGone, match=r"not committed by a sink.*tally rebuild clickhouse"):
        position(7, text)


def test_a_fence_is_refused_by_every_sink_and_names_the_tables_it_is_for() -> None:
    with pytest.raises(
        JournalGone, match=r"has begun to exchange the tables with those of tally_fresh_1.*run it again"
    ):
        position(7, fence("tally_fresh_1"))
    assert fenced_by(fence("tally_fresh_1")) == "tally_fresh_1"


@pytest.mark.parametrize("text", [None, "", "[]", "7", '{"id": "01", "at": 1}'])
def test_what_is_no_fence_is_none(text: str | None) -> None:
    assert fenced_by(text) is None


def test_reading_begins_at_the_last_record_that_is_in_clickhouse() -> None:
    assert first_offset(Position(9, 1, 5), low=0, high=9) == 5


def test_a_record_that_retention_took_is_not_asked_for() -> None:
    assert first_offset(Position(9, 1, 5), low=9, high=9) == 9


def test_a_journal_that_lost_its_end_is_refused() -> None:
    with pytest.raises(JournalGone, match="ends at offset 8, but records up to 9"):
        first_offset(Position(9, 1, 5), low=0, high=8)


def test_a_journal_that_lost_part_of_the_fixed_range_is_refused() -> None:
    with pytest.raises(JournalGone, match="ends at offset 11, but records up to 12"):
        first_offset(Position(9, 1, 5, end=12), low=0, high=11)


def test_a_journal_whose_beginning_was_never_inserted_is_refused() -> None:
    with pytest.raises(JournalGone, match="begins at offset 10, but records from 9"):
        first_offset(Position(9, 1, 5), low=10, high=20)


def test_another_record_where_the_last_one_was_is_refused() -> None:
    found = lane(Position(2, 7, 1), first=1)
    with pytest.raises(JournalGone, match="offset 1 holds another record"):
        found.take(1, value(8, 0), 0.0)


def test_the_same_record_where_the_last_one_was_is_not_inserted_again() -> None:
    found = lane(Position(2, 7, 1), first=1)
    found.take(1, value(7, 0), 0.0)
    assert not found.due(10.0)
    found.take(2, value(9, 7), 0.0)
    assert [d.offset for d in found.cut(10.0).decided] == [2]


def test_a_gap_in_the_offsets_is_refused() -> None:
    with pytest.raises(JournalGone, match="after offset -1 comes 1"):
        lane().take(1, value(1, 0), 0.0)


def test_records_that_never_extend_the_chain_are_another_journal() -> None:
    found = lane()
    for offset in range(IGNORED_RUN_MAX):
        found.take(offset, value(2, 1), 0.0)
    with pytest.raises(JournalGone, match="do not follow"):
        found.take(IGNORED_RUN_MAX, value(2, 1), 0.0)


def test_a_record_of_a_newer_format_stops_the_sink() -> None:
    framed = value(1, 0)
    head = bytes([2 * (FORMAT + 1)])  # the format is the first field, in zigzag
    newer = framed[:FRAME_BYTES] + head + framed[FRAME_BYTES + 1 :]
    with pytest.raises(UnknownFormat, match="a newer one"):
        lane().take(0, newer, 0.0)


@pytest.mark.parametrize("stray", [b"hello", b"", b"\x00\x00\x00\x00\x05", None])
def test_what_something_else_wrote_to_the_journal_is_ignored(stray: bytes | None) -> None:
    found = lane()
    found.take(0, value(1, 0), 0.0)
    found.take(1, stray, 0.0)
    found.take(2, value(2, 1), 0.0)
    assert [item.id for item in found._items] == [1, 0, 2]  # 0: no record of the chain


DONE = Position(20, 7, 17)  # 18 and 19 are outside the chain
OPEN = Position(20, 7, 17, 30)


@pytest.mark.parametrize(
    ("committed", "inserted"),
    [(None, 0), (START, 0), (Position(2, 0, NOWHERE), 0), (DONE, 18), (DONE, 20), (OPEN, 18), (OPEN, 25), (OPEN, 30)],
)
def test_a_commit_under_which_the_tables_were_filled_is_gone_on_with(committed: Position | None, inserted: int) -> None:
    agree(committed, inserted)


@pytest.mark.parametrize(
    ("committed", "inserted", "why"),
    [
        (None, 1, "up to offset 1, but the group has no offset"),
        (START, 1, "up to offset 1, but the group's commit says 0 at most: .* count twice"),
        (DONE, 21, "up to offset 21, but the group's commit says 20 at most: .* count twice"),
        (OPEN, 31, "up to offset 31, but the group's commit says 30 at most: .* count twice"),
        (DONE, 17, "up to offset 18, but ClickHouse has them up to 17 only: .* be missing"),
        (OPEN, 17, "up to offset 18, but ClickHouse has them up to 17 only: .* be missing"),
        (DONE, 0, "up to offset 18, but ClickHouse has them up to 0 only: the tables are new"),
    ],
)
def test_a_commit_older_or_newer_than_the_tables_is_refused(
    committed: Position | None, inserted: int, why: str
) -> None:
    with pytest.raises(JournalGone, match=f"{why}.*Run `tally rebuild clickhouse`"):
        agree(committed, inserted)
