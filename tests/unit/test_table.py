"""The hash table: full rows, growth, what is absent."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core import table as module
from pipeline.core.growth import SLOTS, rows_of
from pipeline.core.table import GROW_AT, GROWN, GROWN_SMALL, LOAD_MAX, ROWS_MIN, SMALL_ROWS, HashTable

move = HashTable._move


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
    fits = int(slots * GROW_AT)
    assert numbered(fits).keys.size == slots
    table = numbered(fits + 1)
    assert slots < table.keys.size <= slots * GROWN_SMALL + SLOTS
    keys = np.arange(1, fits + 2, dtype=np.uint64)
    assert table.get("number", keys).tolist() == list(range(fits + 1))


def test_a_large_table_is_never_half_empty() -> None:
    table, keys = HashTable({}), np.random.default_rng(6).integers(1, 1 << 63, 1_200_000, dtype=np.uint64)
    loads = []
    for part in np.array_split(keys, 400):
        table.insert(part)
        loads += [table.count / table.keys.size] if len(table.keys) > SMALL_ROWS * GROWN_SMALL else []
    assert min(loads) > 0.97 * GROW_AT / GROWN
    assert max(loads) < LOAD_MAX


def crowd(count: int) -> np.ndarray:
    """Keys whose halves, mixed, are next to each other: they share both rows in any table of a sensible size."""
    inverse = [pow(factor, -1, 1 << 32) for factor in (0x9E3779B1, 0x85EBCA77)]
    low, high = ([(n * i) % (1 << 32) for n in range(1, count + 1)] for i in inverse)
    keys = np.array([h << 32 | n for n, h in zip(low, high, strict=True)], np.uint64)
    assert np.unique(rows_of(keys, 1 << 20), axis=0).tolist() == [[0, 0]]
    return keys


def test_keys_that_want_one_row_find_room_where_the_others_have_another_one() -> None:
    keys = np.random.default_rng(3).integers(1, 1 << 63, 200_000, dtype=np.uint64)
    keys = keys[rows_of(keys, ROWS_MIN)[:, 0] == 5][:60]
    table = HashTable({"number": np.uint32})
    table.insert(keys, number=np.arange(60, dtype=np.uint32))
    assert len(table.keys) == ROWS_MIN
    assert table.get("number", keys).tolist() == list(range(60))


def test_a_key_whose_rows_are_full_sends_another_one_to_its_other_row() -> None:
    few, many = 4, np.random.default_rng(4).integers(1, 1 << 63, 5000, dtype=np.uint64)
    table = HashTable({"number": np.uint32}, rows=few)
    rows = rows_of(many, few)
    in_0_and_1 = many[(rows == [0, 1]).all(1)][:16]
    in_1_and_2 = many[(rows == [1, 2]).all(1)][:4]
    for part in (in_1_and_2, in_0_and_1):  # 20 keys in 4 rows: below the load at which it grows
        for key in part:
            table.insert(np.array([key]), number=np.array([key & np.uint64(0xFFFF)], np.uint32))
    assert len(table.keys) == few
    both = np.concatenate([in_0_and_1, in_1_and_2])
    assert table.get("number", both).tolist() == (both & np.uint64(0xFFFF)).tolist()


def test_a_table_does_not_grow_for_ever_for_keys_that_never_find_room() -> None:
    keys = crowd(SLOTS + 1)
    table = HashTable({"number": np.uint32})
    table.insert(keys[:SLOTS], number=np.zeros(SLOTS, np.uint32))
    with pytest.raises(AssertionError, match="crowd two rows"):
        table.insert(keys[SLOTS:], number=np.zeros(1, np.uint32))


def test_a_deleted_slot_is_used_again() -> None:
    table = numbered(10)
    for _ in range(1000):
        table.delete(np.array([1], np.uint64))
        table.put(np.array([1], np.uint64), number=np.array([7], np.uint32))
    assert table.count == 10
    assert table.keys.size == ROWS_MIN * SLOTS


def test_a_sweep_takes_what_is_gone_share_by_share_and_nothing_else() -> None:
    table = numbered(500)
    table.begin_sweep()
    calls = 0
    while table.swept is not None:
        number = table.fields["number"].reshape(-1)
        table.sweep(lambda slots, number=number: number[slots] % 2 == 0, rows=50)
        calls += 1
    assert calls == 3
    assert table.count == 250
    keys = np.arange(1, 501, dtype=np.uint64)
    assert (table.find(keys) >= 0).tolist() == [n % 2 == 1 for n in range(500)]


def test_what_is_done_to_a_table_that_grows_is_done_to_the_larger_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARE_ROWS_MIN", 1)
    size = 100_000
    keys = np.unique(np.random.default_rng(5).integers(1, 1 << 63, size + 20, dtype=np.uint64))
    table = HashTable({"number": np.uint32}, rows=int(size / SLOTS / GROW_AT) + 1)  # full in 5 keys
    table.insert(keys[:size], number=np.zeros(size, np.uint32))
    for n in range(size, size + 20):  # each moves a few rows
        table.insert(keys[n : n + 1], number=np.ones(1, np.uint32))
    rows = len(table.keys)
    table.put(keys[:1000], number=np.full(1000, 2, np.uint32))
    table.delete(keys[1000:2000])
    assert len(table.keys) == rows
    table.settle()
    assert len(table.keys) > rows
    assert table.count == size - 980 == np.count_nonzero(table.keys)
    expected = [2] * 1000 + [0] * (size - 1000) + [1] * 20
    assert table.get("number", keys).tolist() == expected
    assert (table.find(keys[1000:2000]) == -1).all()


def nearly_full(rows: int) -> tuple[HashTable, np.random.Generator]:
    rng, table = np.random.default_rng(8), HashTable({"number": np.uint32}, rows)
    while table.count < 0.72 * table.keys.size:
        keys = rng.integers(1, 1 << 63, 20_000, dtype=np.uint64)
        table.insert(keys, number=np.ones(len(keys), np.uint32))
    return table, rng


def test_a_large_table_is_given_its_memory_by_parts_before_anything_is_moved_there() -> None:
    table, rng = nearly_full(rows=2 * SMALL_ROWS)
    rows, steps = len(table.keys), []
    while len(table.keys) == rows:
        table.insert(rng.integers(1, 1 << 63, 500, dtype=np.uint64), number=np.ones(500, np.uint32))
        if (growth := table._growth) is not None:
            assert not growth.moved or growth.ready == len(growth.larger.keys)
            steps.append(growth.ready / len(growth.larger.keys))
    shares = np.diff([0.0, *steps])
    assert steps[-1] == 1.0
    assert 0 < shares.max() < 0.1


def test_a_larger_table_that_becomes_larger_itself_keeps_what_was_moved_there() -> None:
    table, rng = nearly_full(rows=2 * SMALL_ROWS)
    while table._growth is None or not table._growth.moved:
        table.insert(rng.integers(1, 1 << 63, 500, dtype=np.uint64), number=np.ones(500, np.uint32))
    larger = table._growth.larger
    larger._grow_at_once()
    before = larger.keys.copy()
    assert table._growth.make_ready(1 << 40)
    assert (larger.keys == before).all()
    count = table.count
    table.settle()
    assert table.count == count == np.count_nonzero(table.keys)


@pytest.mark.parametrize("batch", [500, 2_000, 20_000])
def test_a_table_is_moved_in_time_whatever_a_batch_inserts(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    moved = []
    monkeypatch.setattr(HashTable, "_move", lambda table, rows: (moved.append(rows), move(table, rows)))
    table, rng = nearly_full(rows=700_000)
    rows = len(table.keys)
    while len(table.keys) == rows:
        table.insert(rng.integers(1, 1 << 63, batch, dtype=np.uint64), number=np.ones(batch, np.uint32))
    assert len(moved) > 10
    assert max(moved) < rows / 10, "no call moves what is left at once"


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


@pytest.mark.parametrize(("first", "more"), [(600, 390_000), (30_000, 1_000_000)])
def test_a_call_may_bring_many_times_the_keys_of_a_table(first: int, more: int) -> None:
    keys = np.unique(np.random.default_rng(5).integers(1, 1 << 63, first + more, dtype=np.uint64))
    table = HashTable({"number": np.uint32})
    for part in (keys[:first], keys[first:]):
        table.put(part, number=np.arange(len(part), dtype=np.uint32))
    assert (table.find(keys) >= 0).all()
    assert table.count == len(keys)
