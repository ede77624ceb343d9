"""Topics as they should be, how a cluster's differ, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import topic_plan, topics
from pipeline.core import decode
from pipeline.settings import load
from pipeline.topic_plan import Change, Found, Topic, compare, wanted

ROOT = Path(__file__).parent
EVERY = (*topics.ALL_TOPICS, *topics.NOTIFY_TOPICS)


def plan(**overrides: object) -> list[Topic]:
    return wanted(load({name.replace("__", "."): value for name, value in overrides.items()}, {}, ROOT))


def as_found(planned: list[Topic], **changes: object) -> dict[str, Found]:
    """A cluster that has the topics as planned, each with the changes."""
    return {
        topic.name: replace(Found(topic.partitions, topic.replication_factor, topic.configs), **changes)  # type: ignore[arg-type]
        for topic in planned
    }


def test_the_topics_are_those_of_the_flow_with_their_prefix() -> None:
    assert [topic.name for topic in plan(topics__prefix="x.")] == [f"x.{name}" for name in EVERY]
    assert {topic.partitions for topic in plan(topics__partitions=6)} == {6}


def test_sources_take_the_brokers_clock_and_the_journal_is_kept_for_ever() -> None:
    by_name = {
        topic.name: topic.configs for topic in plan(topics__source_retention_hours=2, topics__compression="none")
    }
    journal = by_name.pop("journal")
    assert journal["retention.ms"] == journal["retention.bytes"] == "-1"
    assert journal["cleanup.policy"] == "delete"
    assert journal["max.message.bytes"] == str(16 * 1024 * 1024)
    for name in topics.NOTIFY_TOPICS:
        assert by_name.pop(name) == {"cleanup.policy": "compact", "min.insync.replicas": "1"}
    for configs in by_name.values():
        assert configs["message.timestamp.type"] == "LogAppendTime"
        assert configs["retention.ms"] == "7200000"
        assert configs["compression.type"] == "uncompressed"


def test_the_largest_event_fits_into_a_source() -> None:
    assert topic_plan.SOURCE_MESSAGE_BYTES > decode.BODY_BYTES_MAX + decode.FRAME_BYTES


def test_an_empty_cluster_gets_every_topic_with_all_its_settings() -> None:
    changes = compare(plan(), {})
    assert {change.topic for change in changes} == set(EVERY)
    assert {change.action for change in changes} == {"create"}
    assert Change("journal", "create", "retention.ms", None, "-1") in changes


def test_topics_that_are_as_planned_need_nothing() -> None:
    assert compare(plan(), as_found(plan())) == []


def test_a_config_that_differs_is_set() -> None:
    changes = compare(plan(topics__compression="lz4"), as_found(plan()))
    assert changes[0] == Change("events.email", "set", "compression.type", "zstd", "lz4")
    assert len(changes) == len(topics.SOURCE_TOPICS)


@pytest.mark.parametrize("partitions", [3, 5])
def test_a_partition_count_is_neither_raised_nor_lowered(partitions: int) -> None:
    changes = compare(plan(), as_found(plan(), partitions=partitions))
    assert {change.action for change in changes} == {"refuse"}
    assert "TALLY_TOPICS__PARTITIONS" in changes[0].why


def test_one_topic_with_more_partitions_is_told_with_a_way_out_that_works_whatever_the_setting_is() -> None:
    found = as_found(plan())
    found["events.web"] = replace(found["events.web"], partitions=8)
    for setting in (4, 8):
        (change,) = compare(plan(topics__partitions=setting), found)
        assert (change.topic, change.action, change.found, change.wanted) == ("events.web", "refuse", "8", "4")
        assert change.why.startswith("events.web has 8, the others have 4. Kafka takes no partition away")
        assert "delete it (kafka-topics.sh --delete --topic events.web), then `tally topics apply`" in change.why
        assert "TALLY_TOPICS__PARTITIONS=4" in change.why
    del found["events.web"]
    assert {change.action for change in compare(plan(), found)} == {"create"}


def test_one_topic_with_more_partitions_and_events_cannot_be_mended_in_place() -> None:
    found = as_found(plan())
    found["events.web"] = replace(found["events.web"], partitions=8, records=True)
    (change,) = compare(plan(), found)
    assert "begin anew under another TALLY_TOPICS__PREFIX" in change.why
    assert "delete" not in change.why


def test_a_topic_that_was_read_and_deleted_is_not_made_anew() -> None:
    found = as_found(plan())
    del found["events.web"]
    (change,) = compare(plan(), found, deleted={"events.web"})
    assert (change.topic, change.action) == ("events.web", "refuse")
    for word in ("it was deleted", "workers refuse", "not read yet is lost", "TALLY_TOPICS__PREFIX", "--recreate"):
        assert word in change.why
    assert {change.action for change in compare(plan(), found)} == {"create"}


def test_too_few_replicas_are_refused_and_more_are_welcome() -> None:
    planned = plan(topics__replication_factor=2)
    assert {change.setting for change in compare(planned, as_found(planned, replication_factor=1))} == {
        "replication.factor"
    }
    assert compare(planned, as_found(planned, replication_factor=3)) == []


def test_a_retention_gets_shorter_only_when_that_is_said() -> None:
    shorter, found = plan(topics__source_retention_hours=1), as_found(plan(), records=True)
    assert {change.action for change in compare(shorter, found)} == {"refuse"}
    assert {change.action for change in compare(shorter, found, shorten=True)} == {"set"}
    assert {change.action for change in compare(shorter, as_found(plan(), records=False))} == {"set"}
    assert {change.action for change in compare(plan(topics__source_retention_hours=200), found)} == {"set"}


def test_a_journal_that_was_compacted_is_refused_once_it_has_records() -> None:
    found = as_found(plan())
    (journal,) = (topic for topic in plan() if topic.name == topics.JOURNAL)
    compacted = {**journal.configs, "cleanup.policy": "compact"}
    found["journal"] = Found(4, 1, compacted, records=True)
    (change,) = compare(plan(), found)
    assert (change.action, change.setting) == ("refuse", "cleanup.policy")
    found["journal"] = Found(4, 1, compacted, records=False)
    (change,) = compare(plan(), found)
    assert change.action == "set"


def test_names_with_a_prefix_and_back() -> None:
    assert topics.logical("x.", topics.physical("x.", "journal")) == "journal"
    with pytest.raises(ValueError, match="prefix"):
        topics.logical("x.", "journal")
    assert [topics.schema_of(f"events.{name}") for name in ("email", "web", "profile", "account", "crm")] == [
        "channel", "channel", "profile", "account", "crm",
    ]  # fmt: skip
    with pytest.raises(KeyError, match="journal"):
        topics.schema_of("journal")


def test_topics_that_lack_are_listed_as_a_sentence_has_them() -> None:
    assert topics.listed(["journal"]) == "topic journal"
    assert topics.listed(["journal", "a"]) == "topics journal and a"
    assert topics.listed(["journal", "a", "b"]) == "topics journal, a and b"
