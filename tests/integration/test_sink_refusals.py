"""What a sink does not go on with, and how it says so."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.clickhouse import standing
from connectors.clickhouse.ranges import Position, metadata
from connectors.local.ports import any_free
from pipeline.settings import load
from tests.integration.sink_journal import Partition
from tests.integration.sink_values import chained
from tests.integration.sink_world import Running, World, await_that
from tests.torture.rewind import Place, history

SAID_SECONDS_MAX = 10.0  # an absent neighbour is said within


@pytest.fixture
def world(kafka: str, clickhouse: str, tmp_path: Path) -> Iterator[World]:
    found = World(kafka, clickhouse, tmp_path, partitions=2)
    yield found
    found.drop()


@pytest.fixture
def ready(world: World) -> World:
    """With a journal and tables."""
    world.make_topic()
    world.migrate()
    return world


def sunk(world: World, seed: int) -> list[Partition]:
    made = world.publish(seed, records=4)
    with world.sink() as sink:  # without a name: it leaves the group when it stops
        world.await_all()
        assert sink.stop() == 0
    return made


def told(world: World, **settings: str) -> dict[int, str]:
    """What a look from outside says that a sink refuses."""
    return standing.refused(load({}, world.settings | settings, world.folder), world.service)


def ended(sink: Running) -> int:
    return sink.process.wait(60)


def test_a_journal_that_was_replaced_is_refused_and_left_alone(ready: World, seed: int) -> None:
    made = sunk(ready, seed)
    ready.delete_topic()
    await_that(lambda: made_again(ready), lambda: "the topic to be made again")
    ready.publish(seed + 100, records=40)
    with ready.sink() as sink:
        sink.await_line("journal partition 0 is refused")
        sink.await_line("journal partition 1 is refused")
        assert [told(ready)[partition] in sink.log for partition in (0, 1)] == [True, True]
        assert "they are another journal's" in sink.log  # Kafka forgets a topic's offsets with the topic
        assert sink.stop() == 0
    ready.assert_exact(made)


def test_a_journal_with_another_record_where_the_last_one_was_is_refused(ready: World, seed: int) -> None:
    made = sunk(ready, seed)
    done = history(ready.kafka, Place(ready.name, ready.topic, 0))[-1]
    ready.commit(0, done.offset, metadata(done._replace(id=12345)))
    with ready.sink() as sink:
        sink.await_line(f"journal partition 0 is refused: offset {done.at} holds another record")
        assert "Run `tally rebuild clickhouse`" in sink.log
        assert f"journal partition 0 is refused: {told(ready)[0]}" in sink.log
        assert sink.stop() == 0
    assert told(ready).keys() == {0}
    ready.assert_exact(made)


def test_a_journal_that_lost_its_end_is_refused(ready: World, seed: int) -> None:
    made = sunk(ready, seed)
    end = ready.ends[0]
    ready.commit(0, end + 5, metadata(Position(end + 5, 12345, end + 4)))
    with ready.sink() as sink:
        sink.await_line(
            f"journal partition 0 is refused: the journal ends at offset {end}, but records up to {end + 5}"
        )
        assert sink.stop() == 0
    ready.assert_exact(made)


def made_again(world: World) -> bool:
    from confluent_kafka import KafkaException

    try:
        world.make_topic()
    except KafkaException:  # the old one is still being deleted
        return False
    return True


def test_a_partition_with_a_stranger_s_offset_is_refused_and_the_other_goes_on(ready: World, seed: int) -> None:
    made = ready.publish(seed, records=4)
    ready.commit(0, 2, "")
    with ready.sink() as sink:
        sink.await_line("journal partition 0 is refused: the group's offset 2 was not committed by a sink")
        await_that(lambda: ready.committed().get(1) == ready.ends[1], lambda: "the other partition")
        assert f"journal partition 0 is refused: {told(ready)[0]}" in sink.log
        assert sink.stop() == 0
    assert told(ready).keys() == {0}
    ready.assert_exact(made[1:])


def test_tables_that_are_new_while_the_group_is_not_are_refused(ready: World, seed: int) -> None:
    sunk(ready, seed)
    ready.service.command(f"DROP DATABASE {ready.name}")
    ready.migrate()
    with ready.sink() as sink:
        sink.await_line("only: the tables are new")
        assert sink.stop() == 0


def test_a_group_that_is_new_while_the_tables_are_not_is_refused(ready: World, seed: int) -> None:
    made = sunk(ready, seed)
    with ready.sink(TALLY_SINK__GROUP_ID=f"{ready.name}-new") as sink:
        sink.await_line("the group has no offset")
        assert sink.stop() == 0
    ready.assert_exact(made)


def test_a_new_group_fills_new_tables_from_the_beginning(ready: World, seed: int) -> None:
    made = sunk(ready, seed)
    ready.service.command(f"DROP DATABASE {ready.name}")
    ready.migrate()
    with ready.sink(TALLY_SINK__GROUP_ID=f"{ready.name}-new") as sink:
        await_that(lambda: rows(ready) == sum(len(p.events) for p in made), lambda: "all events to be there")
        assert sink.stop() == 0
    ready.assert_exact(made)


def rows(world: World) -> int:
    return int(world.service.query(f"SELECT sum(hits) FROM {world.name}.events").rows[0][0])


def test_a_record_of_sixteen_mebibytes_is_taken(ready: World, seed: int) -> None:
    chance = random.Random(seed)
    partition = Partition(0, chance)
    (record,) = partition.records(1, 10)
    raw = chance.randbytes(64 * 1024)
    record.rejects.extend(
        record.rejects[0:0] + [_large(raw, offset) for offset in range(250)]  # 250 x 64 KiB: 15.6 MiB
    )
    ready.append(0, chained([record], random.Random(1))[:1])
    with ready.sink() as sink:
        await_that(lambda: ready.committed().get(0) == 1, lambda: "the record to be inserted")
        assert sink.stop() == 0
    letters = ready.service.query(f"SELECT count() FROM {ready.name}.dead_letters WHERE length(raw) = {len(raw)}").rows
    assert letters == [(250,)]


def _large(raw: bytes, offset: int) -> object:
    from pipeline.core.record import Rejected

    return Rejected("events.crm", offset, 1_769_299_200_000_000, "acc", "oversized", "too large", raw, len(raw))


def test_a_journal_that_is_missing_ends_the_sink_with_what_to_do(world: World) -> None:
    world.migrate()
    with world.sink() as sink:
        assert ended(sink) == 1
        assert f"has no topic {world.topic}: run `tally topics apply`" in sink.log
        assert "Traceback" not in sink.log


def test_tables_that_are_missing_end_the_sink_with_what_to_do(world: World) -> None:
    world.make_topic()
    with world.sink() as sink:
        assert ended(sink) == 1
        assert "lacks 0001_tables.sql" in sink.log
        assert "run `tally migrate`" in sink.log


@pytest.mark.parametrize("absent", ["TALLY_CLICKHOUSE__URL", "TALLY_KAFKA__BOOTSTRAP_SERVERS"])
def test_an_absent_neighbour_is_said_within_seconds_and_a_stop_is_still_clean(ready: World, absent: str) -> None:
    (port,) = any_free(1)
    address = f"127.0.0.1:{port}"
    begun = time.monotonic()
    with ready.sink(**{absent: f"http://{address}" if "URL" in absent else address}) as sink:
        sink.await_line(address)
        sink.await_line("Trying again")
        assert time.monotonic() - begun < SAID_SECONDS_MAX
        assert sink.stop() == 0
        assert sink.log.count("Trying again") == 1


def test_a_taken_metrics_port_is_said(ready: World, kafka: str) -> None:
    taken = kafka.rsplit(":", 1)[1]
    with ready.sink(TALLY_SINK__METRICS_PORT=taken) as sink:
        assert ended(sink) == 1
        assert f"no metrics on 127.0.0.1:{taken}" in sink.log
        assert "TALLY_SINK__METRICS_PORT" in sink.log
