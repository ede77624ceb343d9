"""Where the projection goes on: by the commit if the output agrees, else behind the output's last alert."""

from __future__ import annotations

import pytest

from connectors.alerts import positions
from connectors.alerts.positions import NOWHERE, START, JournalGone, Lane, Position
from connectors.alerts.rows import Decided, Projected, projected
from connectors.alerts.settings import IGNORED_RUN_MAX
from pipeline.core import record as journal
from tests.integration.sink_journal import RULES

ALERT = journal.Alert("a", 1, "threshold", 0.8, 8, 10, 2, 3)
MEND = "Mend it so"


def value(id_: int, prev: int, alerts: int = 0) -> bytes:
    made = journal.Record(RULES, 1, [], alerts=[ALERT] * alerts)
    return journal.encode(made, journal.Link(id_, prev, "w"))


def last(offset: int) -> Projected:
    return projected(ALERT, Decided(0, offset, 0xF0, 0))


def test_a_commit_is_read_back_and_another_ones_is_none() -> None:
    position = Position(9, (1 << 64) - 1, 8, 4)
    assert positions.parsed(9, positions.metadata(position)) == position
    assert [positions.parsed(9, text) for text in (None, "", "{}", "[]", '{"id": 1}', '{"id": "x", "at": 1}')] == [
        None
    ] * 6


def test_the_output_is_the_truth() -> None:
    agrees = Position(20, 0xAA, 19, 7)
    behind = Position(8, 0xF0, 7, 7)
    assert positions.begin(agrees, last(7)) == agrees
    assert positions.begin(None, last(7)) == behind  # the group forgot
    assert positions.begin(Position(5, 0xA, 4, 4), last(7)) == behind  # it was set back
    assert positions.begin(Position(20, 0xA, 19, 12), last(7)) == behind  # the topic lost its end
    assert positions.begin(Position(20, 0xA, 19, 12), None) == START  # it was made anew
    assert positions.begin(None, None) == START
    quiet = Position(20, 0xAA, 19, NOWHERE)
    assert positions.begin(quiet, None) == quiet


def test_reading_begins_at_the_last_valid_record_and_a_shorter_journal_is_refused() -> None:
    position = Position(20, 0xAA, 15, 7)
    assert positions.first_offset(position, 0, 20, MEND) == 15
    assert positions.first_offset(position, 16, 20, MEND) == 20
    with pytest.raises(JournalGone, match=MEND):
        positions.first_offset(position, 0, 19, MEND)
    with pytest.raises(JournalGone, match="Restore"):
        positions.first_offset(position, 21, 30, MEND)


def test_alerts_of_valid_records_alone_are_taken() -> None:
    lane = Lane(0, START, 0, MEND)
    assert len(lane.take(0, value(1, 0, 2), 5)) == 2
    assert lane.take(1, value(2, 0, 1), 5) == []  # a rival
    assert lane.take(2, b"stray", 5) == lane.take(3, None, 5) == []
    (alert,) = lane.take(4, value(3, 1, 1), 6)
    assert (alert.journal_offset, alert.journal_record, alert.decided_at) == (4, f"{3:016x}", 6)
    assert lane.take(5, value(4, 3), 6) == []
    assert lane.position == Position(6, 4, 5, 4)


def test_another_record_at_the_last_place_is_another_journal() -> None:
    lane = Lane(0, Position(3, 9, 1, 1), 1, MEND)
    with pytest.raises(JournalGone, match="truncated or replaced"):
        lane.take(1, value(8, 0), 0)
    good = Lane(0, Position(3, 9, 1, 1), 1, MEND)
    assert good.take(1, value(9, 0, 1), 0) == []  # it was projected
    assert good.take(2, value(7, 9, 1), 0) == []  # this one too, or it was ignored
    assert len(good.take(3, value(10, 9, 1), 0)) == 1


def test_a_gap_and_a_run_that_follows_nothing_are_told() -> None:
    with pytest.raises(JournalGone, match="deleted"):
        Lane(0, START, 0, MEND).take(1, value(1, 0), 0)
    lane = Lane(0, Position(0, 5, NOWHERE, NOWHERE), 0, MEND)
    for offset in range(IGNORED_RUN_MAX):
        lane.take(offset, value(1, 4), 0)
    with pytest.raises(JournalGone, match="do not follow"):
        lane.take(IGNORED_RUN_MAX, value(1, 4), 0)
