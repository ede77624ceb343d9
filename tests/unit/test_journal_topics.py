"""The topics that a journal says it was read from: their positions, their beginning, their partitions."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pipeline.journal.memory import MemoryLog
from pipeline.journal.ports import Bounds, Described, Place
from pipeline.refusal import Refused
from pipeline.state.positions import resume
from tests.contract.worlds import EMAIL, JOURNAL, SMS, TOPICS, World, numbers, sourced
from tests.unit.fold_world import Make, records, run, run_over


@pytest.fixture
def world(tmp_path: Path) -> Make:
    return lambda log, **kwargs: World(log, tmp_path, **kwargs)


def test_reading_goes_on_at_the_journals_positions() -> None:
    bounds = {EMAIL: Bounds(0, 10), SMS: Bounds(0, 3)}
    assert resume(0, TOPICS, {EMAIL: 10}, bounds) == {EMAIL: 10, SMS: 0}


def test_an_empty_journal_begins_where_the_topic_does_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert resume(7, [EMAIL], {}, {EMAIL: Bounds(4, 9)}) == {EMAIL: 4}
    assert "partition 7: the journal is empty, and events.email begins at offset 4" in caplog.text


@pytest.mark.parametrize(
    ("positions", "bounds", "message"),
    [
        ({EMAIL: 3}, Bounds(4, 9), "holds 4 to 8, but the journal goes on at offset 3: events were deleted before"),
        ({EMAIL: 10}, Bounds(0, 9), "holds 0 to 8, but the journal goes on at offset 10: it was recreated or trunc"),
        ({EMAIL: 1}, Bounds(0, 0), "is empty at 0, but the journal goes on at offset 1"),
        ({SMS: 1}, Bounds(4, 9), "holds 4 to 8, but the journal goes on at offset 0: events were deleted before"),
    ],
)
def test_a_position_outside_its_topic_is_refused(positions: dict[str, int], bounds: Bounds, message: str) -> None:
    with pytest.raises(Refused, match=f"events.email {message}.*Nothing was skipped. Restore"):
        resume(0, TOPICS, positions, {EMAIL: bounds, SMS: Bounds(0, 1)})


def test_a_recovery_checks_the_positions_of_all_its_topics(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        writer = world(log)
        await writer.write(await writer.recover(), numbers(EMAIL, 0, 5))
        log.truncate(Place(EMAIL, 0), 4)
        with pytest.raises(Refused, match=r"events\.email holds 0 to 3, but the journal goes on at offset 5"):
            await writer.recover()

    run(story)


def test_a_record_says_which_topics_were_read_where_none_did_before_and_always_of_how_many_partitions(
    world: Make,
) -> None:
    async def story(log: MemoryLog) -> None:
        log.topics[SMS] = Described("2", 4)
        one = world(log)
        store = await one.recover()
        await one.write(store, numbers(EMAIL, 0, 1))
        await one.write(store, numbers(EMAIL, 1, 1), numbers(SMS, 0, 1))
        await one.write(store, numbers(EMAIL, 2, 1), numbers(SMS, 1, 1))
        assert [record.topics for record in records(log)] == [{EMAIL: "1"}, {SMS: "2"}, {}]
        assert [record.partitions for record in records(log)] == [4, 4, 4]
        folded = await world(log).recover()
        assert (folded.topics, folded.partitions) == ({EMAIL: "1", SMS: "2"}, 4)

    run_over(4, story)


def test_a_topic_made_anew_is_refused_where_it_was_read_although_its_offsets_fit(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        one = world(log)
        await one.write(await one.recover(0), numbers(EMAIL, 0, 5))
        await one.write(await one.recover(1), numbers(SMS, 0, 5))
        log.topics[EMAIL] = Described("other", 2)
        assert await one.partitions.changed() == {0, 1}
        for worker in (one, world(log)):
            with pytest.raises(Refused, match=r"events\.email was deleted and made anew: .* of id 1 up to offset 5, "):
                await worker.recover(0)
            store = await worker.recover(1)
            assert await worker.partitions.changed() <= {0}
        await one.write(store, numbers(EMAIL, 0, 1))
        assert [record.topics for record in records(log, 1)] == [{SMS: "1"}, {EMAIL: "other"}]

    run_over(2, story)


def test_a_topic_that_is_gone_is_refused_and_noticed(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        one = world(log)
        await one.recover()
        assert await one.partitions.changed() == set()
        log.topics[SMS] = None
        assert await one.partitions.changed() == {0}
        with pytest.raises(Refused, match=r"there is no topic events\.sms"):
            await one.recover()

    run(story)


def test_partitions_added_to_all_topics_are_told_by_another_partition_s_journal(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        one = world(log)
        await one.write(await one.recover(1), numbers(EMAIL, 0, 5))
        await sourced(log, partitions=4)
        assert await one.partitions.changed() == {1}
        for worker in (one, world(log)):
            store = await worker.recover(1)
            assert (await worker.recover(0)).began == 2  # it has no record either, but was there
            for partition in (2, 3):
                with pytest.raises(Refused, match=f"partition {partition} was added, and what comes to it has its"):
                    await worker.recover(partition)
                with pytest.raises(Refused, match=f"partition {partition} was added"):
                    await worker.partitions.require_partitions(partition)
        await one.write(store, numbers(EMAIL, 5, 1))
        assert [record.partitions for record in records(log, 1)] == [2, 2], "what it began with, not what it is now"

    run_over(2, story)


def test_partitions_added_to_the_sources_alone_are_refused_without_a_journal_of_their_own(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        one = world(log)
        await one.write(await one.recover(0), numbers(EMAIL, 0, 5))
        log.topics["journal"] = Described("1", 1)
        log.partitions = 2
        with pytest.raises(Refused, match="partition 1 was added"):
            await world(log).recover(1)
        assert (await world(log).recover(0)).positions == {EMAIL: 5}

    run(story)


def test_a_number_of_partitions_that_is_no_multiple_stops_old_partitions_too(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        one = world(log)
        await one.write(await one.recover(0), numbers(EMAIL, 0, 5))
        log.partitions = 3
        for partition in range(3):
            with pytest.raises(Refused, match="3 is no multiple of 2"):
                await world(log).recover(partition)

    run_over(2, story)


def test_a_journal_that_is_empty_now_and_was_not_is_refused_where_events_are_gone_too(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        one = world(log)
        await one.write(await one.recover(), numbers(EMAIL, 0, 5))
        log.truncate(JOURNAL, 0)
        log.trim(Place(EMAIL, 0), 3)
        for _ in range(2):  # at every look
            with pytest.raises(Refused) as error:
                await one.recover()
            assert str(error.value).startswith(
                "the journal's partition 0 is empty, but this worker's state says that it went up to offset 0: it was "
                "made anew or lost its records. events.email begins at offset 3: what was before could not be counted"
            )
            assert "Nothing was skipped. Restore the journal; or, to give up what it said, begin anew under" in str(
                error.value
            )
        log.first.clear()
        assert (await one.recover()).positions == {}
        log.trim(Place(EMAIL, 0), 3)
        assert (await world(log).recover()).positions == {}  # nobody here has ever seen it otherwise

    run(story)


def test_added_partitions_of_one_topic_that_nobody_is_given_are_told_once(
    world: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(log: MemoryLog) -> None:
        one = world(log)
        await one.write(await one.recover(0), numbers(EMAIL, 0, 5))
        log.topics[SMS] = Described("1", 4)
        for _ in range(2):
            for partition in (0, 1):
                await one.recover(partition)

    run_over(2, story)
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(told) == 1
    assert told[0].startswith("partition 2 is not read: events.sms has 4 partitions; the journal began with 2.")
    assert "Nothing was skipped: " in told[0]
