"""Plans of any load: no more than accounts can use, more is never less, and what is advised was tried."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.capacity import figures
from pipeline.capacity.fleet import PARTITIONS_MAX
from pipeline.capacity.levers import Lever, levers
from pipeline.capacity.load import Load
from pipeline.capacity.needs import needs
from pipeline.capacity.options import OPTIONS
from pipeline.capacity.plan import possible
from tests.property.budget import EXAMPLES, TIMES, examples
from tests.unit.capacity_world import values

KNOWN = figures.load()
NEVER_LESS = (  # with more events: what is remembered and kept
    "peak",
    "state of all partitions",
    "disk of Kafka: source topics",
    "disk of Kafka: journal",
    "disk of ClickHouse",
)
FIELDS = {one.name: one.field for one in OPTIONS} | {"--freshness": "freshness_s"}
EVENTS = st.one_of(st.integers(1, 10_000), st.integers(1, 10**12), st.integers(10, 42).map(lambda n: 2**n % 10**12 + 1))


@st.composite
def loads(draw: st.DrawFn) -> Load:
    """Any that the options allow, often with few accounts."""
    return Load(
        draw(EVENTS),
        peak_factor=draw(st.sampled_from((1.0, 4.0, 33.3, 1_000.0))),
        accounts=draw(st.sampled_from((1, 2, 3, 4, 5, 7, 13, 58, 300, 5_000, 10**9)) | st.integers(1, 2_000)),
        largest_account=draw(st.sampled_from((0.0, 0.01, 0.1, 0.5, 1.0)) | st.floats(0, 1)),
        profiles=draw(st.sampled_from((0, 1, 10**6))),
        campaigns=draw(st.sampled_from((0, 1, 10**6))),
        window_days=draw(st.sampled_from((1, 7, 120))),
        remember_days=draw(st.sampled_from((1, 8, 90, 3_660))),
        headroom=draw(st.sampled_from((0.0, 0.4, 0.9))),
        latency_ms=draw(st.sampled_from((None, 1.0, 153.0, 400.0, 700.0, 3_300.0, 86_400_000.0))),
        freshness_s=draw(st.sampled_from((0.1, 2.6, 30.0))),
        worker_memory_gib=draw(st.sampled_from((1.0, 32.0, 2_000.0, 100_000.0))),
    )


def changed(load: Load, *given: Lever) -> Load:
    return replace(load, **{FIELDS[one.option]: one.value for one in given})  # type: ignore[arg-type]


@examples()
@given(loads())
def test_accounts_bound_partitions_and_workers_and_the_busiest_has_some(load: Load) -> None:
    fleet = needs(load, KNOWN).plan.fleet
    assert 1 <= fleet.needed <= fleet.partitions <= min(load.accounts, PARTITIONS_MAX)
    assert fleet.run == fleet.needed + 1
    assert 1 <= fleet.accounts(load, 1) <= fleet.accounts(load, fleet.most) <= load.accounts
    assert load.largest <= fleet.largest_partition(load) <= fleet.busiest(load) <= 1 + 1e-9
    assert fleet.busiest(load) >= 1 / fleet.needed - 1e-9
    assert fleet.accounts(load, fleet.partitions) == load.accounts


@examples()
@given(loads(), st.integers(1, 10**12))
def test_more_events_never_need_less_nor_fewer_workers_and_are_not_possible_where_fewer_are_not(
    load: Load, more: int
) -> None:
    given = replace(load, latency_ms=None)  # few events wait for others: of a latency more events may keep more
    larger = replace(given, events_per_day=given.events_per_day + more)
    fewer, many = needs(given, KNOWN), needs(larger, KNOWN)
    if many.feasible:
        assert fewer.feasible
        assert {name: values(many)[name] >= values(fewer)[name] for name in NEVER_LESS} == dict.fromkeys(
            NEVER_LESS, True
        )
        few, lots = fewer.plan.fleet, many.plan.fleet
        # Of more partitions each is smaller, and so are their copies: only by them may a worker fewer do.
        assert few.needed <= lots.needed or few.partitions / few.run < lots.partitions / lots.run


@examples()
@given(loads())
def test_a_plan_keeps_all_or_says_what_it_does_not_and_has_finite_rows(load: Load) -> None:
    found = needs(load, KNOWN)
    assert found.feasible is possible(load, KNOWN)
    assert all(math.isfinite(row.value) and row.value >= 0 for row in found.rows)
    assert not any("inf" in row.how.split() for row in found.rows)


@settings(max_examples=EXAMPLES // 10 * TIMES, deadline=None)  # each tries a hundred plans
@given(loads())
def test_what_is_advised_was_tried_and_moves_what_was_given(load: Load) -> None:
    if possible(load, KNOWN):
        return
    found = levers(load, KNOWN)
    base = changed(load, *found.musts)
    assert possible(base, KNOWN) is not found.open
    for one in found.each:
        assert possible(changed(base, one), KNOWN), one
    assert not (found.each and found.together)
    if found.together:
        assert len(found.together) > 1
        assert possible(changed(base, *found.together), KNOWN)
        for one in found.together:
            spared = [other for other in found.together if other is not one]
            assert not possible(changed(base, *spared), KNOWN), one
    before = asdict(load)
    for one in (*found.musts, *found.each, *found.together):
        was = before[FIELDS[one.option]] if one.option != "--largest-account" else load.largest
        was = was or {"--profiles": load.people, "--campaigns": load.labels}.get(one.option, was)
        more = one.option in ("--worker-memory", "--latency", "--freshness", "--accounts")
        assert one.value > was if more else one.value < was, one
    days = changed(base, *found.together)
    assert days.remember_days == load.remember_days or days.remember_days > days.window_days
