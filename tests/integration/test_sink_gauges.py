"""What a sink shows to Prometheus: how far ClickHouse is with the partitions that are its own, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration import scrape
from tests.integration.sink_journal import BEGIN, DAYS, micros
from tests.integration.sink_world import Running, World, await_that, ready

UNTIL = micros(BEGIN + timedelta(days=DAYS)) / 1_000_000  # the journal's time at every record
OF_PARTITION = ("complete_until_timestamp_seconds", "lag_records", "lag_seconds", "partition_refused")


world = pytest.fixture(ready)


def gauges(sink: Running, partition: int) -> list[float | None]:
    """Up to when the partition is complete, its lag in records and in seconds, and whether it is refused."""
    found = scrape.shown(scrape.text(sink.log))
    return [found.get(f'tally_sink_{name}{{partition="{partition}"}}') for name in OF_PARTITION]


def shows(sink: Running, partition: int, *expected: float | None) -> None:
    await_that(lambda: gauges(sink, partition) == list(expected), lambda: f"{expected}, not {gauges(sink, partition)}")


def test_a_sink_says_up_to_when_clickhouse_is_complete_also_when_it_was_just_started(
    world: World, seed: int, promtool: Path
) -> None:
    with world.sink() as first:
        first.await_line("partitions now: 0, 1")
        world.publish(seed, records=8)
        for partition in range(world.partitions):
            shows(first, partition, UNTIL, 0, 0, 0)
        found = scrape.shown(scrape.text(first.log))
        assert found["tally_sink_batches_total"] >= world.partitions
        assert found["tally_sink_inserts_total"] > found["tally_sink_batches_total"]
        assert found["tally_sink_rebalances_total"] >= 1
        assert found["tally_journal_ignored_records_total"] > 0, "the journal has rivals and strays"
        assert scrape.checked(promtool, scrape.text(first.log)) == ""
        with world.sink() as second:
            for sink in (first, second):
                sink.await_last_line(r"partitions now: \d$")
            mine = 0 if first.log.rstrip().endswith("0") else 1
            for sink, partition in ((first, mine), (second, 1 - mine)):
                shows(sink, partition, UNTIL, 0, 0, 0)
                shows(sink, 1 - partition, None, None, None, None)
            assert second.stop() == 0
        assert first.stop() == 0


def test_a_sink_shows_a_refused_partition_and_no_lag_of_it(world: World, seed: int) -> None:
    world.publish(seed, records=2)
    world.commit(0, 2, "")
    with world.sink() as sink:
        sink.await_line("journal partition 0 is refused")
        shows(sink, 0, None, None, None, 1)
        shows(sink, 1, UNTIL, 0, 0, 0)
        assert sink.stop() == 0
