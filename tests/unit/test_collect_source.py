"""How the records of a vendor's topic are parted for translation."""

from __future__ import annotations

from connectors.collect.source import ROUND_BYTES, _rounds
from connectors.group import Entry


def record(offset: int, size: int | None) -> Entry:
    return Entry("hooks", 0, offset, None, None if size is None else bytes(size), 0)


def test_rounds_hold_all_records_in_their_order_and_as_many_bytes_as_may_be() -> None:
    half = ROUND_BYTES // 2
    records = [record(0, half), record(1, half), record(2, 1), record(3, ROUND_BYTES + 1), record(4, None)]
    assert [[one.offset for one in some] for some in _rounds(records)] == [[0, 1], [2], [3], [4]]
    assert list(_rounds([])) == []
