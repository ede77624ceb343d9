"""An account lies in one partition: few accounts use few partitions and few workers, and lie in them as a whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.capacity import figures as measured
from pipeline.capacity.load import Load
from pipeline.capacity.needs import needs
from tests.unit.capacity_world import KNOWN, SMALL, fast, fleet, values

FEW = (1, 2, 3, 5)


@pytest.mark.parametrize("accounts", FEW)
@pytest.mark.parametrize("events", [1, 10**6, 10**8, 10**9, 10**12])
def test_no_partition_is_planned_that_no_account_fills_and_no_worker_beside_the_one_that_may_be_away(
    accounts: int, events: int
) -> None:
    for known in (KNOWN, measured.load()):
        for headroom in (0.0, 0.4):
            load = Load(events, accounts=accounts, headroom=headroom, worker_memory_gib=100_000)
            rows = values(needs(load, known))
            assert rows["partitions of every topic"] <= accounts
            assert rows["workers"] <= accounts + 1


def test_one_account_has_one_partition_one_worker_and_one_that_stands_by() -> None:
    found = needs(Load(300_000_000, accounts=1, worker_memory_gib=100_000), measured.load())
    how = {row.what: row.how for row in found.rows}
    assert (values(found)["workers"], values(found)["partitions of every topic"]) == (2, 1)
    assert how["partitions of every topic"] == "1 account x 1; an account lies in one partition"
    assert " others with " not in how["busiest worker while one is away"]


def test_partitions_are_as_many_as_accounts_where_four_to_a_worker_are_more() -> None:
    partitions = [values(needs(replace(SMALL, accounts=n), KNOWN))["partitions of every topic"] for n in range(1, 11)]
    assert partitions == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]


def test_a_state_that_is_one_accounts_is_spread_over_no_more_partitions() -> None:
    # Three times the 30 million identities that were measured, or almost none beside the largest account.
    load = replace(SMALL, events_per_day=86_400_000, accounts=1_000, worker_memory_gib=100_000, headroom=0.1)
    assert fleet(replace(load, largest_account=0.0)).partitions == 24
    assert fleet(replace(load, largest_account=0.99)).partitions == 8


def test_accounts_are_whole_and_the_largest_comes_on_top_of_the_others() -> None:
    load = fast(1_000, accounts=5, largest_account=0.6)
    found = needs(load, KNOWN).plan.fleet._replace(needed=2, run=3, partitions=3)
    # Four others with a tenth each lie over 3 partitions: 2, 1, 1. One worker of two has 2 partitions.
    assert found.largest_partition(load) == pytest.approx(0.6 + 2 * 0.1)
    assert found.busiest(load) == pytest.approx(0.6 + 3 * 0.1)
    largest, other = found.rates(load)
    assert (largest, other) == (pytest.approx(800), pytest.approx(100))
    alone = found._replace(needed=5, run=6, partitions=5)
    assert alone.busiest(load) == pytest.approx(0.7)  # ids decide: another one may lie there too


def test_two_accounts_may_lie_together_so_that_more_workers_are_not_counted_on() -> None:
    found = needs(fast(150_000, accounts=2, largest_account=0.0), KNOWN)
    assert found.limits[0].endswith("2 accounts fill no more than as many partitions, and some lie together.")
    assert not any(limit.startswith("The largest account takes") for limit in found.limits)
