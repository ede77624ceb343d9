"""The sink's promise where it is made: kill it, stop it, wake it, take ClickHouse away; nothing twice, nothing lost."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from connectors.local import kafka as kafka_ladder
from connectors.local.keeper import Keeper
from connectors.local.ports import any_free
from connectors.local.processes import end
from connectors.local.progress import silent
from connectors.local.service import Wish
from tests.integration.sink_world import World, await_that, ready
from tests.torture.disk import SmallDisk, available
from tests.torture.engine import Engine

SESSION_SECONDS = 10.0  # after which Kafka gives a silent sink's partitions away
KILLS = 5
ENGINE_BYTES = 256 * 1024 * 1024


world = pytest.fixture(ready)


def test_a_sink_killed_again_and_again_leaves_every_row_once(world: World, seed: int) -> None:
    made = world.publish(seed, records=150)
    chance = random.Random(seed)
    for _ in range(KILLS):
        # Other limits every time: only the intent makes the range that was begun the same one again.
        with world.sink(TALLY_SINK__NAME="one", TALLY_SINK__ROWS=str(chance.randint(20, 150))) as sink:
            sink.await_line("partitions now: 0")
            time.sleep(chance.uniform(0.1, 0.8))
            sink.kill()
    assert world.committed() != world.ends, "it was done before it was killed: too few records"
    with world.sink(TALLY_SINK__NAME="one") as sink:
        world.await_all()
        assert sink.stop() == 0
    world.assert_exact(made)


def test_several_sinks_share_the_partitions_and_one_that_stops_hands_its_own_over(world: World, seed: int) -> None:
    with world.sink() as first, world.sink() as second:
        for sink in (first, second):
            sink.await_last_line(r"partitions now: \d$")
        made = world.publish(seed, records=30)
        await_that(lambda: len(world.committed()) == world.partitions, lambda: "both to have begun")
        assert first.stop() == 0
        second.await_line("partitions now: 0, 1")
        world.await_all()
        assert second.stop() == 0
    world.assert_exact(made)


def test_a_sink_that_slept_while_its_partitions_were_given_away_counts_nothing_twice(world: World, seed: int) -> None:
    made = world.publish(seed, records=60)
    with world.sink() as sleeper:
        await_that(lambda: bool(world.committed()), lambda: "the first range")
        sleeper.process.send_signal(signal.SIGSTOP)
        with world.sink() as heir:
            world.await_all()
            sleeper.process.send_signal(signal.SIGCONT)
            sleeper.await_line("partitions now: none")
            time.sleep(1.0)
            assert heir.stop() == 0
        assert sleeper.stop() == 0
    world.assert_exact(made)


@contextmanager
def own_engine(kafka: str, folder: Path, data: Path) -> Iterator[tuple[World, Engine]]:
    """A world over an engine that may be ended; its data lies in `data`."""
    keeper = Keeper()
    engine = Engine(data, keeper)
    engine.start()
    world = World(kafka, engine.address, folder)
    try:
        world.make_topic()
        world.migrate()
        yield world, engine
    finally:
        world.drop()
        engine.stop()
        keeper.close()


def test_a_clickhouse_that_is_killed_and_comes_back_has_every_row_once(kafka: str, tmp_path: Path, seed: int) -> None:
    with own_engine(kafka, tmp_path, tmp_path / "engine") as (world, engine):
        made = world.publish(seed, records=60)
        with world.sink(TALLY_SINK__NAME="one") as sink:
            await_that(lambda: bool(world.committed()), lambda: "the first range")
            time.sleep(random.Random(seed).uniform(0.0, 0.5))
            engine.kill()
            sink.await_line("Trying again")
            engine.start()
            world.await_all()
            assert "ClickHouse answers again" in sink.log
            assert sink.stop() == 0
        world.assert_exact(made)


def test_a_rebalance_while_clickhouse_is_away_leaves_no_partition_behind(kafka: str, tmp_path: Path, seed: int) -> None:
    with own_engine(kafka, tmp_path, tmp_path / "engine") as (world, engine):
        made = world.publish(seed, records=60)
        with world.sink(TALLY_SINK__NAME="one") as one:
            await_that(lambda: bool(world.committed()), lambda: "the first range")
            engine.kill()
            one.await_line("Trying again")
            world.rebalance()
            await_that(
                lambda: one.log.count("partitions now: 0, 1\n") > 1,
                lambda: f"all back; {world.members()}; it said:\n{one.log}",
            )
            engine.start()
            world.await_all()
            assert one.stop() == 0
        world.assert_exact(made)


def test_a_clickhouse_whose_disk_is_full_is_waited_for(kafka: str, tmp_path: Path, seed: int) -> None:
    if why := available():
        pytest.xfail(why)
    with (
        closing(SmallDisk(tmp_path / "engine", ENGINE_BYTES)) as disk,
        own_engine(kafka, tmp_path, disk.path) as (world, _),
    ):
        with world.sink(TALLY_SINK__NAME="one") as sink:
            sink.await_line("partitions now: 0, 1")
            disk.fill()
            made = world.publish(seed, records=60)
            sink.await_line("Trying again")
            assert "pace" in sink.log, f"it says that there is no space:\n{sink.log}"
            disk.free()
            world.await_all()
            assert sink.stop() == 0
        world.assert_exact(made)


def test_a_kafka_that_is_killed_and_comes_back_is_waited_for(clickhouse: str, tmp_path: Path, seed: int) -> None:
    (port,) = any_free(1)
    wish = Wish(port=port, use_docker=False)
    broker = kafka_ladder.from_jars(tmp_path / "broker", wish, silent)
    world = World(broker.address, clickhouse, tmp_path)
    try:
        world.make_topic()
        world.migrate()
        made = world.publish(seed, records=100)
        with world.sink(TALLY_SINK__NAME="one", TALLY_SINK__ROWS="40") as sink:
            await_that(lambda: bool(world.committed()), lambda: "the first range")
            assert broker.marked is not None
            end(broker.marked, 0.0)
            assert world.committed() != world.ends
            sink.await_line("Trying again")
            broker = kafka_ladder.from_jars(tmp_path / "broker", wish, silent)
            world.await_all()
            assert sink.stop() == 0
        world.assert_exact(made)
    finally:
        world.drop()
        if broker.marked is not None:
            end(broker.marked, 15.0)
