"""The check of a journal partition: it counts rivals, and finds gaps, overlaps and positions out of bounds."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.framing import FRAME_BYTES
from pipeline.core.record import Record, Source, encode
from pipeline.journal.chain import FIRST, next_link
from pipeline.journal.ports import Bounds, Described, Entry
from pipeline.journal.verify import FAULTS_MAX, UNPLACED_MAX, Check
from tests.contract.counting import RULES

EMAIL = "events.email"
HELD = Bounds(0, 100)


class Chain:
    """Writes records that follow each other."""

    def __init__(self) -> None:
        self.last_id, self.entries = FIRST, list[Entry]()

    def add(self, first: int, end: int, valid: bool = True, time: int = 0, seed: int = 1) -> None:
        link = next_link(self.last_id if valid else 12345, "w")
        record = Record(RULES._replace(seed_fingerprint=seed), time, [Source(EMAIL, first, end, end - first)])
        self.entries.append(Entry(len(self.entries), encode(record, link)))
        self.last_id = link.id if valid else self.last_id

    def add_sources(self, sources: list[Source], **more: Any) -> None:
        """A valid record of these sources."""
        link = next_link(self.last_id, "w")
        self.entries.append(Entry(len(self.entries), encode(Record(RULES, 0, sources, **more), link)))
        self.last_id = link.id

    def check(self, bounds: Bounds = HELD, found: dict[str, Described] | None = None) -> Check:
        check = Check(0, 0)
        for entry in self.entries:
            check.take(entry)
        check.end({EMAIL: bounds, "events.sms": bounds}, found)
        return check


def test_a_sound_journal_has_no_fault() -> None:
    chain = Chain()
    chain.add(4, 6)
    chain.add(6, 9, time=5)
    check = chain.check()
    assert (check.faults, check.records, check.valid, check.events) == ([], 2, 2, 5)
    assert check.positions == {EMAIL: 9}


def test_a_rival_is_counted_and_is_no_fault() -> None:
    chain = Chain()
    chain.add(0, 2)
    chain.add(2, 7, valid=False)
    chain.add(2, 3)
    check = chain.check()
    assert (check.faults, check.valid, check.rivals, check.events) == ([], 2, 1, 3)


def test_a_gap_and_an_overlap_of_positions_are_told_apart() -> None:
    chain = Chain()
    for first, end in ((0, 2), (3, 5), (4, 6)):
        chain.add(first, end)
    assert chain.check().faults == [
        "offset 1: events.email goes on at 3, not 2: a gap",
        "offset 2: events.email goes on at 4, not 5: an overlap",
    ]


def test_missing_offsets_are_a_fault() -> None:
    chain = Chain()
    for i in range(3):
        chain.add(i, i + 1)
    del chain.entries[1]
    assert chain.check().faults == ["offset 2 follows 0: records are missing"]


GONE = (
    "the beginning is gone: the first record is at offset {}, and the chain is checked from the first one that a later "
    "one names"
)


def behind(chain: Chain, first: int) -> Check:
    """The check of what is left of a chain from an offset on."""
    check = Check(0, first)
    for entry in chain.entries[first:]:
        check.take(entry)
    check.end({EMAIL: HELD})
    return check


def test_a_beginning_that_is_gone_is_a_fault_and_what_is_left_of_the_chain_is_checked() -> None:
    chain = Chain()
    for i in range(6):
        chain.add(i, i + 1)
    check = behind(chain, 2)
    assert check.faults == [GONE.format(2)]
    assert (check.records, check.valid, check.rivals, check.unplaced, check.events) == (4, 4, 0, 0, 4)
    assert check.positions == {EMAIL: 6}


def test_behind_a_beginning_that_is_gone_rivals_are_told_from_what_nobody_can_place() -> None:
    chain = Chain()
    chain.add(0, 1)
    chain.add(1, 2)
    chain.add(7, 8, valid=False)  # before the first record that is known to be valid
    chain.add(2, 3)
    chain.add(8, 9, valid=False)  # behind it, but before anything names it
    chain.add(3, 4)
    chain.add(8, 9, valid=False)
    chain.add(5, 6)
    check = behind(chain, 2)
    assert check.faults == [GONE.format(2), "offset 7: events.email goes on at 5, not 4: a gap"]
    assert (check.records, check.valid, check.rivals, check.unplaced, check.events) == (6, 3, 2, 1, 3)


def test_a_single_record_that_is_left_is_neither_valid_nor_a_rivals() -> None:
    chain = Chain()
    chain.add(0, 1)
    chain.add(1, 2)
    check = behind(chain, 1)
    assert (check.faults, check.valid, check.rivals, check.unplaced) == ([GONE.format(1)], 0, 0, 1)


@pytest.mark.parametrize(("rivals", "found"), [(UNPLACED_MAX - 1, 2), (UNPLACED_MAX, 0)])
def test_so_many_records_wait_for_the_one_that_names_them(rivals: int, found: int) -> None:
    chain = Chain()
    chain.add(0, 1)
    chain.add(1, 2)
    for _ in range(rivals):
        chain.add(7, 8, valid=False)
    chain.add(2, 3)
    assert behind(chain, 1).valid == found


def test_several_entries_of_a_topic_in_one_record_continue_each_other() -> None:
    chain = Chain()
    runs = [Source(EMAIL, 0, 2, 2), Source("events.sms", 0, 1, 1), Source(EMAIL, 2, 5, 3)]
    chain.add_sources(runs)
    chain.add_sources([Source(EMAIL, 5, 6, 1), Source(EMAIL, 7, 8, 1)])
    assert chain.check().faults[0] == "offset 1: events.email goes on at 7, not 6: a gap"


def test_a_topic_that_is_not_the_one_that_was_read_is_a_fault() -> None:
    chain = Chain()
    chain.add_sources([Source(EMAIL, 0, 2, 2)], topics={EMAIL: "a"}, partitions=4)
    chain.add_sources([Source(EMAIL, 2, 3, 1)], partitions=4)
    check = chain.check(found={EMAIL: Described("a", 4)})
    assert (check.faults, check.topics, check.partitions) == ([], {EMAIL: "a"}, 4)
    assert chain.check(found={EMAIL: Described("", 4)}).faults == []
    assert chain.check(found={EMAIL: Described("b", 8)}).faults == [
        "events.email: the journal has read the topic of id a, but the broker has one of id b",
        "events.email has 8 partitions, but the journal began with 4",
    ]


def test_a_topic_or_a_number_of_partitions_that_changes_within_the_journal_is_a_fault() -> None:
    chain = Chain()
    chain.add_sources([Source(EMAIL, 0, 2, 2)], topics={EMAIL: "a"}, partitions=4)
    chain.add_sources([Source(EMAIL, 2, 3, 1)], topics={EMAIL: "b"}, partitions=8)
    assert chain.check().faults == [
        "offset 1: events.email is the topic of id b, not a as before",
        "offset 1: decided under 8 partitions, not 4",
    ]


def test_positions_outside_their_topic_are_faults() -> None:
    chain = Chain()
    chain.add(0, 50)
    assert chain.check(Bounds(0, 50)).faults == []
    assert chain.check(Bounds(50, 60)).faults == []
    assert chain.check(Bounds(0, 49)).faults == ["events.email: the journal goes on at 50, but the topic holds [0, 49)"]
    assert len(chain.check(Bounds(51, 60)).faults) == 1


def test_a_topic_that_is_gone_is_a_fault() -> None:
    chain = Chain()
    chain.add(0, 50)
    check = Check(0, 0)
    check.take(chain.entries[0])
    check.end({})
    assert check.faults == ["events.email: the journal has read up to 49, but there is no such topic"]


def test_what_cannot_be_read_is_a_fault_with_its_offset() -> None:
    chain = Chain()
    chain.add(0, 1)
    whole = chain.entries[0].value or b""
    chain.entries += [
        Entry(1, None),
        Entry(2, whole[:FRAME_BYTES] + b"\x00" + whole[FRAME_BYTES + 1 :]),
        Entry(3, whole[: len(whole) // 2]),
    ]
    faults = chain.check().faults
    assert [fault.split(":")[0] for fault in faults] == ["offset 1", "offset 2", "offset 3"]
    assert "run the version that wrote it" in faults[1]


def test_stream_time_that_goes_back_and_two_seeds_are_faults() -> None:
    chain = Chain()
    chain.add(0, 1, time=9)
    chain.add(1, 2, time=8, seed=2)
    assert chain.check().faults == ["offset 1: stream time goes back", "decided with 2 different hash seeds"]


def test_only_so_many_faults_are_told() -> None:
    check = Check(0, 0)
    for offset in range(FAULTS_MAX + 3):
        check.take(Entry(offset, None))
    assert (len(check.faults), check.faults_untold) == (FAULTS_MAX, 3)
