"""`tally collect --from-topic`: killed and frozen at random under load, every hook of the topic is counted once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.collect.endpoint import Endpoint
from connectors.collect.rows import Translator
from connectors.collect.source import Meaning, Origin, Takeover
from connectors.collect.vendors import VENDORS
from connectors.producer.settings import schema_ids
from pipeline.core import vocabulary
from pipeline.metrics import REGISTRY
from pipeline.settings import Settings, load
from pipeline.topic_bounds import held
from pipeline.topics import ALL_TOPICS, NOTIFY_TOPICS
from tests.e2e.deployment import Deployment, deployed
from tests.integration.intake_world import (
    DRAIN_SECONDS,
    Account,
    ago,
    await_that,
    hook,
    killed,
    new_endpoint,
    started,
    tally,
)

PARTITIONS = 3
PROCESSES = 2
RECORDS = 1_300  # of a round; two and a half hooks each
PRODUCE_SECONDS = 3.0
ROUNDS = ("kill", "freeze", "kill")
MORE_MAX = 800  # hooks sent between the first of a round and its kill: less than a process has in its hands at once
FROZEN_SECONDS = 12.0  # beyond the group's session of 10 s: others have its partitions when it wakes up
AWAKE_SECONDS = 3.0


class Topic:
    """A vendor's topic: hooks, one or several a record, and records that are none."""

    def __init__(self, kafka: str, name: str) -> None:
        self.kafka, self.name = kafka, name
        self.hooks = 0
        self.broken: list[bytes] = []
        admin = AdminClient({"bootstrap.servers": kafka})
        admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(30)

    def produce(self, records: int, seconds: float, dice: random.Random) -> None:
        """So many records, evenly over so long."""
        producer = Producer({"bootstrap.servers": self.kafka})
        at, began = ago(hours=3), time.monotonic()
        for number in range(records):
            if dice.random() < 0.01:
                value = b'[{"event_type": "open", broken %d' % number
                self.broken.append(value)
            else:
                several = [hook(self.hooks + one, at) for one in range(dice.choice([1, 1, 1, 7]))]
                self.hooks += len(several)
                value = json.dumps(several if len(several) > 1 or dice.random() < 0.5 else several[0]).encode()
            producer.produce(self.name, value, b"key", partition=dice.randrange(PARTITIONS))
            while time.monotonic() - began < seconds * number / records:
                producer.poll(0.01)
        assert producer.flush(30) == 0

    def delete_all(self) -> int:
        """Its retention ends; returns how many records the group `name` had not read."""
        left, admin = self.left(self.name), AdminClient({"bootstrap.servers": self.kafka})
        places = [TopicPartition(self.name, partition, OFFSET_END) for partition in range(PARTITIONS)]
        for future in admin.delete_records(places).values():
            future.result(30)
        return left

    def left(self, group: str) -> int:
        """Records that the group has not committed."""
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": group})
        try:
            places = [TopicPartition(self.name, partition) for partition in range(PARTITIONS)]
            ends = [consumer.get_watermark_offsets(place, timeout=10)[1] for place in places]
            return sum(ends) - sum(max(0, place.offset) for place in consumer.committed(places, timeout=10))
        finally:
            consumer.close()


class Takeovers:
    """Processes of one group."""

    def __init__(self, topic: Topic, endpoint: str, folder: Path) -> None:
        self.endpoint = endpoint
        self.group = f"tally-collect.{self.endpoint}"
        self._topic, self._log = topic, folder / "takeovers.log"
        self._log.touch()
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """One more."""
        options = ("--from-topic", self._topic.name, "--endpoint", self.endpoint)
        self.running.append(started(self._log, "collect", *options))

    def kill(self) -> None:
        """kill -9, all of them, and others in their place."""
        self.end()
        self.running.clear()
        for _ in range(PROCESSES):
            self.start()

    def freeze(self, dice: random.Random) -> None:
        """One sleeps until others have what it had, and wakes up with it in its hands."""
        process = dice.choice(self.running)
        process.send_signal(signal.SIGSTOP)
        time.sleep(FROZEN_SECONDS)
        process.send_signal(signal.SIGCONT)
        time.sleep(AWAKE_SECONDS)

    def told(self) -> str:
        """What they have said."""
        return self._log.read_text(encoding="utf-8")

    def end(self) -> None:
        """kill -9, all of them."""
        for process in self.running:
            killed(process)


@pytest.fixture
def deployment(kafka: str, clickhouse: str, tmp_path: Path) -> Iterator[Deployment]:
    with deployed(kafka, clickhouse, tmp_path) as one:
        yield one


@contextmanager
def takeovers(topic: Topic, endpoint: str, folder: Path) -> Iterator[Takeovers]:
    """None yet; ended with the block however it ends."""
    one = Takeovers(topic, endpoint, folder)
    try:
        yield one
    finally:
        one.end()


def test_every_hook_is_counted_once_whatever_happens_to_those_who_take_them_over(
    kafka: str, deployment: Deployment, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    topic = Topic(kafka, f"{deployment.settings.topics.prefix}altcraft.hooks")
    account = Account(deployment)
    with takeovers(topic, account.endpoint("altcraft"), tmp_path) as some, ThreadPoolExecutor(1) as thread:
        some.kill()
        for fault in ROUNDS:
            producing = thread.submit(topic.produce, RECORDS, PRODUCE_SECONDS, random.Random(dice.random()))
            enough = sum(held(deployment.settings).values()) + dice.randrange(1, MORE_MAX)
            await_that(lambda enough=enough: sum(held(deployment.settings).values()) >= enough, 60, some.told)
            some.kill() if fault == "kill" else some.freeze(dice)
            producing.result()
        await_that(lambda: topic.left(some.group) == 0, DRAIN_SECONDS, some.told)
        assert_counted(account, topic)
        for process in some.running:
            process.terminate()
        assert [process.wait(30) for process in some.running] == [0] * PROCESSES, some.told()


def assert_counted(account: Account, topic: Topic) -> None:
    """Each hook once; each broken record in the dead letters with its bytes; all else a duplicate."""
    await_that(lambda: account.fates()["accepted"] >= topic.hooks, DRAIN_SECONDS, lambda: str(account.fates()))
    tally("wait", "--timeout", "60")
    found = account.fates()
    assert found["accepted"] == topic.hooks
    assert found["rejected"] >= len(topic.broken)
    assert found["read"] == sum(found[fate] for fate in ("accepted", "duplicates", "rejected"))
    assert account.engagement() == [("130", "email", topic.hooks, topic.hooks)]
    assert account.dead_letters() == dict.fromkeys(topic.broken, "undecodable")


@pytest.fixture
def bare(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The topics alone."""
    monkeypatch.setenv("TALLY_KAFKA__BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("TALLY_HOME", str(tmp_path))
    monkeypatch.setenv("TALLY_TOPICS__PREFIX", f"{tmp_path.name}.")
    assert tally("topics", "apply").returncode == 0
    return load()


@contextmanager
def taken_over(settings: Settings, topic: Topic) -> Iterator[threading.Event]:
    """A takeover in this process; it ends with the block, by the event."""
    endpoint, stop = Endpoint("e1", "altcraft", "acme", "altcraft"), threading.Event()
    meaning = Meaning(Translator(vocabulary.load(), schema_ids(settings)), endpoint, VENDORS["altcraft"])
    one = Takeover(settings, Origin(settings, topic.name, topic.name), meaning)
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(one.run, stop)
        try:
            yield stop
        finally:
            stop.set()
            running.result(30)


def test_a_stop_leaves_the_group_and_the_next_one_goes_on_behind_it(kafka: str, bare: Settings, seed: int) -> None:
    topic = Topic(kafka, f"{bare.topics.prefix}hooks")
    for round_ in (1, 2):
        topic.produce(100, 0, random.Random(seed))
        with taken_over(bare, topic):
            await_that(lambda: topic.left(topic.name) == 0, 30, lambda: f"{topic.left(topic.name)} to be taken")
        sent = sum(held(bare).values())
        assert sent == topic.hooks + len(topic.broken), f"round {round_}"


def test_records_that_were_deleted_before_they_were_read_are_told_and_counted(
    kafka: str, bare: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    topic = Topic(kafka, f"{bare.topics.prefix}hooks")
    topic.produce(60, 0, random.Random(1))
    with taken_over(bare, topic):
        await_that(lambda: topic.left(topic.name) == 0, 30, lambda: f"{topic.left(topic.name)} to be taken")
    before = REGISTRY.get_sample_value("tally_collect_topic_lost_records_total")
    topic.produce(60, 0, random.Random(2))
    lost = topic.delete_all()
    assert lost > 0
    with taken_over(bare, topic), caplog.at_level("ERROR"):
        await_that(lambda: "were deleted there" in caplog.text, 30, lambda: caplog.text)
        topic.produce(10, 0, random.Random(3))
        await_that(lambda: topic.left(topic.name) == 0, 30, lambda: f"{topic.left(topic.name)} to be taken")
    assert REGISTRY.get_sample_value("tally_collect_topic_lost_records_total") - before == lost


def test_a_topic_that_is_not_there_and_an_endpoint_that_is_not_are_told(bare: Settings) -> None:
    missing = tally("collect", "--from-topic", "nowhere", "--endpoint", new_endpoint("altcraft", "acme"))
    assert missing.returncode == 1
    assert "nowhere" in missing.stderr
    for options in (["--from-topic", "x"], ["--from-topic", "x", "--endpoint", "y"], ["--endpoint", "y"]):
        wrong = tally("collect", *options)
        assert wrong.returncode == 2, wrong.stderr
        assert "--endpoint" in wrong.stderr or "endpoints list" in wrong.stderr
        assert "metrics on" not in wrong.stderr


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of another cluster: the one that Kafka's client has inside."""
    cluster = Producer({"test.mock.num.brokers": 1})
    (broker,) = cluster.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    cluster.flush(0)  # it ends with its client


def test_no_topic_of_tallys_own_is_taken_over_however_its_cluster_is_called(kafka: str, bare: Settings) -> None:
    endpoint, group = new_endpoint("own", "acme", "--source", "crm"), f"{bare.topics.prefix}own"
    names = [f"{bare.topics.prefix}{topic}" for topic in (*ALL_TOPICS, *NOTIFY_TOPICS)]
    account = names[names.index(f"{bare.topics.prefix}events.account")]
    _put(kafka, account, b"a record of another account")
    addresses = (kafka, kafka.replace("127.0.0.1", "localhost"))
    cases = [(name, []) for name in names] + [(account, ["--from-bootstrap-servers", one]) for one in addresses]
    before = held(bare)
    for name, servers in cases:
        options = ("--from-topic", name, "--endpoint", endpoint, "--from-group", group, "--metrics-port", "0")
        wrong = tally("collect", *options, *servers)
        said = " ".join(wrong.stderr.split())
        assert wrong.returncode == 2, said
        assert f"--from-topic {name} is a topic of tally's own" in said
        assert "name the vendor's own topic" in said
        assert "taking records of" not in said
        assert servers or "metrics on" not in said
    assert held(bare) == before
    groups = AdminClient({"bootstrap.servers": kafka}).list_consumer_groups().result(30).valid
    assert group not in {one.group_id for one in groups}


def test_a_topic_of_such_a_name_in_another_cluster_is_taken_over(
    bare: Settings, elsewhere: str, tmp_path: Path
) -> None:
    endpoint, log = new_endpoint("altcraft", "acme"), tmp_path / "collect.log"
    name, before = f"{bare.topics.prefix}events.account", sum(held(bare).values())
    _put(elsewhere, name, json.dumps([hook(number, ago(hours=1)) for number in range(3)]).encode())
    options = ("--from-topic", name, "--endpoint", endpoint, "--from-bootstrap-servers", elsewhere)
    process = started(log, "collect", *options, "--metrics-port", "0")
    try:
        await_that(lambda: sum(held(bare).values()) == before + 3, 30, log.read_text)
    finally:
        killed(process)


def _put(kafka: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, value, b"key", partition=0)
    assert producer.flush(30) == 0
