"""A fold comes to the state of the worker that wrote: rivals, lost tails, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core.framing import FRAME_BYTES
from pipeline.core.record import FORMAT, Link, Record, Source, encode
from pipeline.journal.chain import FIRST, extends, next_link
from pipeline.journal.memory import MemoryLog
from pipeline.refusal import Refused, WrongSetting
from tests.contract.counting import RULES
from tests.contract.worlds import EMAIL, JOURNAL, SMS, World, numbers
from tests.unit.fold_world import Make, rival, run


@pytest.fixture
def world(tmp_path: Path) -> Make:
    return lambda log, **kwargs: World(log, tmp_path, **kwargs)


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
