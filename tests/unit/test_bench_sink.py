"""The sink's bench counts what its journal holds, and says CPU by parts."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from connectors.clickhouse.rows import tables
from tests.bench.results import Verdict
from tests.bench.sink_bench import NAMED_SIZE, Spent, figures
from tests.bench.sink_traffic import CYCLES, MERGES, QUESTIONS, Totals, ranges, records

RECORD_ROWS, ROWS, PARTITIONS = 500, 6_500, 2


@pytest.fixture(scope="module")
def made() -> tuple[Totals, list[tuple[int, dict[str, pa.Table]]]]:
    """The totals, and the tables of every range of two records."""
    totals = Totals(RECORD_ROWS)
    cut = list(ranges(records(ROWS, PARTITIONS, totals), 2))
    return totals, [(len(decided), tables(partition, decided)) for partition, decided in cut]


def test_the_totals_are_those_of_the_rows_that_the_sink_inserts(
    made: tuple[Totals, list[tuple[int, dict[str, pa.Table]]]],
) -> None:
    totals, found = made
    said = totals.said()
    events = pa.concat_tables([of["events"] for _, of in found])
    types = {one["values"]: one["counts"] for one in pc.value_counts(events["type"]).to_pylist()}
    assert said["events"] == said["hits"] == events.num_rows == pc.sum(events["hits"]).as_py() == ROWS
    for verb in ("sent", "delivered", "opened", "clicked"):
        assert said[verb] == types[f"email_{verb}"]
    assert said["bounced"] == types["email_soft_bounced"]
    assert said["unique_opened"] == pc.sum(events["unique_open"]).as_py() > 0
    assert said["unique_clicked"] == pc.sum(events["unique_click"]).as_py() > 0
    assert said["unique_link_clicked"] == pc.sum(events["unique_link_click"]).as_py() > 0
    assert said["burn"] == pc.sum(events["activity"]).as_py() > 0
    assert said["profiles seen"] == events.select(["account_id", "profile_id"]).group_by(
        ["account_id", "profile_id"]
    ).aggregate([]).num_rows  # fmt: skip


def test_absolute_numbers_are_those_of_each_partitions_last_record(
    made: tuple[Totals, list[tuple[int, dict[str, pa.Table]]]],
) -> None:
    totals, found = made
    said = totals.said()
    used = pa.concat_tables([of["allowance"] for _, of in found])
    merged = pa.concat_tables([of["person_map"] for _, of in found])
    last = used.group_by("account_id").aggregate([("used", "max")])
    assert last.num_rows == PARTITIONS * CYCLES
    assert said["allowance"] == pc.sum(last["used_max"]).as_py() > 0
    versions = merged.group_by("journal_partition").aggregate([("version", "max")])
    assert said["person_map"] == pc.sum(versions["version_max"]).as_py() > MERGES


def test_every_question_has_an_answer_of_the_journal(
    made: tuple[Totals, list[tuple[int, dict[str, pa.Table]]]],
) -> None:
    assert made[0].said().keys() == QUESTIONS.keys()


def test_ranges_have_the_records_asked_for_and_the_last_ones_what_is_left(
    made: tuple[Totals, list[tuple[int, dict[str, pa.Table]]]],
) -> None:
    assert [size for size, _ in made[1]] == [2] * 6 + [1]


def test_client_engine_and_merges_are_all_in_the_figure_with_the_aim() -> None:
    spent, bare = Spent(1.0, 2.0, 1.0, 5.0, 1_500_000), Spent(0.5, 0.5, 0.0, 1.0, 0)
    whole, wall, *parts, merged = figures(NAMED_SIZE, 1_000_000, [spent], [bare])
    assert (whole.median, whole.floor, whole.to_floor) == (250_000, (1_000_000,), 4.0)
    assert whole.verdict is Verdict.MET
    assert wall.median == 200_000
    assert [one.median for one in parts] == [1.0, 2.0, 1.0]
    assert merged.median == 1.5


def test_other_sizes_than_the_named_one_have_no_aim() -> None:
    spent = [Spent(1.0, 2.0, 1.0, 5.0, 0)]
    assert all(one.aim is None for one in figures(20_000, 1_000_000, spent, spent))
