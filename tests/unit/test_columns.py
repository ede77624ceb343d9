"""Columns that grow together."""

from __future__ import annotations

import numpy as np

from pipeline.core.columns import SIZE_MIN, Columns


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


def test_columns_come_back_from_their_dump_and_go_on() -> None:
    columns = Columns({"a": np.uint32})
    new = columns.extend(3)
    columns["a"][new] = [4, 5, 6]
    again = Columns.of(columns.dump())
    new = again.extend(SIZE_MIN)
    again["a"][new] = 1
    assert again["a"][1:5].tolist() == [4, 5, 6, 1]
    assert columns["a"][1:5].tolist() == [4, 5, 6, 0]
