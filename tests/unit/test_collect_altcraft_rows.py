"""Rows that Altcraft exported are the events of its hooks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.collect.altcraft.hook import ROLES
from pipeline.cli import endpoints_options as options
from pipeline.core.reasons import Reject
from tests.unit.altcraft_world import ALTCRAFT, CLICK, ENDPOINT, OF_KEYS, body, endpoint, event, put, refusal, sample


def flattened(item: dict[str, Any]) -> dict[str, str]:
    """The item as columns with dots, as a file has it: all texts, no column for what is not there."""
    cells: dict[str, str] = {}
    for name, value in item.items():
        if name == "event_data":
            cells |= {f"event_data.{inner}": as_cell(one) for inner, one in value.items()}
        else:
            cells[name] = as_cell(value)
    return cells


def as_cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


@pytest.mark.parametrize("key", OF_KEYS)
def test_an_exported_row_is_the_live_event_byte_for_byte(key: str) -> None:
    item = sample(f"{key}.json")
    assert body(dict(ALTCRAFT.row(flattened(item), ENDPOINT))) == body(item)


def test_documented_fields_of_event_data_may_stand_without_their_dot() -> None:
    cells = {name.removeprefix("event_data."): cell for name, cell in flattened(CLICK).items()}
    assert body(dict(ALTCRAFT.row(cells, ENDPOINT))) == body(CLICK)


def test_event_data_may_stand_in_one_column_and_beside_its_dots() -> None:
    whole = {name: as_cell(value) for name, value in CLICK.items()}
    assert body(dict(ALTCRAFT.row(whole, ENDPOINT))) == body(CLICK)
    both = whole | {"event_data.launch_id": "l9"}
    assert event(dict(ALTCRAFT.row(both, ENDPOINT)))["message_id"] == "1006/l9/17"
    assert event(dict(ALTCRAFT.row(dict(reversed(both.items())), ENDPOINT)))["message_id"] == "1006/l9/17"


@pytest.mark.parametrize("cell", ["", "null"])
def test_an_empty_profile_in_a_row_is_a_deleted_one(cell: str) -> None:
    found = refusal(dict(ALTCRAFT.row(flattened(CLICK) | {"profile_id": cell}, ENDPOINT)))
    assert found.reason == Reject.MISSING_FIELD
    assert "deleted" in found.detail


@pytest.mark.parametrize(
    ("cell", "is_test"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]
)
def test_whether_a_row_is_a_test_is_read_as_files_write_it(cell: str, is_test: bool) -> None:
    assert event(dict(ALTCRAFT.row(flattened(CLICK) | {"is_test": cell}, ENDPOINT)))["is_test"] is is_test


def test_an_endpoint_may_name_a_true_id_of_the_event_and_where_a_test_is_told() -> None:
    at = endpoint(event_id="/event_data/uid", is_test="/event_data/test")
    found = event(put(put(CLICK, "event_data.uid", "u1"), "event_data.test", True), at)
    assert (found["event_id"], found["is_test"]) == ("u1", True)
    assert event(CLICK, at)["event_id"] == event(CLICK)["event_id"]


@pytest.mark.parametrize("role", sorted({*ROLES, "event_id", "deleted_profile_id"}))
def test_every_role_can_be_named_for_an_endpoint(role: str) -> None:
    assert options.fields([f"{role}=/event_data/place"], "altcraft") == {role: "/event_data/place"}
