"""Events on a real Kafka: framed, keyed, in the partition that Java's clients would choose; and waited for."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from typer.testing import CliRunner

from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.cli import app, console
from pipeline.settings import load
from pipeline.topic_bounds import held
from pipeline.topics import SOURCE_TOPICS

RUNNER = CliRunner()
PARTITIONS = 3
READ_SECONDS = 20


@pytest.fixture
def prefix(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Topics of the test's own, and the environment that points there."""
    monkeypatch.setenv("TALLY_KAFKA__BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("TALLY_HOME", str(tmp_path))
    monkeypatch.setenv("TALLY_TOPICS__PREFIX", f"{tmp_path.name}.")
    monkeypatch.setenv("TALLY_TOPICS__PARTITIONS", str(PARTITIONS))
    assert RUNNER.invoke(app.app, ["topics", "apply"]).exit_code == console.Exit.OK
    return f"{tmp_path.name}."


def tally(*arguments: str, stdin: str = "") -> Any:
    return RUNNER.invoke(app.app, list(arguments), input=stdin)


def records(address: str, prefix: str, topic: str) -> Iterator[Message]:
    """All records of a topic."""
    wanted = sum(count for (name, _), count in held(load()).items() if name == topic)
    consumer = Consumer({"bootstrap.servers": address, "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(prefix + topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    deadline = time.monotonic() + READ_SECONDS
    try:
        while wanted and time.monotonic() < deadline:
            record = consumer.poll(1.0)
            if record is not None and record.error() is None:
                wanted -= 1
                yield record
        assert not wanted, f"{wanted} records did not come"
    finally:
        consumer.close()


def murmur2(key: bytes) -> int:
    """Kafka's own hash, as its Java client has it (org.apache.kafka.common.utils.Utils)."""
    length, m, mask = len(key), 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ length) & mask
    for place in range(0, length - length % 4, 4):
        k = int.from_bytes(key[place : place + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    rest = key[length - length % 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


def event(account: str, **said: object) -> str:
    plain = {"source": "test", "type": "email_opened", "occurred_at": "2026-11-21T10:00:00Z"}
    return json.dumps({"account_id": account, **plain, **said}) + "\n"


def test_events_are_framed_keyed_and_partitioned_as_javas_clients_do(kafka: str, prefix: str) -> None:
    accounts = [f"shop-{number}" for number in range(40)]
    lines = "".join(event(account, received_at="1970-01-01T00:00:01Z") for account in accounts)
    run = tally("produce", "-", "--format", "json", stdin=lines)
    assert run.exit_code == console.Exit.OK, run.output
    assert json.loads(run.stdout)["sent"] == len(accounts)
    found = list(records(kafka, prefix, "events.email"))
    assert sorted(record.key().decode() for record in found) == sorted(accounts)
    for record in found:
        assert record.partition() == murmur2(record.key()) % PARTITIONS
        assert record.value()[:5] == b"\0\0\0\0\1"
        assert record.headers() == [("received_at", b"1000000")]


def test_without_received_at_the_producers_clock_is_the_header(kafka: str, prefix: str) -> None:
    before = time.time_ns() // 1000
    tally("produce", "-", stdin=event("a"))
    (record,) = records(kafka, prefix, "events.email")
    ((name, micros),) = record.headers()
    assert name == "received_at"
    assert before - 1_000_000 <= int(micros) <= time.time_ns() // 1000


def test_a_bad_line_stops_or_is_skipped(kafka: str, prefix: str) -> None:
    lines = event("a") + "nonsense\n" + event("b")
    stopped = tally("produce", "-", stdin=lines)
    assert stopped.exit_code == console.Exit.FAILED
    assert [record.key() for record in records(kafka, prefix, "events.email")] == [b"a"]
    skipped = tally("produce", "-", "--on-error", "skip", stdin=lines)
    assert skipped.exit_code == console.Exit.FAILED
    assert sorted(record.key() for record in records(kafka, prefix, "events.email")) == [b"a", b"a", b"b"]


def test_a_gzip_file_is_unpacked_by_its_name(kafka: str, prefix: str, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl.gz"
    file.write_bytes(gzip.compress((event("a") * 3).encode()))
    assert tally("produce", str(file)).exit_code == console.Exit.OK
    assert len(list(records(kafka, prefix, "events.email"))) == 3
    file.write_bytes(file.read_bytes()[:-9])
    cut = tally("produce", str(file))
    assert cut.exit_code == console.Exit.FAILED
    assert "cannot read" in cut.stderr


def test_topics_that_are_missing_are_told_before_anything_is_sent(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLY_TOPICS__PREFIX", "nowhere.")
    run = tally("produce", "-", stdin=event("a"))
    assert run.exit_code == console.Exit.FAILED
    assert "tally topics apply" in run.stderr


@pytest.mark.parametrize("kind", ["realistic", "bulk"])
def test_simulated_traffic_arrives_whole(kafka: str, prefix: str, kind: str) -> None:
    run = tally("simulate", "--events", "12000", "--traffic", kind, "--format", "json")
    assert run.exit_code == console.Exit.OK, run.output
    facts = json.loads(run.stdout)
    counts: dict[str, int] = {}
    for (topic, _), count in held(load()).items():
        counts[topic] = counts.get(topic, 0) + count
    assert {topic: count for topic, count in counts.items() if count} == facts["topics"]
    assert facts["published"] == 12_000


def test_wait_returns_when_clickhouse_accounts_for_all_events(
    kafka: str, clickhouse: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path.name.replace("-", "_")
    monkeypatch.setenv("TALLY_CLICKHOUSE__URL", clickhouse)
    monkeypatch.setenv("TALLY_CLICKHOUSE__DATABASE", database)
    unmigrated = tally("wait", "--timeout", "0")
    assert unmigrated.exit_code == console.Exit.FAILED
    assert "tally migrate" in unmigrated.stderr
    assert tally("migrate").exit_code == console.Exit.OK
    assert tally("wait", "--timeout", "0").exit_code == console.Exit.OK
    tally("produce", "-", stdin=event("a") + event("b"))
    short = tally("wait", "--timeout", "0.5", "--format", "json")
    assert short.exit_code == console.Exit.FAILED
    facts = json.loads(short.stdout)
    assert (facts["events"], facts["accounted"]) == (2, 0)
    assert sum(row["missing"] for row in facts["missing"]) == 2
    service = Service(target(load()), 10)
    for (topic, partition), count in held(load()).items():
        service.command(
            f"INSERT INTO {database}.intake (topic, partition, read, accepted) VALUES "
            f"('{topic}', {partition}, {count}, {count})"
        )
    service.close()
    done = tally("wait", "--timeout", "5", "--format", "json")
    assert done.exit_code == console.Exit.OK
    assert json.loads(done.stdout)["missing"] == []


def test_every_source_topic_is_counted(kafka: str, prefix: str) -> None:
    assert set(held(load())) == {(topic, number) for topic in SOURCE_TOPICS for number in range(PARTITIONS)}


def test_a_plan_arrives_behind_the_lines_before_it_and_ahead_of_those_behind_it(kafka: str, prefix: str) -> None:
    accounts = [f"a{number}" for number in range(12)]
    plan = {"allowance": 5, "anchor_day": 20, "time_zone": "UTC", "thresholds": [1.0], "activities": None}
    planned = {"source": "own", "type": "account_plan_set", "occurred_at": "2026-11-20T00:00:00Z", "plan": plan}
    plans = "".join(json.dumps({"account_id": account, **planned}) + "\n" for account in accounts)
    early, late = ("".join(event(account, event_id=f"{when} {account}") for account in accounts) for when in "ab")
    assert tally("produce", "-", stdin=early + plans + late).exit_code == console.Exit.OK
    times: dict[str, list[tuple[str, int]]] = {account: [] for account in accounts}
    for topic in ("events.email", "events.account"):
        for record in records(kafka, prefix, topic):
            times[(record.key() or b"").decode()].append((topic, record.timestamp()[1]))
    for found in times.values():
        (_, first), (_, last) = sorted(one for one in found if one[0] == "events.email")
        assert first < dict(found)["events.account"] < last
