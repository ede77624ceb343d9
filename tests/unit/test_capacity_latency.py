"""A latency is kept at loads at which it was measured, and where a load lies among those is said."""

from __future__ import annotations

from dataclasses import replace

from pipeline.capacity import figures as measured
from pipeline.capacity.curves import Costs
from pipeline.capacity.figures import Figures, Measured
from pipeline.capacity.needs import needs
from tests.unit.capacity_world import KNOWN, fast, values


def test_a_latency_asked_for_is_kept_at_the_busiest_workers_rate_or_told() -> None:
    # 700 ms at 1,000 events/s, 80 at 10,000, 150 at 50,000.
    load = fast(40_000, largest_account=0.1, latency_ms=115.0)
    found = needs(load, KNOWN)
    assert (found.plan.fleet.needed, found.limits) == (2, [])  # one with 40,000 has 132; of two 22,000 at most: 101
    assert "needed for the latency" in {row.what: row.how for row in found.rows}["workers"]
    assert needs(replace(load, latency_ms=133.0), KNOWN).plan.fleet.needed == 1
    kept = needs(replace(load, latency_ms=79.0), KNOWN)
    assert [limit.startswith("p99 from Kafka append to journal append is ") for limit in kept.limits] == [True]
    assert not needs(fast(10, latency_ms=699.0), KNOWN).feasible  # so few events wait for others
    assert needs(fast(10, latency_ms=700.0), KNOWN).feasible


def test_a_latency_is_held_against_no_load_that_was_not_measured() -> None:
    # p99 was measured up to 100,000 events/s of a worker, and 400 ms there.
    quick = Figures({**KNOWN.by_name, "one_sink_rows_s": Measured(1e6, "rows/s", "what", "by hand")})
    last = replace(fast(100_000, accounts=1), headroom=0.0)
    assert values(needs(last, quick))["p99 of Kafka append to journal append"] == 400
    assert needs(replace(last, latency_ms=400.0), quick).limits == []
    beyond = replace(fast(100_001, accounts=1), headroom=0.0)
    found = needs(beyond, quick)
    assert found.feasible
    assert "p99 of Kafka append to journal append" not in values(found)
    assert (
        "p99 from Kafka append to journal append was not measured beyond 100,000 events/s of a worker, and the busiest "
        "has 100,001 at the peak."
    ) in found.notes
    asked = needs(replace(beyond, latency_ms=86_400_000.0), quick)
    (limit,) = asked.limits
    assert limit == (
        "p99 from Kafka append to journal append was not measured beyond 100,000 events/s of a worker, and the busiest "
        "has 100,001 at the peak: whether it keeps the 86,400,000 ms asked for is not known. 100,001 of them are the "
        "largest account's: more workers do not help."
    )
    assert not any("not measured beyond" in note for note in asked.notes)


def test_a_worker_more_is_planned_rather_than_a_load_at_which_no_latency_was_measured() -> None:
    load = replace(fast(120_000, largest_account=0.0, accounts=1_000), headroom=0.0)
    assert needs(load, KNOWN).plan.fleet.needed == 1
    found = needs(replace(load, latency_ms=400.0), KNOWN)
    assert (found.plan.fleet.needed, found.limits) == (2, [])
    assert "needed for the latency" in {row.what: row.how for row in found.rows}["workers"]


def test_where_a_load_lies_among_those_that_were_measured_is_said() -> None:
    # Of a worker's partition: 0, 83.3 and 25,000 events/s; none of its formulas says more than that.
    def told(rate: float, **more: float) -> str:
        return {row.what: row.how for row in needs(fast(rate, **more), KNOWN).rows}["busiest worker while one is away"]

    assert told(25_000, accounts=1).endswith("with 25,000 events/s, as was measured")
    assert told(24_000, accounts=1).endswith(", on a straight line between the loads that were measured")
    assert told(25_001, accounts=1).endswith(
        ", beyond the 25,000 that were measured, at what an event on a backlog costs"
    )
    mixed = told(60_000, accounts=5, largest_account=0.9)
    assert "events/s, beyond the 25,000 that were measured, at what an event on a backlog costs, and 4 others" in mixed
    assert mixed.endswith("each, on a straight line between the loads that were measured")
    limits = needs(fast(10, latency_ms=699.0), KNOWN).limits
    assert "below the 1,000 that were measured, as much as there, more than the 699 asked for." in limits[0]


def test_what_was_measured_at_a_load_is_kept_there_though_it_is_longer_at_another() -> None:
    known = measured.load()
    for name in ("latency_p99_named", "latency_p99_10"):
        one = known.by_name[name]
        costs = Costs.of(known)
        assert costs.latency is not None
        assert costs.latency.at(one.rate) == one.value * (1000 if one.unit == "s" else 1)
