"""What a load needs: by hand, at the bounds of cores, memory and partitions, and as it was measured."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.capacity import figures as measured
from pipeline.capacity.curves import Costs, Curve
from pipeline.capacity.digits import digits
from pipeline.capacity.figures import Figures, Measured, NotMeasured
from pipeline.capacity.fleet import PARTITIONS_A_WORKER_MAX, remembered
from pipeline.capacity.load import Load
from pipeline.capacity.needs import needs
from pipeline.settings_tree import Rules, Topics
from tests.bench import capacity_figures
from tests.unit.capacity_world import COSTS, GIB, KNOWN, SMALL, fast, fleet, values

LOADS = (
    SMALL,
    Load(2, accounts=90_734, largest_account=0, remember_days=1),
    Load(61, largest_account=0.5, accounts=58, headroom=0.9),
    Load(21_600_000),
    Load(300_000_000),
    Load(50_000_000, largest_account=0.07, headroom=0.33, peak_factor=3.3, source_days=6.5),
    Load(1_000_000_000, accounts=5_000, largest_account=0.0123, latency_ms=300, freshness_s=9),
)


def test_a_plan_is_what_it_is_by_hand() -> None:
    found = values(needs(SMALL, KNOWN))
    state = 8_640_000 * 8 * 40 + 8_640_000 * 0.2 * 10 * 75 + 1_000_000 * 0.1 * 150 + 1_000_000 * 290
    assert found == {
        "peak": pytest.approx(200),
        "workers": 2,
        "partitions of every topic": 8,
        "busiest worker while one is away": pytest.approx(8 * 0.01 + 200 * 5e-6),
        "p99 of Kafka append to journal append": 700,
        "state of all partitions": pytest.approx(state / GIB),
        # all of it, and twice the partition of the largest account: its half, and 2 of the 9 others, as 9 over 8 may be
        "memory of a worker": pytest.approx(2 + state * (1 + 2 * (0.5 + 2 * 0.5 / 9)) / GIB),
        "disk of a worker": pytest.approx(3 * state / GIB),
        "disk of Kafka: source topics": pytest.approx(8_640_000 * 100 * 7 * 3 / 0.5 / GIB),
        "disk of Kafka: journal": pytest.approx(8_640_000 * 120 * 100 * 3 / 0.5 / GIB),
        "cores of Kafka": pytest.approx(8 * 0.2405 / 12 / 0.5),  # never less than at the lightest load measured
        "sinks": 2,
        "p99 of Kafka append to the row in ClickHouse": 5,
        "memory of a sink": 1,
        "cores of sinks and ClickHouse for inserts": pytest.approx((200 / 200_000 + 8 / 12 * 0.6) / 0.5),
        "disk of ClickHouse": pytest.approx((8_640_000 * 100 * 40 + 1_000_000 * 80) * 2 / 0.5 / GIB),
    }


def test_a_plan_has_what_the_benches_measured_at_the_loads_that_they_measured() -> None:
    known = measured.load()
    costs = Costs.of(known)
    for name, one in known.by_name.items():
        if name.startswith("worker_cores"):
            assert one.partitions * costs.worker.at(one.rate / one.partitions) >= one.value - 1e-9, name
    light = known.by_name["worker_cores_light"]
    found = needs(Load(86_400, peak_factor=light.rate, accounts=10**6, largest_account=0.0), known)
    (fleet,) = [found.plan.fleet]
    each = costs.worker.at(light.rate / fleet.partitions)
    assert values(found)["busiest worker while one is away"] == pytest.approx(fleet.most * each, rel=1e-4)
    inserts = values(found)["cores of sinks and ClickHouse for inserts"] * found.plan.load.use
    asked = known.of("sink_cores") + known.of("engine_cores")
    assert inserts >= asked * fleet.partitions / 12
    kafka = values(found)["cores of Kafka"] * found.plan.load.use
    assert kafka >= known.of("broker_cores_light") * fleet.partitions / 12


def test_between_two_measured_loads_lies_a_straight_line_and_beyond_the_last_an_events_own_cost() -> None:
    curve = Curve.of([(10, 4.0), (0, 1.0), (20, 3.0)], 0.5)
    assert [curve.at(load) for load in (-1, 0, 5, 10, 15, 20, 22)] == [1, 1, 2.5, 4, 3.5, 3, 4]
    assert [curve.never_falling.at(load) for load in (10, 15, 20, 22)] == [4, 4, 4, 5]
    assert [curve.least(*loads) for loads in ((0, 30), (5, 10), (5, 30), (12, 22), (20, 22))] == [1, 2.5, 2.5, 3, 3]
    assert Curve.of([(3, 7.0)]).at(9) == 7


def test_a_start_takes_as_much_longer_as_more_is_remembered_and_never_less_than_was_measured() -> None:
    known = Figures({**KNOWN.by_name, "snapshot_s": Measured(3.0, "s", "what", "by hand")})
    state = values(needs(SMALL, known))["state of all partitions"] * GIB
    found = values(needs(SMALL, known))["start of a worker from its snapshots"]
    assert found == pytest.approx(3.0 * state / (10_000_000 * 40 + 5_000_000 * 75))
    least = replace(SMALL, events_per_day=1, campaigns=1)
    assert values(needs(least, known))["start of a worker from its snapshots"] == 3.0


def test_each_rows_formula_has_its_numbers() -> None:
    how = {row.what: row.how for row in needs(SMALL, KNOWN).rows}
    assert how["peak"] == "8,640,000 events ÷ 86,400 s x 2; the day's mean, and its peak"
    assert how["disk of Kafka: journal"] == "8,640,000 events x 120 B x 100 days x 3 copies ÷ 0.5"
    assert "69,120,000 identities x 40 B" in how["state of all partitions"]


@pytest.mark.parametrize("figures", [KNOWN, measured.load()], ids=["by hand", "the package's"])
@pytest.mark.parametrize("load", LOADS, ids=lambda load: f"{load.events_per_day}")
def test_every_formula_calculated_anew_gives_its_row(load: Load, figures: Figures) -> None:
    for row in needs(load, figures).rows:
        formula = row.how.partition(";")[0].replace(" x ", "*").replace("÷", "/").replace("/s", "")
        for unit, size in (("GiB", ""), ("MiB", "/1024"), (" B", f"/{GIB}")):
            formula = re.sub(rf"{unit}\b", size, formula)
        value = eval(re.sub(r"[^0-9.()*/+]", "", formula))  # digits and signs alone
        assert value == pytest.approx(row.value, rel=0.002), f"{row.what}: {row.how}"


def test_numbers_of_a_formula_have_four_digits_and_no_exponent() -> None:
    told = [digits(value) for value in (0, 0.00006145, 0.1, 0.123456, 9.99999, 469.44, 1_561.35, 12_345_678.9)]
    assert told == ["0", "0.00006145", "0.1", "0.1235", "10", "469.4", "1,561", "12,345,679"]


def test_a_worker_more_is_needed_when_the_busiest_is_past_its_share_of_a_core() -> None:
    # Half a core is 8 partitions of 0.01, and 84,000 events/s of 5 µs.
    assert fleet(fast(84_000, largest_account=0.1)).needed == 1
    assert fleet(fast(84_001, largest_account=0.1)).needed == 2
    # With two of three workers the busiest has 6 of 12 partitions: 0.06, and 0.1 + 0.9 x 6 / 12 of the events.
    assert fleet(fast(87_990 / 0.55, largest_account=0.1, accounts=361)).needed == 2
    found = needs(fast(87_990 / 0.55, largest_account=0.1, accounts=361), KNOWN)
    assert values(found)["busiest worker while one is away"] == pytest.approx(0.5, abs=0.001)
    assert fleet(fast(88_010 / 0.55, largest_account=0.1, accounts=361)).needed == 3


def test_while_a_worker_is_away_another_has_whole_partitions_of_it() -> None:
    # 17 workers share 68 partitions; of the 16 that remain some have 5, not 4.25.
    load = Load(50_000_000, largest_account=0.05, accounts=1_021)
    found = fleet(load)._replace(needed=16, run=17, partitions=68)
    assert found.most == 5
    assert found.busiest(load) == pytest.approx(0.05 + 0.95 * 5 / 68)
    state = remembered(load, KNOWN)
    shares = 0.05 + 0.95 * 5 / 68 + 2 * (0.05 + 0.95 / 68)
    assert found.memory(load, COSTS, state) == pytest.approx(1_280 * 2**20 + state.size * shares)  # 1,280: of five
    for needed in range(1, 60):
        one = found._replace(needed=needed, run=needed + 1, partitions=4 * needed + 4)
        held = [(one.partitions + spare) // needed for spare in range(needed)]  # as even as whole partitions are
        assert (sum(held), max(held)) == (one.partitions, one.most)


def test_one_account_alone_is_one_workers_whatever_its_rate() -> None:
    found = needs(fast(1_000_000, accounts=1), KNOWN)
    assert found.limits[0].startswith("The largest account takes 5.01 of a core at the peak, more than 0.50")
    assert values(found)["workers"] == 2


def test_workers_are_added_until_the_busiest_has_its_memory() -> None:
    load = replace(SMALL, events_per_day=86_400_000, largest_account=0.0, accounts=1_000, worker_memory_gib=16)
    found = {row.what: row for row in needs(load, KNOWN).rows}
    assert "for the memory" in found["workers"].how
    assert found["memory of a worker"].value <= 16
    fewer = replace(load, worker_memory_gib=found["memory of a worker"].value - 0.01)
    assert fleet(fewer).needed == fleet(load).needed + 1


def test_large_states_are_spread_over_more_partitions_but_not_more_than_were_measured() -> None:
    load = replace(SMALL, largest_account=0.0, accounts=100_000, worker_memory_gib=100_000)
    each = []
    for events in (8_640_000, 43_200_000, 8_640_000_000):
        rows = values(needs(replace(load, events_per_day=events, headroom=0.1), KNOWN))
        each.append(rows["partitions of every topic"] / rows["workers"])
    assert each == [4, 8, PARTITIONS_A_WORKER_MAX]


def test_a_worker_with_little_memory_has_fewer_partitions_and_not_a_hundred_workers() -> None:
    # With nothing remembered a worker takes 1,032 MiB with 4 partitions, 573 with one.
    found = needs(Load(5, worker_memory_gib=1), measured.load())
    assert found.limits == []
    assert values(found)["workers"] == 2
    assert values(found)["partitions of every topic"] in (2, 4)


def test_partitions_are_shared_evenly_and_within_the_settings() -> None:
    bound = next(limit.le for limit in Topics.model_fields["partitions"].metadata if hasattr(limit, "le"))
    for rate in (1, 10**5, 10**6, 10**7, 10**8):
        found = needs(fast(rate, largest_account=0.0, accounts=10**6), KNOWN)
        rows = values(found)
        assert rows["partitions of every topic"] % rows["workers"] == 0
        assert rows["partitions of every topic"] <= bound
    assert any("at most 1,024 partitions" in limit for limit in found.limits)


def test_a_workers_fixed_memory_is_its_bound_for_the_partitions_that_it_has() -> None:
    fixed = Costs.of(measured.load()).fixed
    for partitions in range(1, 2 * PARTITIONS_A_WORKER_MAX + 1):
        bound = capacity_figures.worker_fixed_mib(partitions)
        assert fixed.at(partitions) == pytest.approx(bound, rel=0.01), partitions
    page = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
    eight, twelve, more = (f"{capacity_figures.worker_fixed_mib(partitions):,}" for partitions in (8, 12, 24))
    assert f"{eight} MiB with 8 and usual events, {twelve} with 12, {more} with 24" in page
    row = {row.what: row for row in needs(Load(1_000_000), measured.load()).rows}["memory of a worker"]
    assert row.how.startswith(f"{fixed.at(8):,.0f} MiB")


def test_the_packages_bounds_are_those_of_the_code_where_nothing_was_measured() -> None:
    known = measured.load().by_name
    for name, one in capacity_figures.stated():
        assert known[name] == one or known[name].source != capacity_figures.PAGE, (
            f"{name}: run `make bench ARGS=--capacity-figures`"
        )


def test_campaigns_are_remembered_and_are_one_a_day_and_account_unless_given() -> None:
    before, after = (remembered(replace(SMALL, campaigns=n), KNOWN).size for n in (1_000_000, 3_000_000))
    assert after - before == 2_000_000 * 290
    assert replace(SMALL, campaigns=0).labels == 10 * 100
    assert Load(5, accounts=1_000).labels == 5 * 365
    assert "1,000,000 campaigns x 290 B" in remembered(SMALL, KNOWN).how


def test_a_figure_that_nobody_measured_is_named_with_the_way_to_it() -> None:
    without = Figures({name: one for name, one in KNOWN.by_name.items() if not name.startswith("latency")})
    assert "p99 of Kafka append to journal append" not in values(needs(SMALL, without))
    with pytest.raises(NotMeasured, match="latency_p99 has not been measured: `make bench`"):
        needs(replace(SMALL, latency_ms=100), without)
    for lacking in ("identity_bytes", "freshness_p99", "worker_cores", "sink_cores"):
        some = Figures({name: one for name, one in KNOWN.by_name.items() if not name.startswith(lacking)})
        with pytest.raises(NotMeasured, match=f"{lacking} has not been measured"):
            needs(SMALL, some)


def test_the_days_of_the_load_are_the_settings_defaults() -> None:
    rules, topics = Rules(), Topics()
    assert (Load(1).window_days, Load(1).remember_days) == (rules.window_days, rules.unique_days)
    assert Load(1).source_days * 24 == topics.source_retention_hours


def test_the_packages_figures_say_where_they_are_from() -> None:
    for name, one in measured.load().by_name.items():
        assert one.value > 0, name
        assert one.unit, name
        assert one.source, name
    unknown = set(measured.load().by_name) - {*capacity_figures.SOURCES, *capacity_figures.STATED}
    assert unknown == {"identities_measured"}


def test_a_figure_of_zero_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "figures.toml"
    file.write_text('[worker_us]\nvalue = 0\nunit = "µs"\nwhat = "x"\nsource = "y"\n', "utf-8")
    with pytest.raises(ValueError, match="worker_us is 0 µs"):
        measured.load(file)


def test_a_load_that_nothing_carries_has_the_fewest_workers_that_come_near() -> None:
    load = Load(10**9, largest_account=0.3, worker_memory_gib=1)
    state = remembered(load, KNOWN)
    found = fleet(load)
    least = min(fleet(replace(load, worker_memory_gib=gib)).memory(load, COSTS, state) for gib in (1, 100, 1_000))
    assert least <= found.memory(load, COSTS, state) <= 1.1 * least
    assert found.needed < 100
    assert {row.what: row.how for row in needs(load, KNOWN).rows}["workers"].startswith(
        f"{found.needed} + 1; needed for the memory, which no number keeps"
    )
