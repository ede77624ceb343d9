"""An alert's key, id and bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.alerts import rows
from connectors.alerts.rows import Decided, NoAlert, projected
from pipeline.core.record import Alert
from pipeline.schema_ids import committed

DECIDED = Decided(3, 17, 0xABC, 1_767_300_000_000_000)
CYCLE = 1_767_225_600_000_000

alerts = st.builds(
    Alert,
    account_id=st.text(max_size=20),
    cycle_start=st.integers(0, 4_000_000_000_000_000),
    kind=st.sampled_from(["threshold", "forecast"]),
    threshold=st.floats(0.01, 10, allow_nan=False),
    used=st.integers(0, 1 << 62),
    allowance=st.integers(0, 1 << 62),
    occurred_at=st.integers(0, 4_000_000_000_000_000),
    plan=st.integers(0, (1 << 64) - 1),
)


def alert(**changes: object) -> Alert:
    return Alert("acme", CYCLE, "threshold", 0.8, 80, 100, CYCLE + 5, 7)._replace(**changes)


@given(alerts)
def test_what_is_written_is_read_back(one: Alert) -> None:
    made = projected(one, DECIDED)
    assert rows.decode(rows.encode(made, committed()["alert.v1.avsc"])) == made


@given(alerts, alerts)
def test_alerts_have_one_key_and_one_id_just_where_they_are_the_same(one: Alert, other: Alert) -> None:
    def identity(found: Alert) -> tuple[object, ...]:
        made_for = found.occurred_at if found.kind == "forecast" else None
        return found.account_id, found.cycle_start, found.plan, found.kind, found.threshold, made_for

    first, second = projected(one, DECIDED), projected(other, DECIDED._replace(offset=18))
    assert (first.key == second.key) == (first.id == second.id) == (identity(one) == identity(other))


def test_the_key_is_readable_and_is_the_same_for_ever() -> None:
    made = projected(alert(), DECIDED)
    assert json.loads(made.key) == ["acme", "2026-01-01T00:00:00Z", "0000000000000007", "threshold", 0.8]
    assert made.id == "db8f4c88f3d3283ce4abf42f6ed1e104"


def test_a_threshold_is_one_alert_whatever_set_it_off_and_a_forecast_that_comes_again_is_another() -> None:
    again = {"occurred_at": CYCLE + 9, "used": 81}
    assert projected(alert(), DECIDED).key == projected(alert(**again), DECIDED).key
    forecast = {"kind": "forecast", "threshold": 1.0}
    assert projected(alert(**forecast), DECIDED).key != projected(alert(**forecast, **again), DECIDED).key


@pytest.mark.parametrize("value", [None, b"", b"stray", b"\0\0\0\0\6", b"\0\0\0\0\6\xff\xff\xff\xff\xff"])
def test_what_is_no_alert_is_told(value: bytes | None) -> None:
    with pytest.raises(NoAlert):
        rows.decode(value)
