"""A batch's rows as one set of columns, whatever their schemas."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.decode import read
from pipeline.core.events import FIELDS, Events, unify, valid
from tests.events import NOON_US, SCHEMAS, SEED, Event, event, merge, plan, slab, split, topic_of

SENT = event("email_sent", profile_id="p", link="l", event_id="1", properties={"k": "v"})


def unified(*events: Event) -> Events:
    slabs = [slab(topic_of(one["type"]), n, one) for n, one in enumerate(events)]
    return unify(read(slabs, SCHEMAS), SEED)


def test_rows_of_all_schemas_have_the_same_columns_and_know_their_place() -> None:
    sent = [merge(["a"], "b"), SENT, plan(5), event("crm_custom"), event("sms_sent")]
    events = unified(*sent)
    assert len(events) == 5
    assert events.columns.keys() == FIELDS.keys()
    in_order = sorted(range(5), key=lambda row: events.seq[row])
    assert [events.columns["type"][row].as_py() for row in in_order] == [one["type"] for one in sent]
    assert [events.one(row) for row in in_order] == sent
    assert events.occurred_at.tolist() == [NOON_US] * 5
    for name, column in events.columns.items():
        assert len(column) == 5
        assert column.type == FIELDS[name]


def test_a_schema_that_lacks_a_field_gives_nulls() -> None:
    events = unified(event("crm_custom"))
    for name in ("message_id", "campaign_id", "link", "attributes"):
        assert events.columns[name].null_count == 1


@pytest.mark.parametrize("field", ["event_id", "message_id", "campaign_id", "link", "vendor_type"])
def test_an_empty_optional_string_is_null(field: str) -> None:
    events = unified(event("email_sent", **{field: ""}), event("email_sent", **{field: "x"}))
    assert events.columns[field].to_pylist() == [None, "x"]
    assert valid(events.columns[field]).tolist() == [False, True]


@pytest.mark.parametrize("operations", [1, 3, 30])
def test_merges_and_splits_say_in_bulk_what_they_say_one_by_one(operations: int) -> None:
    sent = [SENT, event("profile_updated", profile_id="p", event_id="2")]
    for n in range(operations):
        sent += [merge([f"a{n}", "b"], None if n % 2 else "c", event_id=f"m{n}")]
        sent += [split("s", {f"t{n}": ["x", "y"], "u": []}, event_id=f"s{n}"), SENT]
    events = unified(*sent)
    rows = np.array([row for row in range(len(events)) if "sources" in events.one(row)])
    rows = rows[[events.one(row)["type"] != "profile_updated" for row in rows.tolist()]]
    assert len(rows) == 2 * operations
    events.read_operations(rows)
    for row in rows.tolist():
        assert events.operation(row).items() <= events.one(row).items()
        assert {"account_id", "type", "target", "sources", "split_source", "parts"} <= events.operation(row).keys()


def test_an_empty_profile_is_not_null_it_names_nobody() -> None:
    assert unified(event("email_sent", profile_id="")).columns["profile_id"].to_pylist() == [""]


def test_the_payload_s_hash_is_of_the_body_alone() -> None:
    same, copy, other = unified(SENT, SENT, SENT | {"link": "x"}).body_hash.tolist()
    assert same == copy != other


def test_no_events_have_empty_columns() -> None:
    events = unify(read([], SCHEMAS), SEED)
    assert len(events) == 0
    assert {len(column) for column in events.columns.values()} == {0}
    with pytest.raises(IndexError):
        events.one(0)
