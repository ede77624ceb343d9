"""The hash table: full rows, growth, what is absent."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.table import LOAD_MAX, ROWS_MIN, SLOTS, HashTable


def numbered(count: int, step: int = 1) -> HashTable:
    table = HashTable({"number": np.uint32})
    keys = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(step)
    table.insert(keys, number=np.arange(count, dtype=np.uint32))
    return table


def test_what_is_absent_is_minus_one_and_reads_as_0() -> None:
    table = numbered(3)
    keys = np.array([2, 99], np.uint64)
    assert (table.find(keys) >= 0).tolist() == [True, False]
    assert table.get("number", keys).tolist() == [1, 0]


def test_a_table_grows_at_its_load_and_keeps_everything() -> None:
    slots = ROWS_MIN * SLOTS
    fits = int(slots * LOAD_MAX)
    assert numbered(fits).keys.size == slots
    table = numbered(fits + 1)
    assert table.keys.size == 2 * slots
    keys = np.arange(1, fits + 2, dtype=np.uint64)
    assert table.get("number", keys).tolist() == list(range(fits + 1))


def test_keys_that_want_one_row_find_room() -> None:
    step = ROWS_MIN * 64
    table = numbered(60, step)
    keys = np.arange(1, 61, dtype=np.uint64) * np.uint64(step)
    assert table.get("number", keys).tolist() == list(range(60))


def test_a_table_does_not_grow_for_ever_for_keys_that_never_find_room() -> None:
    assert numbered(SLOTS, 1 << 27).count == SLOTS
    with pytest.raises(AssertionError, match="crowd two rows"):
        numbered(SLOTS + 1, 1 << 27)


def test_a_deleted_slot_is_used_again() -> None:
    table = numbered(10)
    for _ in range(1000):
        table.delete(np.array([1], np.uint64))
        table.put(np.array([1], np.uint64), number=np.array([7], np.uint32))
    assert table.count == 10
    assert table.keys.size == ROWS_MIN * SLOTS


def test_nothing_may_be_inserted_found_and_deleted() -> None:
    none = np.zeros(0, np.uint64)
    table = numbered(2)
    table.insert(none, number=np.zeros(0, np.uint32))
    table.put(none, number=np.zeros(0, np.uint32))
    table.delete(none)
    assert table.find(none).tolist() == []
    assert table.count == 2


def test_a_million_keys_are_all_there() -> None:
    keys = np.random.default_rng(1).integers(1, 1 << 63, 1_000_000, dtype=np.uint64)
    keys = np.unique(keys)
    table = HashTable({"number": np.uint32})
    for part in np.array_split(keys, 50):
        table.insert(part, number=(part & np.uint64(0xFFFF)).astype(np.uint32))
    assert table.count == len(keys)
    assert (table.get("number", keys) == (keys & np.uint64(0xFFFF))).all()
