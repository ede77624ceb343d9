"""How many sinks: for the rows of the busiest one, and for the freshness that was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.capacity.figures import Figures, Measured
from pipeline.capacity.needs import needs
from tests.unit.capacity_world import KNOWN, SMALL, fast, fleet, values


def test_sinks_are_added_until_no_row_waits_longer_than_asked_for() -> None:
    load = replace(SMALL, largest_account=0.0, accounts=10_000, events_per_day=86_400_000, worker_memory_gib=16)
    partitions = fleet(load).partitions
    for seconds in (60.0, 10.0, 5.0):
        found = values(needs(replace(load, freshness_s=seconds), KNOWN))
        each = -(-partitions // round(found["sinks"] - 1))
        assert found["p99 of Kafka append to the row in ClickHouse"] == pytest.approx(max(5, 5 * each / 12))
        assert found["p99 of Kafka append to the row in ClickHouse"] <= seconds
    told = needs(replace(load, freshness_s=4.9), KNOWN)
    assert told.limits[0].startswith("p99 from Kafka append to the row in ClickHouse is 5.0 s, more than the 4.9 asked")
    assert needs(fast(1_000_000, largest_account=0.0, accounts=10**6), KNOWN).plan.sinks.needed >= 20


def test_a_freshness_that_more_sinks_keep_is_kept_whatever_the_fraction() -> None:
    # 5 s were measured with 12 partitions to a sink: 5.6 are kept with 13, and of 40 partitions three have 14.
    load = replace(SMALL, largest_account=0.0, accounts=100_000, worker_memory_gib=2, freshness_s=5.6)
    found = needs(load, KNOWN)
    assert (found.plan.fleet.partitions, found.plan.sinks.needed, found.limits) == (40, 4, [])


def test_the_rows_of_a_partition_are_one_sinks() -> None:
    slow = Figures({**KNOWN.by_name, "one_sink_rows_s": Measured(10_000.0, "rows/s", "what", "by hand")})
    load = fast(10_000, largest_account=0.5, accounts=1_000)  # half of a sink's time may be in use
    (limit,) = needs(load, slow).limits
    assert limit.startswith("A sink inserts 5,000 rows/s at most with 50% headroom, and must have 5,6")
    shared = replace(load, largest_account=0.0)
    assert needs(shared, slow).limits == []
    assert needs(shared, slow).plan.sinks.needed == 2 + 1  # of 8 partitions 3 have 3,750; 4 would have 5,004
