"""`tally topics` on a real Kafka: created as planned, changed, refused, and nothing to do the second time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from pipeline.cli import app, console
from pipeline.core.record import Record, Source, encode
from pipeline.journal.chain import FIRST, next_link
from pipeline.settings import Settings, load
from pipeline.topic_admin import TopicsError, apply, read
from pipeline.topic_plan import compare, wanted
from pipeline.topics import JOURNAL
from tests.contract.counting import RULES

RUNNER = CliRunner()


def settings_of(address: str, folder: Path, **topics: object) -> Settings:
    prefix = f"{folder.name}."
    given = {"kafka.bootstrap_servers": address, "topics.prefix": prefix, "home": str(folder)}
    return load({**given, **{f"topics.{name}": value for name, value in topics.items()}}, {}, folder)


def tally(monkeypatch: pytest.MonkeyPatch, address: str, folder: Path, *arguments: str, **topics: object) -> Any:
    monkeypatch.setenv("TALLY_KAFKA__BOOTSTRAP_SERVERS", address)
    monkeypatch.setenv("TALLY_TOPICS__PREFIX", f"{folder.name}.")
    monkeypatch.setenv("TALLY_HOME", str(folder))
    for name, value in topics.items():
        monkeypatch.setenv(f"TALLY_TOPICS__{name.upper()}", str(value))
    return RUNNER.invoke(app.app, list(arguments))


def test_topics_are_created_as_planned_and_then_there_is_nothing_to_do(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = tally(monkeypatch, kafka, tmp_path, "topics", "plan", "--format", "json", partitions=3)
    assert planned.exit_code == console.Exit.DIFFERENT
    assert {change["action"] for change in json.loads(planned.stdout)["changes"]} == {"create"}
    assert tally(monkeypatch, kafka, tmp_path, "topics", "apply").exit_code == console.Exit.OK
    again = tally(monkeypatch, kafka, tmp_path, "topics", "plan", "--format", "json")
    assert again.exit_code == console.Exit.OK
    assert json.loads(again.stdout) == {"changes": [], "refused": 0}
    assert tally(monkeypatch, kafka, tmp_path, "topics", "apply").exit_code == console.Exit.OK
    settings = settings_of(kafka, tmp_path, partitions=3)
    found = read(settings, wanted(settings))
    assert {there.partitions for there in found.values()} == {3}
    assert found[f"{tmp_path.name}.journal"].configs["retention.ms"] == "-1"
    assert found[f"{tmp_path.name}.events.web"].configs["message.timestamp.type"] == "LogAppendTime"
    assert not any(there.records for there in found.values())


def test_a_changed_setting_is_applied_and_a_changed_partition_count_is_not(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally(monkeypatch, kafka, tmp_path, "topics", "apply", partitions=2)
    assert tally(monkeypatch, kafka, tmp_path, "topics", "apply", compression="lz4").exit_code == console.Exit.OK
    assert tally(monkeypatch, kafka, tmp_path, "topics", "plan").exit_code == console.Exit.OK
    refused = tally(monkeypatch, kafka, tmp_path, "topics", "apply", partitions=4, compression="gzip")
    assert refused.exit_code == console.Exit.FAILED
    assert "partitions 2 -> 4" in refused.stderr
    assert "nothing was changed" in refused.stderr
    settings = settings_of(kafka, tmp_path, partitions=2)
    found = read(settings, wanted(settings))
    assert {there.partitions for there in found.values()} == {2}
    assert found[f"{tmp_path.name}.events.sms"].configs["compression.type"] == "lz4"


def test_a_retention_is_not_shortened_under_events_unless_that_is_said(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally(monkeypatch, kafka, tmp_path, "topics", "apply", partitions=1)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(f"{tmp_path.name}.events.email", b"x")
    assert producer.flush(10) == 0
    run = tally(monkeypatch, kafka, tmp_path, "topics", "apply", source_retention_hours=2)
    assert run.exit_code == console.Exit.FAILED
    assert "--shorten-retention" in run.stderr
    assert "events.sms" not in run.stderr
    assert tally(monkeypatch, kafka, tmp_path, "topics", "apply", "--shorten-retention").exit_code == console.Exit.OK


def test_a_compacted_journal_with_records_is_refused(kafka: str, tmp_path: Path) -> None:
    settings = settings_of(kafka, tmp_path, partitions=1)
    topics = wanted(settings)
    (journal,) = (topic for topic in topics if topic.name == f"{settings.topics.prefix}{JOURNAL}")
    changed = journal.__class__(journal.name, 1, 1, {**journal.configs, "cleanup.policy": "compact"})
    compacted = [changed if topic is journal else topic for topic in topics]
    apply(settings, compacted, compare(compacted, {}))
    assert [change.action for change in compare(topics, read(settings, topics), journal.name)] == ["set"]
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(journal.name, b"x", b"key")
    assert producer.flush(10) == 0
    assert [change.action for change in compare(topics, read(settings, topics), journal.name)] == ["refuse"]


def delete(address: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    for future in admin.delete_topics([topic]).values():
        future.result(10)
    deadline = time.monotonic() + 10
    while topic in admin.list_topics(timeout=5).topics:
        assert time.monotonic() < deadline, f"{topic} is not gone"
        time.sleep(0.1)


def test_a_topic_that_the_journal_has_read_is_not_made_anew_unless_that_is_said(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"{tmp_path.name}."
    tally(monkeypatch, kafka, tmp_path, "topics", "apply", partitions=1)
    producer = Producer({"bootstrap.servers": kafka})
    record = Record(RULES, 0, [Source("events.web", 0, 1, 1)], topics={"events.web": "x"}, partitions=1)
    producer.produce(f"{prefix}journal", encode(record, next_link(FIRST, "w")), partition=0)
    assert producer.flush(10) == 0
    delete(kafka, f"{prefix}events.sms")  # never read: nothing is lost
    assert tally(monkeypatch, kafka, tmp_path, "topics", "apply").exit_code == console.Exit.OK
    delete(kafka, f"{prefix}events.web")
    for command in ("plan", "apply"):
        refused = tally(monkeypatch, kafka, tmp_path, "topics", command)
        assert refused.exit_code == console.Exit.FAILED
        assert "it was deleted, and the journal has read it" in refused.stderr
        assert "--recreate" in refused.stderr
    planned = tally(monkeypatch, kafka, tmp_path, "topics", "plan", "--recreate")
    assert planned.exit_code == console.Exit.DIFFERENT
    assert tally(monkeypatch, kafka, tmp_path, "topics", "apply", "--recreate").exit_code == console.Exit.OK
    assert tally(monkeypatch, kafka, tmp_path, "topics", "plan").exit_code == console.Exit.OK


def test_a_journal_that_is_gone_under_events_is_not_made_anew_unless_that_is_said(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"{tmp_path.name}."
    tally(monkeypatch, kafka, tmp_path, "topics", "apply", partitions=1)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(f"{prefix}events.email", b"x")
    assert producer.flush(10) == 0
    delete(kafka, f"{prefix}journal")
    refused = tally(monkeypatch, kafka, tmp_path, "topics", "apply")
    assert refused.exit_code == console.Exit.FAILED
    assert "it is not there, but its source topics have had events" in refused.stderr
    assert tally(monkeypatch, kafka, tmp_path, "topics", "apply", "--recreate").exit_code == console.Exit.OK


def test_what_the_cluster_refuses_is_told(kafka: str, tmp_path: Path) -> None:
    settings = settings_of(kafka, tmp_path, partitions=1, replication_factor=9)
    topics = wanted(settings)
    with pytest.raises(TopicsError, match=r"cannot create 14 topics.*[Rr]eplication factor"):
        apply(settings, topics, compare(topics, {}))
