"""Columns that grow together."""

from __future__ import annotations

import numpy as np

from pipeline.core.columns import GROWN, SIZE_MIN, SMALL_ROWS, Columns


def test_rows_are_numbered_from_1_and_row_0_stays_zero() -> None:
    columns = Columns({"a": np.uint32, "b": np.int64})
    assert columns.extend(2).tolist() == [1, 2]
    new = columns.extend(1)
    columns["a"][new] = 9
    assert columns["a"][:4].tolist() == [0, 0, 0, 9]


def test_growth_keeps_the_rows_and_new_ones_are_zero() -> None:
    columns = Columns({"a": np.uint32})
    for wanted in (SIZE_MIN - 1, 1, 1, 5 * SIZE_MIN):
        new = columns.extend(wanted)
        columns["a"][new] = 7
    assert columns.count == 6 * SIZE_MIN + 1
    assert (columns.dump()["a"][1:] == 7).all()
    assert columns["a"][0] == 0


def test_large_columns_are_made_anew_one_at_a_call_with_little_room() -> None:
    columns = Columns({"a": np.uint32, "b": np.int64, "c": np.uint8})
    columns.extend(2 * SMALL_ROWS)
    columns.extend(1)
    made = []
    while len(made) < 9:
        was = [columns[name] for name in "abc"]
        new = columns.extend(100)
        columns.write("b", new, new)
        made += [sum(columns[name] is not column for name, column in zip("abc", was, strict=True))]
        made = [number for number in made if number]
        assert max(len(columns[name]) for name in "abc") <= GROWN * (columns.count + 1)
    assert made == [1] * 9
    assert columns["b"][2 * SMALL_ROWS + 2 : columns.count + 1].tolist() == list(
        range(2 * SMALL_ROWS + 2, columns.count + 1)
    )


def test_columns_come_back_from_their_dump_and_go_on() -> None:
    columns = Columns({"a": np.uint32})
    new = columns.extend(3)
    columns["a"][new] = [4, 5, 6]
    again = Columns.of(columns.dump())
    new = again.extend(SIZE_MIN)
    again["a"][new] = 1
    assert again["a"][1:5].tolist() == [4, 5, 6, 1]
    assert columns["a"][1:5].tolist() == [4, 5, 6, 0]
