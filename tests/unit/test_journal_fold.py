"""Folding a partition over the in-memory journal: the chain, rivals, a journal that lost something, refusals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pipeline.core.framing import FRAME_BYTES
from pipeline.core.record import FORMAT, Link, Record, Source, decode, encode
from pipeline.journal.chain import FIRST, extends, next_link
from pipeline.journal.memory import MemoryLog
from pipeline.journal.ports import Bounds, Described, Place
from pipeline.refusal import Refused, WrongSetting
from pipeline.state.positions import resume
from tests.contract.counting import RULES
from tests.contract.worlds import EMAIL, JOURNAL, SMS, TOPICS, World, numbers, sourced

Make = Callable[..., World]


@pytest.fixture
def world(tmp_path: Path) -> Make:
    return lambda log, **kwargs: World(log, tmp_path, **kwargs)


def run(story: Callable[[MemoryLog], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story(await sourced(MemoryLog()))

    asyncio.run(whole())


def rival(last_id: int, seed: int = RULES.seed_fingerprint) -> bytes:
    return encode(Record(RULES._replace(seed_fingerprint=seed), 0, []), next_link(last_id, "rival"))


def test_a_record_is_valid_if_it_names_the_last_valid_one() -> None:
    assert extends(Link(7, FIRST, ""), FIRST)
    assert extends(Link(8, 7, ""), 7)
    assert not extends(Link(8, 6, ""), 7)


def test_ids_are_never_the_one_that_means_none() -> None:
    assert all(next_link(1, "w").id not in (FIRST, 1) for _ in range(1000))


def test_a_fold_comes_to_the_state_of_the_worker_that_wrote(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        first = world(log)
        store = await first.recover()
        for i in range(5):
            await first.write(store, numbers(EMAIL, 3 * i, 3), numbers(SMS, i, 1))
        folded = await world(log).recover()
        assert (folded.state, folded.mark, folded.positions) == (store.state, store.mark, store.positions)
        assert folded.positions == {EMAIL: 15, SMS: 5}

    run(story)


def test_of_two_workers_that_both_own_a_partition_one_is_believed_and_the_other_goes_on_from_it(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        one, two = world(log), world(log)
        first, second = await one.recover(), await two.recover()
        await one.write(first, numbers(EMAIL, 0, 3))
        lost = encode(two.core.decide(second.state, [numbers(EMAIL, 0, 5)]), next_link(second.last_id, "two"))
        assert await log.append(JOURNAL, lost) != second.next_offset
        second = await two.recover()
        assert second.positions == {EMAIL: 3}
        await two.write(second, numbers(EMAIL, 3, 4))
        first = await one.recover()
        assert (first.state, first.mark) == (second.state, second.mark)
        assert first.positions == {EMAIL: 7}

    run(story)


def test_a_rivals_record_is_ignored_wherever_it_lies(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        await log.append(JOURNAL, rival(99))
        writer = world(log)
        store = await writer.recover()
        await writer.write(store, numbers(EMAIL, 0, 3))
        await log.append(JOURNAL, rival(98))
        await log.append(JOURNAL, rival(FIRST))
        folded = await world(log).recover()
        assert folded.positions == {EMAIL: 3}
        assert (folded.last_id, folded.next_offset) == (store.last_id, 4)

    run(story)


def test_a_journal_that_lost_its_tail_takes_the_state_back(world: Make, caplog: pytest.LogCaptureFixture) -> None:
    async def story(log: MemoryLog) -> None:
        writer = world(log)
        store = await writer.recover()
        for i in range(4):
            await writer.write(store, numbers(EMAIL, i, 1))
        log.truncate(JOURNAL, 2)
        assert (await writer.recover()).positions == {EMAIL: 2}
        assert "lost, truncated or replaced its record at offset 3" in caplog.text

    run(story)


def test_a_journal_that_lost_its_tail_and_grew_again_takes_the_state_back(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        one, two = world(log), world(log)
        first = await one.recover()
        for i in range(3):
            await one.write(first, numbers(EMAIL, i, 1))
        log.truncate(JOURNAL, 1)
        second = await two.recover()
        for i in range(1, 9):
            await two.write(second, numbers(EMAIL, i, 1))
        folded = await one.recover()
        assert (folded.state, folded.mark) == (second.state, second.mark)

    run(story)


def test_a_journal_that_was_recreated_is_folded_from_nothing(world: Make, caplog: pytest.LogCaptureFixture) -> None:
    async def story(log: MemoryLog) -> None:
        writer = world(log)
        await writer.write(await writer.recover(), numbers(EMAIL, 0, 5))
        log.truncate(JOURNAL, 0)
        store = await writer.recover()
        assert (store.positions, store.last_id) == ({}, FIRST)
        assert "lost, truncated or replaced" in caplog.text

    run(story)


def test_a_journal_without_its_beginning_is_refused(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        writer = world(log)
        store = await writer.recover()
        for i in range(3):
            await writer.write(store, numbers(EMAIL, i, 1))
        log.trim(JOURNAL, 1)
        with pytest.raises(Refused, match="journal begins at offset 1, and no snapshot covers what was before"):
            await world(log).recover()
        assert (await writer.recover()).positions == {EMAIL: 3}
        log.trim(JOURNAL, 3)
        with pytest.raises(Refused, match="journal begins at offset 3"):
            await writer.recover()

    run(story)


def test_another_hash_seed_stops_the_worker(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        await log.append(JOURNAL, rival(FIRST, seed=1))
        with pytest.raises(WrongSetting, match=r"offset 0: decided with another hash seed\. TALLY_HASH_SEED"):
            await world(log).recover()

    run(story)


@pytest.mark.parametrize("value", [b"hello", b"", b"\x00\x00\x00\x00\x05", None])
def test_what_is_no_journal_record_is_ignored_like_a_rival_s(
    world: Make, value: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(log: MemoryLog) -> None:
        writer = world(log)
        store = await writer.recover()
        await writer.write(store, numbers(EMAIL, 0, 3))
        await log.append(JOURNAL, value)
        recovered = await world(log).recover()
        assert (recovered.positions, recovered.next_offset) == ({EMAIL: 3}, 2)

    run(story)
    assert "partition 0, offset 1: no journal record" in caplog.text


def test_a_record_that_ends_too_early_is_refused_with_its_offset(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        await log.append(JOURNAL, rival(FIRST)[:-3])
        with pytest.raises(Refused, match="partition 0, offset 0: "):
            await world(log).recover()

    run(story)


def test_a_record_of_a_newer_layout_is_refused(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        framed = rival(FIRST)
        await log.append(JOURNAL, framed[:FRAME_BYTES] + bytes([2 * (FORMAT + 1)]) + framed[FRAME_BYTES + 1 :])
        with pytest.raises(Refused, match=f"format {FORMAT + 1}; this tally knows {FORMAT}: run"):
            await world(log).recover()

    run(story)


def test_positions_that_do_not_continue_are_refused(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        writer = world(log)
        store = await writer.recover()
        await writer.write(store, numbers(EMAIL, 0, 3))
        record = writer.core.decide(store.state, [numbers(EMAIL, 3, 1, offset=5)])
        await log.append(JOURNAL, encode(record, next_link(store.last_id, "w")))
        with pytest.raises(Refused, match=r"offset 1: events\.email goes on at 5, not at 3"):
            await world(log).recover()

    run(story)


def test_several_entries_of_a_topic_in_one_record_continue_each_other_or_are_refused(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        writer = world(log)
        store = await writer.recover()
        await writer.write(store, numbers(EMAIL, 0, 3))
        runs = [Source(EMAIL, 3, 4, 1), Source(SMS, 0, 1, 1), Source(EMAIL, 4, 6, 2)]
        await log.append(JOURNAL, encode(Record(RULES, 0, runs, runs=True), next_link(store.last_id, "w")))
        folded = await world(log).recover()
        assert folded.positions == {EMAIL: 6, SMS: 1}
        wrong = [Source(EMAIL, 6, 7, 1), Source(SMS, 1, 2, 1), Source(EMAIL, 8, 9, 1)]
        await log.append(JOURNAL, encode(Record(RULES, 0, wrong, runs=True), next_link(folded.last_id, "w")))
        with pytest.raises(Refused, match=r"offset 2: events\.email goes on at 8, not at 7"):
            await world(log).recover()

    run(story)


def test_a_hole_in_the_journals_offsets_is_refused(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        writer = world(log)
        store = await writer.recover()
        with pytest.raises(Refused, match=r"offset 1 follows -1\. Records are missing"):
            store.accept(rival(FIRST), 1)

    run(story)


def test_states_of_partitions_that_went_away_are_forgotten(world: Make) -> None:
    async def story(log: MemoryLog) -> None:
        writer = world(log)
        await writer.recover()
        writer.partitions.keep({1})
        with pytest.raises(KeyError):
            writer.partitions[0]

    run(story)


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


Worlds = Callable[[MemoryLog], Awaitable[None]]


def run_over(partitions: int, story: Worlds) -> None:
    async def whole() -> None:
        await story(await sourced(MemoryLog(), partitions=partitions))

    asyncio.run(whole())


def records(log: MemoryLog, partition: int = 0) -> list[Record]:
    return [decode(value or b"")[1] for value in log.values[JOURNAL._replace(partition=partition)]]


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
