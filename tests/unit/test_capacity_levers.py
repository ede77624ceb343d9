"""What is not possible is said first, with options and values that were tried and do make it possible."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.capacity import figures as measured
from pipeline.capacity.levers import Lever, Levers, levers
from pipeline.capacity.limits import FACTS_MAX
from pipeline.capacity.load import Load
from pipeline.capacity.needs import needs
from pipeline.cli.capacity_told import impossible
from tests.unit.capacity_world import KNOWN, SMALL, fast

FIELDS = {
    "--worker-memory": "worker_memory_gib",
    "--largest-account": "largest_account",
    "--remember-days": "remember_days",
    "--headroom": "headroom",
    "--latency": "latency_ms",
    "--freshness": "freshness_s",
}


def changed(load: Load, *given: Lever) -> Load:
    for one in given:
        value = int(one.value) if one.option == "--remember-days" else one.value
        load = replace(load, **{FIELDS[one.option]: value})
    return load


LOADS = {
    "a default load": Load(50_000_000, worker_memory_gib=8),
    "a large one": Load(300_000_000),
    "a large account's cores": fast(400_000, largest_account=0.5),
    "a short latency": Load(1_000_000, latency_ms=5),
    "a short latency, freshness and memory": Load(300_000_000, latency_ms=5, freshness_s=1),
    "more facts than have numbers": Load(
        2_000_000_000, accounts=1, largest_account=1, worker_memory_gib=100_000, headroom=0, peak_factor=1
    ),
}


@pytest.mark.parametrize("name", LOADS)
def test_every_option_that_is_named_makes_the_plan_possible(name: str) -> None:
    load = LOADS[name]
    assert not needs(load, KNOWN).feasible
    found = levers(load, KNOWN)
    base = changed(load, *found.musts)
    assert found.musts or found.each
    assert needs(base, KNOWN).feasible is not found.open
    for one in found.each:
        assert needs(changed(base, one), KNOWN).feasible, one


def test_a_feasible_plan_with_the_packages_figures_needs_no_levers_and_a_broken_one_has_some() -> None:
    known = measured.load()
    assert needs(Load(1_000_000), known).feasible
    for load in (Load(300_000_000), Load(300_000_000, latency_ms=1)):
        assert not needs(load, known).feasible
        found = levers(load, known)
        assert found.each
        for one in found.each:
            assert needs(changed(load, *found.musts, one), known).feasible, one


def test_a_larger_value_than_the_one_named_would_not_do() -> None:
    load = LOADS["a default load"]
    by_option = {one.option: one for one in reversed(levers(load, KNOWN).each)}  # the least memory, not the roomier
    days = by_option["--remember-days"]
    assert not needs(replace(load, remember_days=int(days.value) + 1), KNOWN).feasible
    share = by_option["--largest-account"]
    digit = 10.0 ** (len(f"{share.value:f}".rstrip("0").split(".")[1]))
    assert not needs(replace(load, largest_account=share.value + 1 / digit), KNOWN).feasible
    memory = by_option["--worker-memory"]
    assert "GiB, with " in memory.means
    assert needs(replace(load, worker_memory_gib=memory.value * 0.85), KNOWN).feasible is False


def test_fewer_days_are_not_advised_where_they_do_not_help() -> None:
    load = Load(300_000_000, worker_memory_gib=16)
    assert not needs(replace(load, remember_days=1), KNOWN).feasible
    assert "--remember-days" not in [one.option for one in levers(load, KNOWN).each]


def test_all_that_is_not_kept_is_told_and_nothing_else() -> None:
    load = replace(LOADS["a short latency, freshness and memory"])
    begins = [limit.split(" is ")[0].split(" needs ")[0] for limit in needs(load, KNOWN).limits]
    assert begins == [
        "A worker",
        "p99 from Kafka append to journal append",
        "p99 from Kafka append to the row in ClickHouse",
    ]
    assert needs(SMALL, KNOWN).limits == []
    (facts,) = needs(LOADS["more facts than have numbers"], KNOWN).limits
    assert facts.endswith(f"can number {FACTS_MAX:,}.")


def test_a_plan_that_is_not_possible_says_so_in_its_first_line_then_why_then_what_would_do() -> None:
    load = LOADS["a short latency, freshness and memory"]
    lines = list(impossible(needs(load, KNOWN), levers(load, KNOWN)))
    assert lines[0] == "NOT POSSIBLE as given."
    assert [line.startswith("- ") for line in lines] == [False, True, True, True, False, False]
    assert lines[4].startswith("Whatever else is changed: --latency ")
    assert lines[5].startswith("Beside that, each of these alone makes it possible: --worker-memory ")
    alone = list(impossible(needs(load, KNOWN), Levers([], [Lever("--headroom", 0.2, "free")], open=True)))
    assert alone[-1] == "Each of these alone makes it possible: --headroom 0.2 (free)."
    none = list(impossible(needs(load, KNOWN), Levers([], [], open=True)))
    assert none[-1].startswith("No one option makes it possible: change several")


def test_what_a_planner_must_know_beside_the_limits_is_a_note() -> None:
    found = needs(replace(SMALL, accounts=3, largest_account=0.1), KNOWN)
    assert (
        found.notes[0] == "Of 3 accounts the largest has 0.333 of all events at least: planned with that, not with 0.1."
    )
    assert found.notes[-1].startswith(
        "Partitions are fixed at creation (at most 1,024): 8 are shared evenly by 1, 2, 4, 8"
    )
    assert any("leave some of 8 partitions empty" in note for note in found.notes)
    large = needs(Load(10**9, accounts=10**6, largest_account=0.05, worker_memory_gib=1_000), KNOWN)
    assert any("speed was measured up to 30,000,000." in note for note in large.notes)
    assert not any("planned with that" in note for note in large.notes)
