"""What a load needs: by hand, at the bounds of cores, memory and partitions, and what the command says of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.capacity import figures as measured
from pipeline.capacity.figures import Figures, Measured, NotMeasured
from pipeline.capacity.fleet import PARTITIONS_A_WORKER_MAX, fleet_of, remembered
from pipeline.capacity.load import Load, usable
from pipeline.capacity.needs import Needs, needs
from pipeline.cli import app, capacity_examples
from pipeline.cli.capacity import shown
from pipeline.settings_tree import Rules, Topics

GIB = 1 << 30
VALUES = {
    "worker_us": 5.0,
    "broker_us": 0.5,
    "sink_rows_s": 200_000,
    "identity_bytes": 40,
    "fact_bytes": 75,
    "pair_bytes": 150,
    "worker_fixed_mib": 1024,
    "sink_fixed_mib": 1024,
    "identities_measured": 30_000_000,
    "source_bytes": 100,
    "journal_bytes": 120,
    "row_bytes": 40,
    "profile_bytes": 80,
    "facts_an_event": 0.2,
    "pairs_a_profile": 0.1,
    "latency_p99_10": 80,
    "latency_p99_50": 150,
    "latency_p99_90": 400,
}
KNOWN = Figures({name: Measured(value, "unit", "what", "by hand") for name, value in VALUES.items()})
# A hundred events a second at the mean, two hundred at the peak: the numbers below are made by hand from these.
SMALL = Load(
    8_640_000, peak_factor=2, accounts=10, largest_account=0.5, profiles=1_000_000, window_days=7, remember_days=10,
    retention_days=100, source_days=7, headroom=0.5, replicas=3, clickhouse_replicas=2,
)  # fmt: skip


def values(found: Needs) -> dict[str, float]:
    return {row.what: row.value for row in found.rows}


def test_a_plan_is_what_it_is_by_hand() -> None:
    found = values(needs(SMALL, KNOWN))
    state = 8_640_000 * 8 * 40 + 8_640_000 * 0.2 * 10 * 75 + 1_000_000 * 0.1 * 150  # 4,075,800,000 bytes
    assert found == {
        "peak": pytest.approx(200),
        "workers": 2,
        "partitions of every topic": 8,
        "busiest worker while one is away": pytest.approx(200 * 5e-6),
        "state of all partitions": pytest.approx(state / GIB),
        # all of it, and twice the partition of the largest account: its half, and an eighth of the other half
        "memory of a worker": pytest.approx(1 + state * (1 + 2 * (0.5 + 0.5 / 8)) / GIB),
        "disk of a worker": pytest.approx(3 * state / GIB),
        "disk of Kafka: source topics": pytest.approx(8_640_000 * 100 * 7 * 3 / 0.5 / GIB),
        "disk of Kafka: journal": pytest.approx(8_640_000 * 120 * 100 * 3 / 0.5 / GIB),
        "cores of Kafka for the workers": pytest.approx(200 * 0.5e-6 / 0.5),
        "sinks": 2,
        "memory of a sink": 1,
        "cores of sinks and ClickHouse for inserts": pytest.approx(200 / 200_000 / 0.5),
        "disk of ClickHouse": pytest.approx((8_640_000 * 100 * 40 + 1_000_000 * 80) * 2 / 0.5 / GIB),
    }


def test_a_start_takes_as_much_longer_as_more_is_remembered_and_never_less_than_was_measured() -> None:
    known = Figures({**KNOWN.by_name, "snapshot_s": Measured(3.0, "s", "what", "by hand")})
    state = values(needs(SMALL, known))["state of all partitions"] * GIB
    found = values(needs(SMALL, known))["start of a worker from its snapshots"]
    assert found == pytest.approx(3.0 * state / (10_000_000 * 40 + 5_000_000 * 75))
    assert values(needs(replace(SMALL, events_per_day=1), known))["start of a worker from its snapshots"] == 3.0


def test_each_rows_formula_has_its_numbers() -> None:
    how = {row.what: row.how for row in needs(SMALL, KNOWN).rows}
    assert how["peak"] == "8,640,000 events ÷ 86,400 s x 2"
    assert how["disk of Kafka: journal"] == "8,640,000 events x 120 B x 100 days x 3 copies ÷ 0.50"
    assert "69,120,000 identities (7 + 1 days) x 40 B" in how["state of all partitions"]


@pytest.mark.parametrize(
    "what", ["peak", "disk of Kafka: source topics", "disk of Kafka: journal", "disk of ClickHouse", "disk of a worker"]
)
def test_a_formula_calculated_anew_gives_its_row(what: str) -> None:
    (row,) = [row for row in needs(SMALL, KNOWN).rows if row.what == what]
    sums = row.how.replace(" x ", "*").replace("÷", "/")
    value = eval(re.sub(r"[^0-9.()*/+]", "", sums))  # digits and signs alone
    scale = GIB if " B" in row.how else 1
    assert value / scale == pytest.approx(row.value, rel=0.01)


def fast(rate: float, **more: float) -> Load:
    """So many events a second at the peak, nothing remembered that matters."""
    return Load(round(rate * 86_400), peak_factor=1, headroom=0.5, worker_memory_gib=100_000, **more)  # type: ignore[arg-type]


def needed(load: Load) -> int:
    return fleet_of(load, KNOWN, remembered(load, KNOWN), usable(load, KNOWN)[0]).needed


def test_a_worker_more_is_needed_when_the_busiest_is_past_its_share_of_a_core() -> None:
    # Half a core is 100,000 events/s of 5 µs. The largest account has a tenth: with two workers the busiest has 0.55.
    assert needed(fast(100_000, largest_account=0.1)) == 1
    assert needed(fast(100_001, largest_account=0.1)) == 2
    assert needed(fast(100_000 / 0.55, largest_account=0.1)) == 2
    busiest = values(needs(fast(100_000 / 0.55, largest_account=0.1), KNOWN))["busiest worker while one is away"]
    assert busiest == pytest.approx(0.5, abs=0.001)
    assert needed(fast(100_010 / 0.55, largest_account=0.1)) == 3


def test_an_account_that_is_more_than_a_core_is_said_and_asks_for_no_workers_of_its_own() -> None:
    load = fast(400_000, largest_account=0.5)
    found = needs(load, KNOWN)
    assert found.limits[0].startswith("The largest account takes 1.00 of a core at the peak, more than 0.50")
    assert needed(load) == 2  # the other half: 200,000 events/s
    at_it = needs(fast(200_000, largest_account=0.5), KNOWN)
    assert not at_it.limits[0].startswith("The largest account takes")


def test_one_account_alone_is_one_workers_whatever_its_rate() -> None:
    assert needed(fast(1_000_000, accounts=1)) == 1


def test_workers_are_added_until_the_busiest_has_its_memory() -> None:
    load = replace(SMALL, events_per_day=86_400_000, largest_account=0.0, accounts=1_000, worker_memory_gib=16)
    found = {row.what: row for row in needs(load, KNOWN).rows}
    assert "for the memory" in found["workers"].how
    assert found["memory of a worker"].value <= 16
    fewer = replace(load, worker_memory_gib=found["memory of a worker"].value - 0.01)
    assert needed(fewer) == needed(load) + 1


def test_memory_that_no_number_of_workers_gives_is_said() -> None:
    found = needs(replace(SMALL, events_per_day=8_640_000_000, worker_memory_gib=8), KNOWN)
    state = 8_640_000_000 * (8 * 40 + 0.2 * 10 * 75) + 15_000_000
    (said,) = [limit for limit in found.limits if limit.startswith("A worker needs")]
    assert f"which needs {1 + state * 0.5 * 3 / GIB:,.1f} GiB for it" in said


def test_large_states_are_spread_over_more_partitions_but_not_more_than_were_measured() -> None:
    load = replace(SMALL, largest_account=0.0, accounts=100_000, worker_memory_gib=100_000)
    each = []
    for events in (8_640_000, 43_200_000, 8_640_000_000):
        rows = values(needs(replace(load, events_per_day=events), KNOWN))
        each.append(rows["partitions of every topic"] / rows["workers"])
    assert each == [4, 8, PARTITIONS_A_WORKER_MAX]


def test_partitions_are_shared_evenly_and_within_the_settings() -> None:
    bound = next(limit.le for limit in Topics.model_fields["partitions"].metadata if hasattr(limit, "le"))
    for rate in (1, 10**5, 10**6, 10**7, 10**8, 10**9):
        rows = values(needs(fast(rate, largest_account=0.0, accounts=10**6), KNOWN))
        assert rows["partitions of every topic"] % rows["workers"] == 0
        assert rows["partitions of every topic"] <= bound


def test_a_latency_asked_for_sets_how_much_of_a_core_may_be_in_use() -> None:
    load = replace(SMALL, headroom=0.05)
    assert usable(load, KNOWN)[0] == 0.95
    assert usable(replace(load, latency_ms=400), KNOWN)[0] == 0.9
    assert usable(replace(load, latency_ms=399), KNOWN)[0] == 0.5
    assert usable(replace(load, latency_ms=80), KNOWN)[0] == 0.1
    share, why = usable(replace(load, latency_ms=79), KNOWN)
    assert share == 0.1
    assert "nothing measured keeps 79 ms" in why
    assert usable(replace(load, latency_ms=400, headroom=0.3), KNOWN)[0] == pytest.approx(0.7)


def test_a_figure_that_nobody_measured_is_named_with_the_way_to_it() -> None:
    without = Figures({name: one for name, one in KNOWN.by_name.items() if not name.startswith("latency")})
    assert needs(SMALL, without).rows
    with pytest.raises(NotMeasured, match="latency_p99_10 has not been measured: `make bench`"):
        needs(replace(SMALL, latency_ms=100), without)


def test_the_days_of_the_load_are_the_settings_defaults() -> None:
    rules, topics = Rules(), Topics()
    assert (Load(1).window_days, Load(1).remember_days) == (rules.window_days, rules.unique_days)
    assert Load(1).source_days * 24 == topics.source_retention_hours


def test_the_packages_figures_say_where_they_are_from() -> None:
    for name, one in measured.load().by_name.items():
        assert one.value > 0, name
        assert one.unit, name
        assert one.source, name
    assert {*VALUES, "snapshot_s"} >= set(measured.load().by_name)


def test_a_figure_of_zero_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "figures.toml"
    file.write_text('[worker_us]\nvalue = 0\nunit = "µs"\nwhat = "x"\nsource = "y"\n', "utf-8")
    with pytest.raises(ValueError, match="worker_us is 0 µs"):
        measured.load(file)


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app.app, ["capacity", *words])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_prints_json_with_load_needs_limits_and_figures() -> None:
    code, out, _ = run("--events-per-day", "1000000", "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert list(found) == ["load", "needs", "limits", "figures"]
    assert found["load"]["events_per_day"] == 1_000_000
    assert list(found["needs"][0]) == ["what", "value", "unit", "how"]
    assert {"value", "unit", "what", "source", "date", "commit", "machine"} == set(found["figures"]["worker_us"])


def test_the_command_passes_every_option_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "load", lambda: KNOWN)
    words = "--peak-factor 3 --accounts 7 --largest-account 0.3 --profiles 9 --window-days 5 --remember-days 11"
    words += " --retention-days 12 --source-days 13 --headroom 0.2 --latency 99 --worker-memory 14 --replicas 2"
    code, out, _ = run("--events-per-day", "15", *words.split(), "--clickhouse-replicas", "4", "--format", "json")
    assert code == 0
    assert list(json.loads(out)["load"].values()) == [15, 3, 7, 0.3, 9, 5, 11, 12, 13, 0.2, 99, 14, 2, 4]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--events-per-day", "0"], "'--events-per-day'"),
        (["--events-per-day", "many"], "'--events-per-day'"),
        (["--events-per-day", "5", "--headroom", "1"], "'--headroom'"),
        (["--events-per-day", "5", "--largest-account", "1.5"], "'--largest-account'"),
        (["--events-per-day", "5", "--peak-factor", "0.5"], "'--peak-factor'"),
        (["--events-per-day", "5", "--peak-factor", "nan"], "'--peak-factor'"),
        ([], "'--events-per-day'"),
    ],
)
def test_a_wrong_option_is_named_and_ends_with_exit_code_2(words: list[str], told: str) -> None:
    code, _, said = run(*words)
    assert code == 2
    assert told in said


def test_a_figure_that_nobody_measured_ends_the_command_with_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "load", lambda: Figures({}))
    code, _, said = run("--events-per-day", "5")
    assert code == 1
    assert "tally: facts_an_event has not been measured: `make bench`" in said


def test_the_examples_options_are_their_loads() -> None:
    for example in capacity_examples.EXAMPLES:
        words = ["--events-per-day", str(example.load.events_per_day), *example.options.split()]
        found = json.loads(run(*words, "--format", "json")[1])["load"]
        assert Load(**found) == example.load


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.5, "GiB", "512 MiB"),
        (1.04, "GiB", "1.0 GiB"),
        (1024.0, "GiB", "1.0 TiB"),
        (2, "processes", "2 processes"),
        (0.0099, "cores", "under 0.01 cores"),
        (0.0123, "cores", "0.012 cores"),
        (12.6, "cores", "13 cores"),
        (46296.3, "events/s", "46,296 events/s"),
    ],
)
def test_values_are_shown_as_people_read_them(value: float, unit: str, told: str) -> None:
    assert shown(value, unit) == told
