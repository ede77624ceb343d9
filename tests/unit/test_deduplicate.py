"""One identity is one event: the first counts, copies are duplicates, copies that differ are kept as conflicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.core.deduplicate import FIELDS, TAGS, deduplicate, forgotten, remember
from pipeline.core.table import HashTable
from tests.events import NOON_MS, NOON_US, event
from tests.partition import Partition, reasons

DAY_MS = 86_400_000
NOTHING_GONE = np.zeros(256, bool)


def u64(*values: int) -> Any:
    return np.array(values, np.uint64)


def seen(*identities: int, day: int = 5) -> HashTable:
    table = HashTable(FIELDS)
    numbers = u64(*identities)
    remember(table, (numbers, numbers * np.uint64(10), numbers * np.uint64(100)), day)
    return table


def test_the_first_of_a_batch_is_new_and_the_others_are_its_copies() -> None:
    copies = deduplicate(seen(), NOTHING_GONE, u64(7, 8, 7, 7), u64(1, 2, 1, 9), u64(20, 21, 22, 23))
    assert copies.is_new.tolist() == [True, True, False, False]
    assert copies.conflicts.tolist() == [False, False, False, True]
    assert copies.remembered.tolist() == [False] * 4
    assert copies.first.tolist() == [20, 21, 20, 20]


def test_what_is_remembered_is_compared_with_its_first_payload() -> None:
    copies = deduplicate(seen(7), NOTHING_GONE, u64(7, 7, 8), u64(70, 71, 80), u64(1, 2, 3))
    assert copies.is_new.tolist() == [False, False, True]
    assert copies.conflicts.tolist() == [False, True, False]
    assert copies.remembered.tolist() == [True, True, False]
    assert copies.first.tolist() == [700, 700, 3]


def test_what_the_day_forgets_is_new_again_though_it_is_still_in_the_table() -> None:
    gone = forgotten(5, 14, 7)
    copies = deduplicate(seen(7, day=5), gone, u64(7, 7), u64(1, 2), u64(3, 4))
    assert copies.is_new.tolist() == [True, False]
    assert copies.conflicts.tolist() == [False, True]
    assert copies.first.tolist() == [3, 3]


def test_nothing_has_no_copies() -> None:
    assert deduplicate(seen(1), NOTHING_GONE, u64(), u64(), u64()).is_new.tolist() == []


@pytest.mark.parametrize(("later", "gone"), [(0, False), (8, False), (9, True), (300, True)])
@pytest.mark.parametrize("day", [0, 5, TAGS - 1, TAGS, 20_000])
def test_a_day_is_forgotten_one_day_past_the_window_and_a_day(day: int, later: int, gone: bool) -> None:
    assert forgotten(day, day + later, 7)[day % TAGS] == gone


def test_the_widest_window_fits_the_tags() -> None:
    for before in (20_000, 20_007):
        for age in range(122):
            assert not forgotten(before, before, 120)[(before - age) % TAGS]
        assert forgotten(before, before + 1, 120)[(before - 121) % TAGS]


def test_where_the_first_copy_was_met_is_said() -> None:
    partition = Partition()
    one = event("email_sent", event_id="1")
    first = partition.send(one, one, one)
    again = partition.send(one)
    assert [(d.topic, d.source, d.reason, d.events) for d in first.duplicates] == [
        ("events.email", "own", "same_batch", 2)
    ]
    assert [(d.reason, d.events) for d in again.duplicates] == [("remembered", 1)]


def test_a_conflict_names_the_place_of_the_first_and_keeps_its_own() -> None:
    partition = Partition()
    one = event("email_sent", event_id="1")
    partition.send(event("sms_sent"), one)
    record = partition.send(event("email_sent"), one | {"campaign_id": "other"})
    assert reasons(record) == ["conflicting_duplicate"]
    assert "events.email offset 0" in record.rejects[0].detail
    assert (record.rejects[0].topic, record.rejects[0].offset) == ("events.email", 2)


def test_a_copy_on_another_topic_is_a_conflict_not_a_second_event() -> None:
    partition = Partition()
    partition.send(event("email_sent", event_id="1"))
    record = partition.send(event("sms_sent", event_id="1"))
    assert reasons(record) == ["conflicting_duplicate"]


def test_accounts_and_sources_do_not_share_identities() -> None:
    one = event("email_sent", event_id="1")
    record = Partition().send(one, one | {"account_id": "other"}, one | {"source": "other"})
    assert record.accepted == 3


@pytest.mark.parametrize("days", range(12))
def test_no_copy_counts_twice_however_late_it_comes(days: int) -> None:
    partition = Partition()
    one = event("email_sent", event_id="1", occurred_at=NOON_US + 5 * 60_000_000)
    assert partition.send(one).accepted == 1
    record = partition.send(one, at_ms=NOON_MS + days * DAY_MS)
    assert record.accepted == 0
    assert reasons(record) == (["too_late"] if days > 7 else [])


def test_the_last_copy_that_is_not_too_late_comes_on_the_last_day_that_remembers() -> None:
    midnight_ms = NOON_MS + DAY_MS // 2
    partition = Partition(future_minutes_max=1440)
    one = event("email_sent", event_id="1", occurred_at=(midnight_ms - 1 + DAY_MS) * 1000)
    assert partition.send(one, at_ms=midnight_ms - 1).accepted == 1
    record = partition.send(one, at_ms=midnight_ms - 1 + 8 * DAY_MS)
    assert [d.events for d in record.duplicates] == [1]
    assert reasons(partition.send(one, at_ms=midnight_ms + 8 * DAY_MS)) == ["too_late"]


def test_an_identity_that_comes_again_with_another_time_is_a_new_event_once_it_is_forgotten() -> None:
    partition = Partition()
    partition.send(event("email_sent", event_id="1"))
    for days, fate in ((8, ["conflicting_duplicate"]), (9, [])):
        later = event("email_sent", event_id="1", occurred_at=NOON_US + days * DAY_MS * 1000)
        assert reasons(partition.send(later, at_ms=NOON_MS + days * DAY_MS)) == fate


def test_a_test_event_is_remembered_too() -> None:
    partition = Partition()
    partition.send(event("email_sent", event_id="1", is_test=True))
    assert reasons(partition.send(event("email_sent", event_id="1"))) == ["conflicting_duplicate"]


def test_rejects_are_not_remembered() -> None:
    partition = Partition()
    early = event("email_sent", event_id="1", occurred_at=NOON_US + 301_000_000)
    assert reasons(partition.send(early)) == ["in_the_future"]
    assert partition.send(early, at_ms=NOON_MS + 1000).accepted == 1


def test_a_window_made_smaller_forgets_with_the_next_day_not_at_once() -> None:
    assert not forgotten(20_005, 20_005, 1).any()
    assert forgotten(20_005, 20_006, 1)[20_000 % TAGS]
