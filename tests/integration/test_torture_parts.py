"""The parts that torture is made of: a broker, a clock, a proxy, a group set back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.clickhouse import ranges
from connectors.clickhouse.ranges import Position
from connectors.local.keeper import Keeper
from tests.torture.broker import Broker
from tests.torture.clock import FOLLOW_SECONDS, Clock, library
from tests.torture.proxy import Proxy, Way
from tests.torture.rewind import Place, StillTaken, history, rewind
from tests.torture.segments import Cut

HOUR = 3600.0
NEAR_SECONDS = 5.0  # two looks at a clock on a busy machine
SILENT_SECONDS = 1.0  # long enough to see that nobody answers
QUIET = {"log_level": 0}


@pytest.fixture(scope="module")
def keeper() -> Iterator[Keeper]:
    found = Keeper()
    yield found
    found.close()


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock") / "offset")


@pytest.fixture(scope="module")
def broker(keeper: Keeper, clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    found = Broker(tmp_path_factory.mktemp("broker"), keeper, clock)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def proxy(broker: Broker) -> Iterator[Proxy]:
    found = Proxy(broker.proxy_port, broker.behind_proxy)
    found.start()
    yield found
    found.close()


def make_topic(broker: Broker, name: str) -> None:
    new = NewTopic(name, 1, 1, config={"message.timestamp.type": "LogAppendTime"})
    admin = AdminClient({"bootstrap.servers": broker.address, **QUIET})
    admin.create_topics([new])[name].result(30)


def append(address: str, topic: str, count: int) -> list[float]:
    """Records, each a batch of its own; returns the broker's time of each, in seconds."""
    producer = Producer({"bootstrap.servers": address, "linger.ms": 0, "message.timeout.ms": 30_000, **QUIET})
    times: list[float] = []
    for _ in range(count):
        producer.produce(topic, b"x", on_delivery=lambda _error, message: times.append(message.timestamp()[1] / 1000))
        assert producer.flush(30) == 0
    return times


def bounds(broker: Broker, topic: str) -> tuple[int, int]:
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "none", **QUIET})
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
    consumer.close()
    return low, high


def answers(address: str, seconds: float) -> bool:
    try:
        AdminClient({"bootstrap.servers": address, **QUIET}).list_topics(timeout=seconds)
    except KafkaException:
        return False
    return True


def test_a_broker_that_is_killed_comes_back_at_its_address_without_the_tail_that_was_cut(broker: Broker) -> None:
    make_topic(broker, "tail")
    append(broker.address, "tail", 6)
    addresses = broker.address, broker.proxied
    broker.kill()
    assert not broker.runs
    assert broker.cut_tail("tail", 0, 2) == Cut(2, first=4, end=6)
    broker.start()
    assert (broker.address, broker.proxied) == addresses
    assert bounds(broker, "tail") == (0, 4)
    append(broker.address, "tail", 1)
    assert bounds(broker, "tail") == (0, 5)


def test_a_paused_broker_is_silent_until_it_is_resumed(broker: Broker) -> None:
    broker.pause()
    assert broker.runs
    assert not answers(broker.address, SILENT_SECONDS)
    broker.resume()
    assert answers(broker.address, 30)


def test_a_broker_s_clock_jumps_both_ways_while_it_runs(broker: Broker, clock: Clock) -> None:
    make_topic(broker, "clock")
    for seconds in (HOUR, -3 * HOUR):
        clock.jump(seconds)
        time.sleep(FOLLOW_SECONDS)
        (at,) = append(broker.address, "clock", 1)
        assert abs(at - time.time() - clock.seconds) < NEAR_SECONDS
    assert clock.seconds == -2 * HOUR
    clock.true()
    time.sleep(FOLLOW_SECONDS)
    (at,) = append(broker.address, "clock", 1)
    assert abs(at - time.time()) < NEAR_SECONDS


def test_a_process_that_follows_a_clock_keeps_its_monotonic_time(clock: Clock) -> None:
    clock.jump(HOUR)
    program = "import time; a = time.monotonic(); time.sleep(0.2); print(time.time(), time.monotonic() - a, a)"
    environment = {**os.environ, **clock.environment}
    told = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    wall, passed, monotonic = map(float, told.stdout.split())
    clock.true()
    assert abs(wall - time.time() - HOUR) < NEAR_SECONDS
    assert 0.2 <= passed < NEAR_SECONDS
    assert abs(monotonic - time.monotonic()) < NEAR_SECONDS
    assert library().is_file()


def test_clients_that_come_through_the_proxy_stay_there(broker: Broker, proxy: Proxy) -> None:
    found = AdminClient({"bootstrap.servers": broker.proxied, **QUIET}).list_topics(timeout=30)
    assert [one.port for one in found.brokers.values()] == [broker.proxy_port]
    make_topic(broker, "proxied")
    append(broker.proxied, "proxied", 2)
    for way in (Way.TO_SERVER, Way.BOTH):
        proxy.drop(way)
        assert not answers(broker.proxied, SILENT_SECONDS)
        assert answers(broker.address, 30)
        proxy.heal()
    append(broker.proxied, "proxied", 1)
    assert bounds(broker, "proxied") == (0, 3)
    assert proxy.counts.swallowed_bytes > 0


def test_what_a_group_has_committed_is_read_back_and_set_back(broker: Broker) -> None:
    make_topic(broker, "journal")
    append(broker.address, "journal", 9)
    place = Place("sinks", "journal", 0)
    positions = [Position(0, 0, -1, 4), Position(4, 7, 3), Position(4, 7, 3, 9), Position(9, 1 << 63, 8)]
    for position in positions:
        rewind(broker.address, place, position)
        rewind(broker.address, Place("others", "journal", 0), Position(1, 1, 0))
    assert history(broker.address, place) == positions
    rewind(broker.address, place, positions[1])
    member = Consumer({"bootstrap.servers": broker.address, "group.id": "sinks", "enable.auto.commit": False, **QUIET})
    member.subscribe(["journal"])
    deadline = time.monotonic() + 30
    while not member.assignment() and time.monotonic() < deadline:
        member.poll(0.1)
    (found,) = member.committed([TopicPartition("journal", 0)], timeout=30)
    assert ranges.position(found.offset, found.metadata) == positions[1]
    with pytest.raises(StillTaken, match="sinks"):
        rewind(broker.address, place, positions[0])
    member.close()
