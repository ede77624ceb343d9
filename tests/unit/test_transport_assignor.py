"""The assignment: a partition number of all topics to one worker, whatever the topics' numbers of partitions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.transport.assignor import WholeAssignor

TOPICS = {"events.email", "events.sms", "events.crm"}


def groups(*workers: str, **counts: int) -> dict[int, list[set[str]]]:
    """The groups of topics that are assigned together; 4 partitions each or as given."""
    cluster = SimpleNamespace(
        partitions_for_topic=lambda topic: set(range(counts.get(topic.removeprefix("events."), 4))) or None
    )
    found: Any = WholeAssignor._get_copartitioned_groups(TOPICS, cluster, dict.fromkeys(workers, sorted(TOPICS)))
    return {count: [set(group) for group in of_count] for count, of_count in found.items()}


@pytest.mark.parametrize("workers", [("a",), ("a", "b", "c")])
def test_topics_of_one_number_of_partitions_are_assigned_together(workers: tuple[str, ...]) -> None:
    assert groups(*workers) == {4: [TOPICS]}


@pytest.mark.parametrize("workers", [("a",), ("a", "b", "c")])
def test_a_topic_with_more_partitions_is_still_assigned_with_the_others(workers: tuple[str, ...]) -> None:
    assert groups(*workers, sms=8) == {4: [TOPICS]}
    assert groups(*workers, sms=8, crm=12) == {4: [TOPICS]}
    assert groups(*workers, sms=2) == {2: [TOPICS]}


def test_a_topic_that_is_gone_is_left_out() -> None:
    assert groups("a", sms=0) == {4: [TOPICS - {"events.sms"}]}
    assert groups("a", sms=0, crm=8) == {4: [TOPICS - {"events.sms"}]}
