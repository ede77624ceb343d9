"""Where a count of activities hangs on one number or one instant: thresholds in decimals, arrivals around a close."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.core.allowance import judge, needed, with_plan
from pipeline.core.batch import Slab
from pipeline.core.record import Plan
from tests.events import NOON_US, event, frame, plan
from tests.partition import Partition

# The end of February's cycle in Kathmandu, 5:45 h ahead of UTC: in the middle of a day of the stream.
CLOSE_MS = int(datetime(2024, 2, 29, 18, 15, tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(("threshold", "allowance", "least"), [(0.07, 100, 7), (1.1, 10, 11), (0.29, 100, 29)])
def test_a_threshold_means_its_decimals_not_the_float_nearest_to_them(
    threshold: float, allowance: int, least: int
) -> None:
    assert needed(threshold, allowance) == least


def test_each_activity_of_a_batch_is_in_time_by_its_own_arrival() -> None:
    partition = Partition()
    before = CLOSE_MS - 3_600_000
    partition.send(plan(9, time_zone="Asia/Kathmandu", occurred_at=before * 1000), at_ms=before)
    bought = [event("crm_purchase", event_id=str(n), occurred_at=before * 1000) for n in range(3)]
    arrivals = (CLOSE_MS - 1, CLOSE_MS, CLOSE_MS + 1)
    slabs = [Slab("events.crm", n, at, [frame(one)]) for n, (at, one) in enumerate(zip(arrivals, bought, strict=True))]
    (cycle,) = partition.send_slabs(slabs).allowance
    assert cycle.cycle_end == CLOSE_MS * 1000
    assert (cycle.used_as_closed, cycle.used) == (1, 3)


def test_of_two_plans_at_one_time_the_larger_identity_holds_whatever_arrives_first() -> None:
    smaller, larger = (Plan("a", 10 * n, 1, "UTC", (1.0,), None, 5, n) for n in (1, 2))
    for first, second in ((smaller, larger), (larger, smaller)):
        assert judge(with_plan(with_plan((), first), second), 6) == larger


def test_a_plan_that_says_other_thresholds_alerts_anew() -> None:
    partition = Partition()
    sent = [event("crm_purchase") for _ in range(5)]
    first = partition.send(plan(10, thresholds=[0.5], occurred_at=NOON_US - 1), *sent)
    again = partition.send(plan(10, thresholds=[0.4, 0.5]))
    assert [alert.threshold for alert in first.alerts] == [0.5]
    assert [alert.threshold for alert in again.alerts] == [0.4, 0.5]
    assert {alert.plan for alert in first.alerts}.isdisjoint(alert.plan for alert in again.alerts)


@pytest.mark.parametrize("accounts", [("a", "b"), ("b", "a")])
def test_an_account_s_own_set_of_activities_is_not_its_neighbour_s(accounts: tuple[str, str]) -> None:
    partition = Partition()
    partition.send(plan(10, account_id="a", activities=["email_sent"]))
    sent = [event(t, account_id=one) for one in accounts for t in ("email_sent", "crm_purchase", "crm_purchase")]
    used = {cycle.account_id: cycle.used for cycle in partition.send(*sent).allowance}
    assert used == {"a": 1, "b": 2}
