"""Who gets which partitions: a partition number of all topics goes to one worker."""

from __future__ import annotations

from typing import Any

from faust.assignor import PartitionAssignor


class WholeAssignor(PartitionAssignor):
    """Faust's, also where a topic was given more partitions than the others.

    Faust assigns topics of other numbers of partitions apart, so that most partition numbers would be torn between two
    workers and stand still. Here all topics go together, by the least number; what a topic has beyond it goes to
    nobody, and each worker says so when it recovers a partition.
    """

    @classmethod
    def _get_copartitioned_groups(cls, topics: set[str], cluster: Any, subscriptions: Any) -> Any:
        groups = super()._get_copartitioned_groups(topics, cluster, subscriptions)
        if len(groups) < 2:
            return groups
        there = {topic for of_count in groups.values() for group in of_count for topic in group}
        return {min(groups): cls._group_co_subscribed(there, subscriptions)}
