"""The hash table against a dict: whatever is put, found, deleted and dropped, also where all keys want one row."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.core import table as table_module
from pipeline.core.growth import SLOTS
from pipeline.core.table import HashTable
from tests.property.budget import EXAMPLES, TIMES

U64_MAX = (1 << 64) - 1
# Few keys, so that they meet again; keys whose rows are all the same; keys at random.
crowded = st.integers(1, 60).map(lambda n: n << 32 | 1)  # one first row for all, second rows in their order
keys = st.integers(1, 20) | crowded | st.integers(1, U64_MAX)
some_keys = st.sets(keys, max_size=40)
values = st.integers(0, (1 << 32) - 1)


def array(chosen: set[int]) -> np.ndarray:
    return np.array(sorted(chosen), np.uint64)


class TableAgainstDict(RuleBasedStateMachine):
    """Fields of two widths beside the key."""

    def __init__(self) -> None:
        super().__init__()
        self.table = HashTable({"number": np.uint32, "tag": np.uint8}, rows=4)
        self.model: dict[int, tuple[int, int]] = {}
        self.share_rows_min, table_module.SHARE_ROWS_MIN = table_module.SHARE_ROWS_MIN, 1

    def teardown(self) -> None:
        table_module.SHARE_ROWS_MIN = self.share_rows_min

    @rule(chosen=some_keys, value=values)
    def put(self, chosen: set[int], value: int) -> None:
        numbers = (np.arange(len(chosen)) + value).astype(np.uint32)
        self.table.put(array(chosen), number=numbers, tag=(numbers % 251).astype(np.uint8))
        self.model |= {key: (int(n), int(n) % 251) for key, n in zip(sorted(chosen), numbers, strict=True)}

    @rule(chosen=some_keys)
    def insert_what_is_not_there(self, chosen: set[int]) -> None:
        new = chosen - self.model.keys()
        self.table.insert(array(new), number=np.full(len(new), 7, np.uint32), tag=np.full(len(new), 7, np.uint8))
        self.model |= dict.fromkeys(new, (7, 7))

    @rule(first=st.integers(1, U64_MAX - 2000), count=st.integers(60, 900))
    def insert_many(self, first: int, count: int) -> None:
        self.insert_what_is_not_there({first + n for n in range(count)})

    @rule(chosen=some_keys)
    def delete(self, chosen: set[int]) -> None:
        self.table.delete(array(chosen))
        for key in chosen:
            self.model.pop(key, None)

    @rule(tag=st.integers(0, 250))
    def drop_by_field(self, tag: int) -> None:
        self.table.drop(self.table.fields["tag"] <= tag // 2)
        self.model = {key: value for key, value in self.model.items() if value[1] > tag // 2}

    @rule(tag=st.integers(0, 250), between=st.lists(some_keys, max_size=4), share=st.integers(1, 4))
    def sweep_while_keys_come_and_go(self, tag: int, between: list[set[int]], share: int) -> None:
        self.table.begin_sweep()
        for chosen in between:
            self._sweep(tag, share)
            self.table.put(array(chosen), number=np.full(len(chosen), 7, np.uint32), tag=np.full(len(chosen), 255))
            self.model |= dict.fromkeys(chosen, (7, 255))
            self.delete(set(sorted(chosen)[:3]))
        while self.table.swept is not None:
            self._sweep(tag, share)
        self.model = {key: value for key, value in self.model.items() if value[1] > tag // 2}

    def _sweep(self, tag: int, share: int) -> None:
        tags = self.table.fields["tag"].reshape(-1)
        self.table.sweep(lambda slots: tags[slots] <= tag // 2, share)

    @rule()
    def go_through_a_snapshot(self) -> None:
        fields = {name: np.array(column.reshape(-1)) for name, column in self.table.fields.items()}
        self.table = HashTable.of(np.array(self.table.keys.reshape(-1)), fields)

    @rule(chosen=some_keys)
    def get(self, chosen: set[int]) -> None:
        asked = array(chosen)
        expected = [self.model.get(key, (0, 0)) for key in sorted(chosen)]
        assert (self.table.find(asked) >= 0).tolist() == [key in self.model for key in sorted(chosen)]
        found = zip(self.table.get("number", asked).tolist(), self.table.get("tag", asked).tolist(), strict=True)
        assert list(found) == expected

    @invariant()
    def holds_exactly_the_model(self) -> None:
        assert self.table.count == len(self.model)
        assert np.count_nonzero(self.table.keys) == len(self.model)
        known = array(set(self.model))
        assert self.table.get("number", known).tolist() == [self.model[key][0] for key in sorted(self.model)]
        assert self.table.keys.shape[1] == SLOTS


TestTable = TableAgainstDict.TestCase
TestTable.settings = settings(max_examples=EXAMPLES * TIMES, stateful_step_count=12, deadline=None)
