"""Kafka's journal against the suite of the ports; what a broker does that memory does not; `tally journal`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from confluent_kafka import TopicPartition

from pipeline.core.record import Record, encode
from pipeline.journal.chain import FIRST, next_link
from pipeline.journal.ports import Place
from pipeline.journal.reader import KafkaReader
from pipeline.journal.writer import RECORD_OVERHEAD_BYTES, KafkaWriter
from pipeline.settings_tree import JOURNAL_MESSAGE_BYTES_MIN
from pipeline.topics import JOURNAL
from tests.contract.counting import RULES
from tests.contract.journal_ports import Journal, JournalPorts, Opened, read
from tests.contract.workers import ROOT, Deployment, stopped

MESSAGE_BYTES = JOURNAL_MESSAGE_BYTES_MIN


def deployed(kafka: str, folder: Path) -> Deployment:
    overrides = {"topics.partitions": 2, "topics.journal_message_bytes": MESSAGE_BYTES}
    one = Deployment(kafka, "journal.", folder, overrides)
    one.create_topics()
    return one


class TestKafka(JournalPorts):
    @pytest.fixture
    def opened(self, kafka: str, tmp_path: Path) -> Opened:
        deployment = deployed(kafka, tmp_path)
        client = {"bootstrap_servers": kafka}

        @asynccontextmanager
        async def opened() -> AsyncIterator[Journal]:
            writer = KafkaWriter(client, MESSAGE_BYTES)
            try:
                yield Journal(KafkaReader(client, MESSAGE_BYTES), writer, deployment.prefix + JOURNAL, b"")
            finally:
                await writer.stop()

        return opened

    def test_a_session_ends_however_soon_after_its_last_question(self, opened: Opened) -> None:
        async def story(journal: Journal) -> None:
            place = Place(journal.topic, 0)
            await journal.appends.append(place, b"x")

            async def asked(wait_s: float, end: int) -> None:
                async with journal.reads.session() as session:
                    assert [e.value for e in await read(session, place, 0, 1)] == [b"x"]
                    await asyncio.sleep(wait_s)
                    await anext(session.read(place, 0, end), [])

            for n in range(20):
                await asyncio.wait_for(asked(n * 0.003, n % 2), 10.0)

        self.run(opened, story)

    def test_the_largest_record_that_is_allowed_fits(self, opened: Opened) -> None:
        async def story(journal: Journal) -> None:
            place, largest = Place(journal.topic, 0), b"x" * (MESSAGE_BYTES - RECORD_OVERHEAD_BYTES)
            assert await journal.appends.append(place, largest) == 0
            async with journal.reads.session() as session:
                assert [len(e.value or b"") for e in await read(session, place, 0, 1)] == [len(largest)]
            with pytest.raises(MessageSizeTooLargeError):
                await journal.appends.append(place, b"x" * (MESSAGE_BYTES + 1))
            assert await journal.appends.append(place, b"the next one") == 1

        self.run(opened, story)


@pytest.fixture
def deployment(kafka: str, tmp_path: Path) -> Iterator[Deployment]:
    one = deployed(kafka, tmp_path)
    yield one
    one.end()


def tally(deployment: Deployment, *words: str) -> subprocess.CompletedProcess[str]:
    options = [f"--set=kafka.bootstrap_servers={deployment.address}", f"--set=topics.prefix={deployment.prefix}"]
    program = [sys.executable, "-m", "pipeline.cli.app", *options, f"--set=home={deployment.home}", *words]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def append(deployment: Deployment, partition: int, value: bytes) -> None:
    async def story() -> None:
        writer = KafkaWriter({"bootstrap_servers": deployment.address}, MESSAGE_BYTES)
        await writer.append(Place(deployment.prefix + JOURNAL, partition), value)
        await writer.stop()

    asyncio.run(story())


def test_tally_journal_shows_the_chain_and_finds_what_is_wrong_with_it(deployment: Deployment) -> None:
    deployment.produce(5)
    worker = deployment.start(TALLY_WORKER__NAME="one", TALLY_TOPICS__JOURNAL_MESSAGE_BYTES=str(MESSAGE_BYTES))
    deployment.wait_complete(30)
    assert stopped(worker)[0] == 0
    append(deployment, 0, encode(Record(RULES, 0, []), next_link(99, "rival")))
    sound = tally(deployment, "journal", "verify", "--format", "json")
    assert sound.returncode == 0, sound.stderr
    checks = json.loads(sound.stdout)
    assert [(check["events"], check["rivals"], check["faults"]) for check in checks] == [(55, 1, []), (55, 0, [])]

    shown = tally(deployment, "journal", "show", "--format", "json", "--limit", "2")
    rows = json.loads(shown.stdout)
    assert [(row["chain"], row["writer"]) for row in rows][-1] == ("rival", "rival")
    begun = tally(deployment, "journal", "show", "--from", "0", "--limit", "1", "--format", "json")
    (first,) = json.loads(begun.stdout)
    assert (first["chain"], first["writer"], first["prev"]) == ("valid", "one", "0" * 16)
    assert first["read"] == first["accepted"] > 0

    beyond = tally(deployment, "journal", "show", "--from", "100000")
    assert (beyond.returncode, beyond.stdout) == (2, "")
    assert "partition 0 holds the offsets 0 to " in beyond.stderr

    append(deployment, 1, b"\x02no record")
    wrong = tally(deployment, "journal", "verify")
    assert wrong.returncode == 3
    assert "partition 1: offset" in wrong.stderr
    assert "no journal record" in wrong.stderr


def test_a_journal_whose_beginning_was_deleted_is_checked_from_what_is_left(deployment: Deployment) -> None:
    last = FIRST
    for number in range(4):
        link = next_link(last, "one")
        append(deployment, 0, encode(Record(RULES, number, []), link))
        last = link.id
    append(deployment, 0, encode(Record(RULES, 0, []), next_link(99, "rival")))
    place = TopicPartition(deployment.prefix + JOURNAL, 0, 2)
    for future in deployment.admin.delete_records([place]).values():
        future.result(10)
    verified = tally(deployment, "journal", "verify", "--format", "json")
    assert verified.returncode == 3
    check = json.loads(verified.stdout)[0]
    assert check["faults"][0].startswith("the beginning is gone: the first record is at offset 2")
    assert [check[name] for name in ("records", "valid", "rivals", "unplaced")] == [3, 2, 1, 0]
    shown = json.loads(tally(deployment, "journal", "show", "--format", "json").stdout)
    assert [row["chain"] for row in shown] == ["unplaced", "valid", "rival"]


def test_tally_journal_says_what_is_not_there(deployment: Deployment) -> None:
    missing = tally(deployment, "journal", "show", "--partition", "2")
    assert (missing.returncode, missing.stderr) == (2, "tally: there is no partition 2; the journal has 0 to 1\n")
    empty = tally(deployment, "journal", "show", "--from", "100000")
    said = "tally: partition 0 holds no record; there is none from 100000 on\n"
    assert (empty.returncode, empty.stderr) == (2, said)
