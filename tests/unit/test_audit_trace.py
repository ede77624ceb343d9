"""Raw rows as text, as ClickHouse writes them: every column but the maps, so that one that was changed is seen."""

from __future__ import annotations

import random

import pytest

from connectors.clickhouse import recount
from pipeline.audit.trace import digest, rendered
from pipeline.core.event_schema import EVENTS
from pipeline.core.record import decode
from tests.integration.audit_world import journal


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, ...]]:
    return [row for value in journal(0, random.Random(7)) for row in rendered(decode(value)[1])]


def test_every_row_has_all_columns_but_the_maps_and_nothing_is_null(rows: list[tuple[str, ...]]) -> None:
    assert set(EVENTS.names) - set(recount.TRACED["events"]) == set(recount.NOT_TRACED)
    assert {row[0] for row in rows} == {"events", "rejects"}
    assert all(len(row) == 1 + len(recount.TRACED[row[0]]) for row in rows)
    assert all(isinstance(text, str) for row in rows for text in row)


def test_what_is_null_is_empty_or_zero_and_what_is_true_is_one(rows: list[tuple[str, ...]]) -> None:
    events = [dict(zip(recount.TRACED["events"], row[1:], strict=True)) for row in rows if row[0] == "events"]
    corrections = [event for event in events if event["hits"] == "0"]
    assert {event["origin_topic"] for event in corrections} == {""}
    assert {event["is_test"] for event in events} == {"0", "1"}
    assert "0" in {event["cycle_start"] for event in events}
    assert all(int(event["occurred_at"]) > int(event["arrived_at"]) for event in events)  # microseconds, milliseconds


def test_a_digest_tells_every_column_apart(rows: list[tuple[str, ...]]) -> None:
    row = rows[0]
    changed = [(*row[:at], row[at] + "1", *row[at + 1 :]) for at in range(len(row))]
    assert len({digest(one) for one in (row, *changed)}) == len(row) + 1
