"""What a worker refuses to start on: topics that are not as it needs them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.settings import load
from pipeline.topic_plan import Found, wanted
from pipeline.transport.precheck import faults, partition_faults

SETTINGS = load({"topics.prefix": "x."}, environ={})
MESSAGE_BYTES = SETTINGS.topics.journal_message_bytes
SOUND = {topic.name: Found(topic.partitions, 1, topic.configs) for topic in wanted(SETTINGS)}


def told(changed: dict[str, Found | None]) -> list[str]:
    found = {name: topic for name, topic in (SOUND | changed).items() if topic is not None}
    return list(faults(found, "x.", MESSAGE_BYTES))


def with_config(name: str, **configs: str) -> dict[str, Found | None]:
    set_ = {key.replace("_", "."): value for key, value in configs.items()}
    return {name: replace(SOUND[name], configs={**SOUND[name].configs, **set_})}


def test_topics_as_apply_makes_them_are_right() -> None:
    assert told({}) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"x.journal": None}, "x.journal: missing"),
        ({"x.events.crm": None}, "x.events.crm: missing"),
        (
            with_config("x.events.sms", message_timestamp_type="CreateTime"),
            "x.events.sms: message.timestamp.type is Cr",
        ),
        (with_config("x.events.sms", cleanup_policy="compact"), "x.events.sms: cleanup.policy is compact"),
        (with_config("x.journal", cleanup_policy="compact,delete"), "x.journal: cleanup.policy is compact,delete"),
        (with_config("x.journal", retention_ms="604800000"), "x.journal: retention.ms is 604800000; it must be -1"),
        (with_config("x.journal", retention_bytes="1"), "x.journal: retention.bytes is 1; it must be -1"),
        (with_config("x.journal", max_message_bytes=str(MESSAGE_BYTES - 1)), "x.journal: max.message.bytes is 1677721"),
    ],
)
def test_each_fault_is_named(changed: dict[str, Found | None], said: str) -> None:
    (fault,) = told(changed)
    assert fault.startswith(said)


def test_unequal_partition_counts_are_told_with_all_counts() -> None:
    (fault,) = told({"x.events.web": replace(SOUND["x.events.web"], partitions=5)})
    assert fault.startswith("all topics must have the same number of partitions, not: x.events.email 4, ")
    assert "x.events.web 5" in fault


def test_partitions_that_were_added_under_a_journal_are_each_partition_s_own_affair() -> None:
    one_topic = {**SOUND, "x.events.web": replace(SOUND["x.events.web"], partitions=8)}
    all_topics = {name: replace(topic, partitions=8) for name, topic in SOUND.items()}
    for found in (one_topic, all_topics):
        assert list(faults(found, "x.", MESSAGE_BYTES, began=4)) == []
        assert list(partition_faults(found, "x.", 4, began=4)) == []
    (fault,) = partition_faults(all_topics, "x.", 4, began=8)
    assert fault.startswith("TALLY_TOPICS__PARTITIONS is 4, but the topics have 8 partitions: set it to 8")


def test_all_faults_are_told_at_once() -> None:
    changed = {"x.journal": None, **with_config("x.events.sms", message_timestamp_type="CreateTime")}
    assert len(told(changed)) == 2


def test_a_number_of_partitions_that_is_not_the_topics_is_told_with_both_numbers_and_the_mend() -> None:
    assert list(partition_faults(SOUND, "x.", 4)) == []
    (fault,) = partition_faults(SOUND, "x.", 8)
    assert fault.startswith("TALLY_TOPICS__PARTITIONS is 8, but the topics have 4 partitions: set it to 4")
    assert "cannot be changed" in fault


def test_unequal_partition_counts_are_not_told_a_second_time() -> None:
    assert list(partition_faults({**SOUND, "x.journal": replace(SOUND["x.journal"], partitions=5)}, "x.", 8)) == []
