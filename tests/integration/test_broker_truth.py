"""What the broker says is compared with what the journal read: topics made anew, partitions added, records gone.

A worker refuses the partition that it concerns, says what, why and what to do, and the others go on with right numbers.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic

from pipeline.core.record import decode
from pipeline.journal.ports import Place
from pipeline.journal.reader import KafkaReader
from pipeline.topic_plan import wanted
from pipeline.topics import ALL_TOPICS, JOURNAL, SOURCE_TOPICS
from tests.contract.workers import Deployment, stopped, wait_until

SMS, EMAIL = "events.sms", "events.email"
DONE_S = 30.0  # until what was produced is in the journal
LOOK = {"COUNTING_REFUSED": "1"}  # seconds between two looks at a refused partition
SNAPSHOTS = {"TALLY_WORKER__SNAPSHOT_EVENTS": "1000", "TALLY_WORKER__BATCH_EVENTS_MAX": "500"}  # the least there is
GONE_S = 10.0  # until a deleted topic is gone
NOTHING_SKIPPED = (
    "Nothing was skipped: what was decided stays counted, what was published meanwhile waits in the topics"
)
BEGIN_ANEW = "begin anew under another TALLY_TOPICS__PREFIX (`tally topics apply` makes its topics)"


@pytest.fixture
def deployment(kafka: str, tmp_path: Path) -> Iterator[Deployment]:
    one = Deployment(kafka, "truth.", tmp_path, {"topics.partitions": 3})
    one.create_topics()
    yield one
    one.end()


@pytest.fixture
def pair(kafka: str, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment of two partitions."""
    one = Deployment(kafka, "pair.", tmp_path, {"topics.partitions": 2})
    one.create_topics()
    yield one
    one.end()


def make_anew(deployment: Deployment, topic: str, *, after: str = "") -> None:
    """Delete a topic and make it as it was, at once or after a worker has told something."""
    names = [deployment.prefix + topic]
    for future in deployment.admin.delete_topics(names).values():
        future.result(10)
    wait_until(lambda: not set(names) & set(deployment.admin.list_topics(timeout=5).topics), GONE_S, lambda: "not gone")
    if after:
        deployment.wait_told(after)
    made = [NewTopic(t.name, t.partitions, 1, config=dict(t.configs)) for t in wanted(deployment.settings)]
    for future in deployment.admin.create_topics([one for one in made if one.topic in names]).values():
        future.result(10)


def add_partitions(deployment: Deployment, count: int, *topics: str) -> None:
    asked = [NewPartitions(deployment.prefix + topic, count) for topic in topics]
    for future in deployment.admin.create_partitions(asked).values():
        future.result(10)


def delete_before(deployment: Deployment, topic: str, partition: int, offset: int) -> None:
    place = TopicPartition(deployment.prefix + topic, partition, offset)
    for future in deployment.admin.delete_records([place]).values():
        future.result(10)


def write(deployment: Deployment, topic: str, partition: int, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": deployment.address, "log_level": 0})
    producer.produce(deployment.prefix + topic, value, partition=partition)
    assert producer.flush(10) == 0


def wait_read(deployment: Deployment, partition: int, events: int) -> None:
    """Return when the journal's partition has read so many events."""
    read = lambda: deployment.found().checks[partition].events  # noqa: E731
    wait_until(lambda: read() >= events, DONE_S, lambda: f"{read()} of {events} in:\n{deployment.told()[-4000:]}")


def assert_exact(deployment: Deployment, partitions: set[int], without: frozenset[str] = frozenset()) -> None:
    """What these partitions have decided is all that was produced, once and in order."""
    found = deployment.found().numbers
    for (topic, partition), n in deployment.produced.items():
        if partition in partitions and topic not in without and n:
            assert found.get((topic, partition)) == list(range(n)), (topic, partition)


def snapshotted(deployment: Deployment) -> subprocess.Popen[bytes]:
    """A worker that read all there is, and took a snapshot of both partitions; one is written at a time."""
    deployment.produce(100)
    worker = deployment.start(**SNAPSHOTS, **LOOK)
    deadline = time.monotonic() + DONE_S
    while not all(f"partition {n}: snapshot up to journal offset" in deployment.told() for n in (0, 1)):
        assert time.monotonic() < deadline, deployment.told()
        deployment.produce(10)
        time.sleep(0.5)
    deployment.wait_complete(DONE_S)
    return worker


def positions(deployment: Deployment, partition: int) -> dict[str, int]:
    """Up to where a journal partition has read, by its records alone: its chain has no beginning."""

    async def read() -> dict[str, int]:
        reader = KafkaReader(
            {"bootstrap_servers": deployment.address}, deployment.settings.topics.journal_message_bytes
        )
        place, found = Place(deployment.prefix + JOURNAL, partition), dict[str, int]()
        async with reader.session() as session:
            held = (await session.bounds([place]))[place]
            async for entries in session.read(place, held.first, held.next):
                for entry in entries:
                    found |= {source.topic: source.next for source in decode(entry.value or b"")[1].sources}
        return found

    return asyncio.run(read())


def everywhere(partitions: set[int], without: set[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Every source topic's partitions of these numbers, but for some."""
    return ((topic, n) for n in sorted(partitions) for topic in SOURCE_TOPICS if (topic, n) not in without)


@pytest.mark.parametrize("when", ["at start", "while running", "while running, some time after it was deleted"])
def test_a_topic_made_anew_is_refused_where_it_was_read_and_nowhere_else(deployment: Deployment, when: str) -> None:
    while_running, gone = when != "at start", ""
    if "some time" in when:
        gone = "partition 0 is not read: there is no topic events.sms: it was deleted, and without it nobody knows what"
    deployment.produce(10, everywhere({0, 1, 2}, {(SMS, 2)}))
    worker = deployment.start(**LOOK)
    deployment.wait_complete(DONE_S)
    if not while_running:
        assert stopped(worker)[0] == 0
    make_anew(deployment, SMS, after=gone)
    deployment.produced[SMS, 0] = deployment.produced[SMS, 1] = 0
    deployment.produce(20, iter([(SMS, 0)]))  # the old position is within
    deployment.produce(3, iter([(SMS, 1)]))  # and here beyond
    deployment.produce(5, everywhere({0, 1, 2}, {(SMS, 0), (SMS, 1)}))
    if not while_running:
        worker = deployment.start(**LOOK)
    for partition in (0, 1):
        deployment.wait_told(
            f"partition {partition} is not read: {SMS} was deleted and made anew: the journal has read the one of id "
        )
    wait_read(deployment, 2, 15 * 10 + 5)
    told = deployment.told()
    assert "up to offset 10, the broker has one of id " in told
    assert (
        "At the same offsets are other events now, so going on would skip or recount some. " + NOTHING_SKIPPED in told
    )
    assert f"To go on, {BEGIN_ANEW} and publish there again, or delete all topics and the journal" in told
    assert_exact(deployment, {2})
    found = deployment.found()
    assert [len(found.numbers[SMS, n]) for n in (0, 1)] == [10, 10], "nothing of the new topic was decided"
    time.sleep(3)
    assert deployment.told().count("partition 0 is not read") <= (3 if while_running else 1), "the log is flooded"
    assert worker.poll() is None


def test_partitions_added_by_a_multiple_are_refused_and_the_old_ones_go_on(pair: Deployment) -> None:
    pair.produce(10)
    workers = [pair.start(**LOOK), pair.start(**LOOK)]
    pair.wait_complete(DONE_S)
    add_partitions(pair, 4, SMS)
    pair.wait_told("partition 2 is not read: events.sms has 4 partitions; the journal began with 2. The number decides")
    pair.wait_told("assigned: ", times=pair.told().count("assigned: ") + 2)  # each knows of the new ones
    pair.produce(5)
    pair.produce(5, iter([(SMS, 2), (SMS, 3)]))
    for partition in (0, 1):
        wait_read(pair, partition, 15 * 11)
    assert [stopped(worker)[0] for worker in workers] == [0, 0]
    told = pair.told()
    assert (
        "partition 2 was added, and what comes to it has its history in partition 0: here it would count anew. "
        f"The partitions 0 to 1 go on. {NOTHING_SKIPPED}. Kafka takes no partition away, so to count that, {BEGIN_ANEW}"
    ) in told
    assert "partition 0 is not read" not in told

    add_partitions(pair, 4, *(topic for topic in ALL_TOPICS if topic != SMS))
    pair.produce(5)
    pair.produce(5, everywhere({2, 3}, {(SMS, 2), (SMS, 3)}))
    pair.start(**LOOK)
    for partition in (2, 3):
        pair.wait_told(f"partition {partition} is not read: every topic has 4 partitions; the journal began with 2.")
    assert "partition 3 was added, and what comes to it has its history in partition 1" in pair.told()
    for partition in (0, 1):
        wait_read(pair, partition, 20 * 11)
    assert_exact(pair, {0, 1})
    assert "partition 0 is not read" not in pair.told()


def test_a_number_of_partitions_that_is_no_multiple_stops_every_partition(pair: Deployment) -> None:
    pair.produce(10)
    worker = pair.start(**LOOK)
    found = pair.wait_complete(DONE_S)
    add_partitions(pair, 3, *ALL_TOPICS)
    why = "3 is no multiple of 2, so accounts of every partition went elsewhere, and this one would count them apart"
    for partition in (0, 1):
        pair.wait_told(f"partition {partition} is not read: every topic has 3 partitions; the journal began with 2.")
    pair.produce(5)
    assert stopped(worker)[0] == 0
    assert why in pair.told()
    assert f"from their history. {NOTHING_SKIPPED}. Kafka takes no partition away" in pair.told()
    pair.start(**LOOK)
    pair.wait_told("partition 2 is not read: every topic has 3 partitions; the journal began with 2.")
    pair.wait_told(why, times=5)
    assert pair.found().numbers == found.numbers, "nothing was decided"


def test_records_deleted_before_they_were_read_stop_a_running_worker_s_partition(pair: Deployment) -> None:
    pair.produce(10)
    worker = pair.start(**LOOK)
    pair.wait_complete(DONE_S)
    os.kill(worker.pid, signal.SIGSTOP)
    pair.produce(10)
    delete_before(pair, EMAIL, 0, 15)
    os.kill(worker.pid, signal.SIGCONT)
    pair.wait_told(
        "partition 0 is not read: events.email holds 15 to 19, but the journal goes on at offset 10: events were "
        "deleted before they were read, or it was recreated. Nothing was skipped. Restore the topics as they were"
    )
    wait_read(pair, 1, 20 * 11)
    assert_exact(pair, {1})
    assert pair.found().numbers[EMAIL, 0] == list(range(10))


def test_a_journal_without_its_beginning_is_refused_until_a_snapshot_covers_it(pair: Deployment) -> None:
    worker = snapshotted(pair)
    assert stopped(worker)[0] == 0
    state, aside = pair.home / "state", pair.home / "aside"
    shutil.move(state, aside)
    delete_before(pair, JOURNAL, 0, 1)
    pair.produce(5)
    pair.start(**LOOK)
    pair.wait_told(f"partition 0 is not read: {pair.prefix}journal begins at offset 1, and no snapshot covers what was")
    wait_read(pair, 1, pair.produced[EMAIL, 1] * 11)
    told = pair.told()
    assert "its beginning is gone, and a state without it would count copies again. Nothing was skipped: the" in told
    assert "Restore the topic or a snapshot; `tally topics plan` shows a retention that is not -1" in told
    before = told.count("partition 0 is ready")
    shutil.copytree(aside, state, dirs_exist_ok=True)
    pair.wait_told("partition 0 is ready", times=before + 1)  # by itself, at the next look
    wait_until(lambda: positions(pair, 0) == dict.fromkeys(SOURCE_TOPICS, pair.produced[EMAIL, 0]), DONE_S, pair.told)
    assert_exact(pair, {1})


def test_a_running_worker_whose_journal_was_deleted_under_it_refuses_that_partition(pair: Deployment) -> None:
    pair.produce(10)
    worker = pair.start(**LOOK)
    pair.wait_complete(DONE_S)
    delete_before(pair, JOURNAL, 0, -1)  # all that there is
    write(pair, JOURNAL, 0, b"a rival's record")  # the worker's next one meets it, and it folds
    pair.produce(5)
    pair.wait_told(f"partition 0 is not read: {pair.prefix}journal begins at offset ")
    wait_read(pair, 1, 15 * 11)
    assert worker.poll() is None
    assert_exact(pair, {1})


def test_a_journal_made_anew_over_topics_whose_beginning_is_gone_is_refused(pair: Deployment) -> None:
    worker = snapshotted(pair)
    delete_before(pair, EMAIL, 0, 50)
    make_anew(pair, JOURNAL)
    pair.wait_told("partition 0 is not read: the journal's partition 0 is empty, but ")
    assert stopped(worker)[0] == 0
    pair.produce(5)
    pair.start(**LOOK)
    pair.wait_told("partition 0 is not read: the journal's partition 0 is empty, but the snapshot ")
    wait_read(pair, 1, pair.produced[EMAIL, 1] * 11)
    told = pair.told()
    assert (
        "it was made anew or lost its records. events.email begins at offset 50: what was before could not be" in told
    )
    assert "Nothing was skipped. Restore the journal; or, to give up what it said, begin anew under another" in told
    assert_exact(pair, {1})
    assert pair.found().checks[0].records == 0
