"""What is not possible is said first, with options and values that were tried and do make it possible."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.capacity import figures as measured
from pipeline.capacity.figures import Figures, Measured
from pipeline.capacity.fleet import FACTS_MAX
from pipeline.capacity.levers import Lever, Levers, levers
from pipeline.capacity.load import Load
from pipeline.capacity.needs import needs
from pipeline.capacity.options import OPTIONS
from pipeline.cli.capacity_told import impossible
from tests.unit.capacity_world import KNOWN, SMALL, fast

FIELDS = {one.name: one.field for one in OPTIONS} | {"--freshness": "freshness_s"}


def changed(load: Load, *given: Lever) -> Load:
    return replace(load, **{FIELDS[one.option]: one.value for one in given})  # type: ignore[arg-type]


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


def test_days_that_the_settings_refuse_are_not_advised() -> None:
    # Of unique days the settings want more than the window has.
    load = replace(SMALL, largest_account=0.1, accounts=1_000, remember_days=3_660, worker_memory_gib=3.4, headroom=0.0)
    week, weeks = replace(load, window_days=7), replace(load, window_days=20)
    assert [one.value > 7 for one in levers(week, KNOWN).each if one.option == "--remember-days"] == [True]
    assert needs(replace(weeks, remember_days=1), KNOWN).feasible
    assert [one for one in levers(weeks, KNOWN).each if one.option == "--remember-days"] == []
    short = replace(load, window_days=120, remember_days=5)
    assert not needs(short, KNOWN).feasible
    days = [one.value for one in levers(short, KNOWN).each if one.option == "--window-days"]
    assert all(value < 5 for value in days)
    assert any("The settings refuse rules.unique_days of 5" in note for note in needs(short, KNOWN).notes)


def test_what_an_options_bound_or_other_direction_forbids_is_not_advised() -> None:
    load = Load(
        10**12, accounts=1, largest_account=0, headroom=0.0, peak_factor=1, window_days=1, remember_days=2,
        profiles=1, campaigns=1, worker_memory_gib=100_000,
    )  # fmt: skip
    found = levers(load, KNOWN)
    assert {one.option for one in (*found.each, *found.together)} == {"--accounts"}
    lines = list(impossible(needs(load, KNOWN), found))
    assert lines[-1].startswith("Each of these alone makes it possible: --accounts ")
    slow = Measured(40, "cores", "what", "by hand", rate=100_000, partitions=4)
    known = Figures({**KNOWN.by_name, "worker_cores_90": slow})
    full = replace(load, accounts=1_000)  # even shares, and nothing is left to turn
    assert not needs(full, known).feasible
    assert levers(full, known) == Levers([], [], [], open=True)
    assert list(impossible(needs(full, known), levers(full, known)))[-1] == (
        "No option or set of options that was tried makes it possible."
    )


def test_where_no_option_alone_does_several_are_named_that_do_and_none_of_them_is_spare() -> None:
    load = Load(300_000_000, peak_factor=1_000, worker_memory_gib=8)
    found = levers(load, KNOWN)
    assert found.each == []
    assert len(found.together) > 1
    assert needs(changed(load, *found.together), KNOWN).feasible
    for one in found.together:
        assert not needs(changed(load, *(other for other in found.together if other is not one)), KNOWN).feasible, one


def test_an_option_that_another_ones_value_made_spare_is_not_named() -> None:
    # The largest account is below an even share as soon as there are so few accounts.
    load = Load(
        4_267_315_696, peak_factor=1, accounts=1, largest_account=0.01, window_days=7, remember_days=1, headroom=0.0,
        latency_ms=153.0, freshness_s=0.1, worker_memory_gib=1,
    )  # fmt: skip
    for accounts in (1, 2, 5):
        known = measured.load()
        found = levers(replace(load, accounts=accounts), known)
        base = changed(replace(load, accounts=accounts), *found.musts)
        for one in found.together:
            others = [other for other in found.together if other is not one]
            assert not needs(changed(base, *others), known).feasible, one


def test_counts_that_were_assumed_are_named_only_where_nobody_gave_them() -> None:
    load = Load(300_000_000, accounts=10**8, largest_account=0.0, peak_factor=1, worker_memory_gib=8)
    assert not needs(load, KNOWN).feasible
    assert "--campaigns" in [one.option for one in levers(load, KNOWN).each]
    given = replace(load, campaigns=load.labels)
    assert "--campaigns" not in [one.option for one in (*levers(given, KNOWN).each, *levers(given, KNOWN).together)]


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
    free, days = Lever("--headroom", 0.2, "free"), Lever("--campaigns", 20_000_000, "at most")

    def told(*parts: list[Lever]) -> str:
        return list(impossible(needs(load, KNOWN), Levers(*parts, open=True)))[-1]

    assert told([], [free], []) == "Each of these alone makes it possible: --headroom 0.2 (free)."
    assert told([], [], [free, days]) == (
        "No one option makes it possible. These together do: --headroom 0.2 (free); --campaigns 20000000 (at most)."
    )
    assert told([], [], []) == "No option or set of options that was tried makes it possible."
    assert told([free], [], []) == "Beside that, no option or set of options that was tried makes it possible."


def test_what_a_planner_must_know_beside_the_limits_is_a_note() -> None:
    found = needs(replace(SMALL, accounts=3, largest_account=0.1, remember_days=7), KNOWN)
    assert found.notes == [
        "Of 3 accounts the largest has 0.333 of all events at least: planned with that, not with 0.1.",
        "The settings refuse rules.unique_days of 7: they must be more than rules.window_days, which are 7 here.",
        "The largest partition remembers 46,080,000 events; speed was measured up to 30,000,000.",
        (
            "3 accounts in 3 partitions are planned with at most 2 in one. Their ids decide, and more may fall "
            "together: leave headroom for it."
        ),
        (
            "An account lies in one partition, so no more than 3 are planned. They are fixed at creation: count the "
            "accounts that are to come."
        ),
        "Partitions are fixed at creation (at most 1,024): 3 are shared evenly by 1, 3 workers.",
    ]
    one = needs(replace(SMALL, accounts=1), KNOWN).notes
    assert one[0] == "One account has all events: planned with that."
    assert one[-1].endswith(
        ", and an account lies in one: one worker has it, and one stands by. Count the accounts to come."
    )
    assert not any("no more than" in note for note in one)
    large = needs(Load(10**9, accounts=10**6, largest_account=0.05, worker_memory_gib=1_000), KNOWN)
    assert any("speed was measured up to 30,000,000." in note for note in large.notes)
    assert not any("planned with that" in note for note in large.notes)
