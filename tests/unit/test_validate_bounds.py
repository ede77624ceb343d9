"""The bounds of ids, in bytes of UTF-8, whether one by one or in bulk."""

from __future__ import annotations

import pytest

from pipeline.core.reasons import Reject
from pipeline.core.validate import ID_BYTES_MAX, NAMED_MAX, merge_fault, split_fault
from tests.events import event, merge, split
from tests.partition import Partition, reasons

LONGEST = "\u00fc" * (ID_BYTES_MAX // 2)  # two bytes a character


@pytest.mark.parametrize(
    ("name", "is_too_long"), [(LONGEST, False), (LONGEST + "x", True), ("x" * ID_BYTES_MAX, False)]
)
def test_ids_of_operations_are_measured_in_bytes(name: str, is_too_long: bool) -> None:
    for fault in (
        merge_fault(merge([name], "b")),
        merge_fault(merge(["b"], name)),
        split_fault(split(name, {"b": []})),
        split_fault(split("b", {name: []})),
        split_fault(split("a", {"b": [name]})),
    ):
        assert (fault is not None and fault[0] == Reject.IMPOSSIBLE_FIELD) == is_too_long


@pytest.mark.parametrize(
    ("name", "is_too_long"), [(LONGEST, False), (LONGEST + "x", True), ("x" * ID_BYTES_MAX, False)]
)
@pytest.mark.parametrize("field", ["account_id", "source", "profile_id", "campaign_id"])
def test_ids_of_events_are_measured_in_bytes(field: str, name: str, is_too_long: bool) -> None:
    record = Partition().send(event("email_opened", **{"profile_id": "p", field: name}))
    assert reasons(record) == ([Reject.IMPOSSIBLE_FIELD] if is_too_long else [])


@pytest.mark.parametrize(("others", "is_too_many"), [(NAMED_MAX - 1, False), (NAMED_MAX, True)])
def test_an_operation_names_so_many_profiles_at_most(others: int, is_too_many: bool) -> None:
    names = [f"p{n}" for n in range(others)]
    merged = merge_fault(merge(names, "target"))
    assert merged == (
        (Reject.IMPOSSIBLE_FIELD, "sources: the operation names more than 10000 profiles") if is_too_many else None
    )
    divided = split_fault(split("source", {"target": names[1:]}))
    assert (divided is not None and divided[0] == Reject.IMPOSSIBLE_FIELD) == is_too_many
