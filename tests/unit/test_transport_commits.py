"""Commits: what is told to lag monitors, and an assignment that is translated once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from faust.types import TP

from pipeline.transport.commits import CommittingConsumer
from pipeline.transport.thread import SlabThread

MINE, OTHER = TP("events.email", 0), TP("events.email", 1)


class Committing(CommittingConsumer):
    """As much of a consumer as commits."""

    def __init__(self, accepts: bool) -> None:
        self._acked: dict[TP, list[int]] = defaultdict(list)
        self._committed_offset: dict[TP, int | None] = {}
        self.accepts, self.sent = accepts, list[dict[TP, int]]()

    def assignment(self) -> set[TP]:
        return {MINE}

    async def _commit(self, offsets: Any) -> bool:
        self.sent.append(dict(offsets))
        return self.accepts


def test_what_is_behind_the_last_batch_is_committed_once() -> None:
    consumer = Committing(accepts=True)
    consumer._acked[MINE] = [41]
    assert (consumer._new_offset(MINE), consumer._new_offset(MINE)) == (42, None)


def test_only_offsets_of_this_worker_are_committed() -> None:
    consumer = Committing(accepts=True)
    assert asyncio.run(consumer._commit_offsets({MINE: 42, OTHER: 7}))
    assert consumer.sent == [{MINE: 42}]
    assert consumer._committed_offset == {MINE: 42}


def test_nothing_is_sent_where_nothing_is_ours_and_a_refusal_is_not_remembered() -> None:
    consumer = Committing(accepts=False)
    assert not asyncio.run(consumer._commit_offsets({OTHER: 7}))
    assert consumer.sent == []
    assert not asyncio.run(consumer._commit_offsets({MINE: 42}))
    assert consumer._committed_offset == {}


def test_what_was_not_accepted_is_committed_with_the_next_unless_there_is_something_newer() -> None:
    consumer = Committing(accepts=False)
    assert not asyncio.run(consumer._commit_offsets({MINE: 42}))
    assert consumer._new_offset(MINE) == 42
    consumer.reach({MINE: 50})
    assert not asyncio.run(consumer._commit_offsets({MINE: 42}))
    assert consumer._new_offset(MINE) == 50


def test_what_was_not_accepted_of_a_partition_that_was_revoked_meanwhile_is_its_next_owners() -> None:
    consumer = Committing(accepts=False)
    given = iter([{MINE}, set()])
    consumer.assignment = lambda: next(given)  # type: ignore[method-assign]
    assert not asyncio.run(consumer._commit_offsets({MINE: 42}))
    assert consumer._new_offset(MINE) is None


def test_a_topic_of_which_nothing_was_read_is_not_committed() -> None:
    consumer = Committing(accepts=True)
    consumer.reach({MINE: 0, OTHER: 3})
    assert (consumer._new_offset(MINE), consumer._new_offset(OTHER)) == (None, 3)


def test_an_assignment_is_translated_again_when_the_group_gives_another() -> None:
    thread = SlabThread.__new__(SlabThread)
    given = frozenset({TopicPartition("events.email", 0)})
    thread._ensure_consumer = lambda: SimpleNamespace(assignment=lambda: given)
    assert thread.assignment() == {MINE}
    thread.assignment().clear()
    assert thread.assignment() == {MINE}
    given = frozenset({TopicPartition("events.email", 1)})
    assert thread.assignment() == {OTHER}
