"""Copies as of one instant, of arrays that go on."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.core.table import HashTable
from pipeline.core.undo import Undo

BATCH, BATCHES = 500, 12


class Interrupted(dict[str, npt.NDArray[Any]]):
    """Columns between whose copies something happens."""

    def __init__(self, columns: dict[str, npt.NDArray[Any]], happens: Callable[[], object]) -> None:
        super().__init__(columns)
        self._happens = happens

    def items(self) -> ItemsView[str, npt.NDArray[Any]]:
        return list(self._each())  # type: ignore[return-value]

    def _each(self) -> Iterator[tuple[str, npt.NDArray[Any]]]:
        for pair in super().items():
            self._happens()
            yield pair


def write(undo: Undo, column: npt.NDArray[Any], at: list[int], values: list[int]) -> None:
    undo.keep(column, np.array(at))
    column[at] = values


def test_what_was_written_since_is_as_it_was() -> None:
    column = np.arange(5)
    undo = Undo({"x": column})
    write(undo, column, [1, 2], [7, 7])
    write(undo, column, [2, 3], [8, 8])
    assert undo.copied()["x"].tolist() == [0, 1, 2, 3, 4]
    assert column.tolist() == [0, 7, 8, 8, 4]


def test_a_column_may_be_a_stretch_of_what_is_written() -> None:
    memory = np.arange(8)
    undo = Undo({"x": memory[2:5], "whole": memory})
    write(undo, memory, [1, 2, 4, 5, 7], [9] * 5)
    copies = undo.copied()
    assert copies["x"].tolist() == [2, 3, 4]
    assert copies["whole"].tolist() == list(range(8))


def test_nothing_is_kept_of_other_arrays_nor_behind_the_copy() -> None:
    column, other = np.arange(3), np.arange(3)
    undo = Undo({"x": column})
    write(undo, other, [0], [5])
    assert undo.is_open
    assert undo.copied()["x"].tolist() == [0, 1, 2]
    assert not undo.is_open
    write(undo, column, [0], [5])


def test_an_instant_is_over_when_its_copy_fails() -> None:
    class Full:
        base = None

        def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
            raise MemoryError

    undo = Undo({"x": Full()})  # type: ignore[dict-item]
    with pytest.raises(MemoryError):
        undo.copied()
    assert not undo.is_open


class Written:
    """A table at random: a batch puts keys, some of them known, deletes some, and sweeps."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)
        self.table = HashTable({"number": np.uint32, "tag": np.uint8})
        for _ in range(BATCHES):
            self.batch()

    def batch(self) -> None:
        keys = self.rng.permutation(np.arange(1, 4 * BATCH * BATCHES, dtype=np.uint64))[:BATCH] << np.uint64(20)
        number = self.rng.integers(0, 1 << 30, BATCH, dtype=np.uint32)
        self.table.put(keys, number=number, tag=(number % 251).astype(np.uint8))
        self.table.delete(keys[: BATCH // 4])
        if self.table.swept is None:
            self.table.begin_sweep()
        tags = self.table.fields["tag"].reshape(-1)
        self.table.sweep(lambda slots: tags[slots] < 5, 64)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        fields = {name: column.reshape(-1) for name, column in self.table.fields.items()}
        return {"keys": self.table.keys.reshape(-1), **fields}

    def bytes(self) -> dict[str, bytes]:
        return {name: column.tobytes() for name, column in self.columns().items()}


def same(copies: dict[str, npt.NDArray[Any]], wanted: dict[str, bytes]) -> bool:
    return {name: column.tobytes() for name, column in copies.items()} == wanted


def test_a_table_that_is_written_before_between_and_behind_the_copies_of_its_columns_is_as_it_was() -> None:
    here = Written()
    for batches in range(3):
        wanted = here.bytes()
        here.table.undo = undo = Undo(Interrupted(here.columns(), here.batch))
        for _ in range(batches):
            here.batch()
        assert same(undo.copied(), wanted)
        assert here.bytes() != wanted


def test_a_table_that_grows_meanwhile_is_as_it_was() -> None:
    here = Written()
    wanted, rows = here.bytes(), len(here.table.keys)
    here.table.undo = undo = Undo(here.columns())
    while len(here.table.keys) < 2 * rows:
        here.batch()
    assert same(undo.copied(), wanted)


def test_a_table_copied_in_another_thread_is_as_it_was() -> None:
    here = Written()
    for _ in range(10):
        wanted = here.bytes()
        here.table.undo = undo = Undo(here.columns())
        with ThreadPoolExecutor(1) as pool:
            copying = pool.submit(undo.copied)
            while not copying.done():
                here.batch()
        assert same(copying.result(), wanted)
