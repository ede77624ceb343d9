"""Lanes: order across topics, bounds, epochs, gaps."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from pipeline.core.batch import Slab
from pipeline.transport import lanes
from pipeline.transport.lanes import Gap, Lane

EMAIL, SMS = "events.email", "events.sms"


def slab(topic: str, offset: int, arrived_ms: int, n: int = 1, size: int = 1) -> Slab:
    return Slab(topic, offset, arrived_ms, [b"x" * size] * n)


def opened(**positions: int) -> Lane:
    lane = Lane(3)
    lane.open(positions or {EMAIL: 0, SMS: 0})
    return lane


def offsets(slabs: list[Slab]) -> list[tuple[str, int, int]]:
    return [(s.topic, s.offset, len(s.values)) for s in slabs]


def test_topics_are_merged_by_the_brokers_time() -> None:
    lane = opened()
    for one in (slab(EMAIL, 0, 10), slab(EMAIL, 1, 30), slab(SMS, 0, 20), slab(SMS, 1, 40)):
        assert lane.feed(one) is None
    assert offsets(lane.cut(10, 0.0).slabs) == [(EMAIL, 0, 1), (SMS, 0, 1), (EMAIL, 1, 1), (SMS, 1, 1)]


def test_topics_of_one_millisecond_stand_in_the_order_of_the_flow_whoever_was_fetched_first() -> None:
    batches = []
    for fetched in ((slab(SMS, 0, 10), slab(EMAIL, 0, 10)), (slab(EMAIL, 0, 10), slab(SMS, 0, 10))):
        lane = opened()
        for one in fetched:
            lane.feed(one)
        batches.append(offsets(lane.cut(10, 0.0).slabs))
    assert batches == [[(EMAIL, 0, 1), (SMS, 0, 1)]] * 2


def test_a_clock_that_steps_back_does_not_reorder_a_topic() -> None:
    lane = opened()
    for one in (slab(EMAIL, 0, 50), slab(EMAIL, 1, 10), slab(SMS, 0, 20)):
        lane.feed(one)
    assert offsets(lane.cut(10, 0.0).slabs) == [(SMS, 0, 1), (EMAIL, 0, 1), (EMAIL, 1, 1)]


def test_whatever_arrives_each_topic_keeps_its_order_and_nothing_is_lost(seed: int) -> None:
    rng = random.Random(seed)
    lane, fed, got = opened(), dict.fromkeys((EMAIL, SMS), 0), defaultdict(list)
    for _ in range(400):
        topic, n = rng.choice((EMAIL, SMS)), rng.randint(1, 7)
        lane.feed(slab(topic, fed[topic], rng.randint(0, 50), n))
        fed[topic] += n
        if rng.random() < 0.3 and lane.events:
            batch = lane.cut(rng.randint(1, 9), 0.0)
            assert batch.events == sum(len(s.values) for s in batch.slabs)
            for one in batch.slabs:
                got[one.topic] += range(one.offset, one.offset + len(one.values))
    while lane.events:
        for one in lane.cut(5, 0.0).slabs:
            got[one.topic] += range(one.offset, one.offset + len(one.values))
    assert {topic: list(range(n)) for topic, n in fed.items()} == got
    assert lane.size == 0


def test_a_batch_is_cut_inside_a_slab_at_its_number_of_events() -> None:
    lane = opened()
    lane.feed(slab(EMAIL, 0, 1, 10))
    first = lane.cut(4, 0.0)
    assert (lane.events, lane.size) == (6, 6)
    second = lane.cut(100, 0.0)
    assert offsets(first.slabs) == [(EMAIL, 0, 4)]
    assert first.next_offsets() == {EMAIL: 4}
    assert offsets(second.slabs) == [(EMAIL, 4, 6)]


def test_a_batch_is_cut_at_its_bytes() -> None:
    lane = opened()
    half = lanes.BATCH_BYTES_MAX // 2
    lane.feed(slab(EMAIL, 0, 1, 2, half))
    lane.feed(slab(SMS, 0, 2, 1, 1))
    assert offsets(lane.cut(100, 0.0).slabs) == [(EMAIL, 0, 2)]
    assert offsets(lane.cut(100, 0.0).slabs) == [(SMS, 0, 1)]


def test_an_event_larger_than_a_batch_still_makes_one() -> None:
    lane = opened()
    lane.feed(slab(EMAIL, 0, 1, 2, lanes.BATCH_BYTES_MAX + 1))
    assert offsets(lane.cut(100, 0.0).slabs) == [(EMAIL, 0, 1)]
    assert offsets(lane.cut(100, 0.0).slabs) == [(EMAIL, 1, 1)]


def test_a_lane_is_full_at_its_events_and_not_one_before() -> None:
    lane, batch = opened(), 10
    lane.feed(slab(EMAIL, 0, 1, lanes.BUFFER_BATCHES * batch - 1))
    assert not lane.full(batch)
    lane.feed(slab(SMS, 0, 1))
    assert lane.full(batch)


def test_a_lane_is_full_at_its_bytes_and_not_one_before() -> None:
    lane = opened()
    lane.feed(slab(EMAIL, 0, 1, 1, lanes.BUFFER_BYTES_MAX - 1))
    assert not lane.full(10)
    lane.feed(slab(SMS, 0, 1, 1, 1))
    assert lane.full(10)


def test_values_that_are_none_take_no_room() -> None:
    lane = opened()
    lane.feed(Slab(EMAIL, 0, 1, [None, b"ab", None]))
    assert (lane.events, lane.size) == (3, 2)


def test_what_came_before_the_position_is_left_out() -> None:
    lane = opened(**{EMAIL: 5})
    assert lane.feed(slab(EMAIL, 3, 1, 4)) is None
    assert offsets(lane.cut(10, 0.0).slabs) == [(EMAIL, 5, 2)]


def test_a_gap_is_told_and_nothing_is_taken() -> None:
    lane = opened(**{EMAIL: 5})
    assert lane.feed(slab(EMAIL, 7, 1)) == Gap(EMAIL, 5, 7)
    assert lane.events == 0


def test_a_slab_wholly_before_the_position_is_a_gap_too_and_not_left_out_in_silence() -> None:
    lane = opened(**{EMAIL: 5})
    assert lane.feed(slab(EMAIL, 0, 1, 5)) == Gap(EMAIL, 5, 0)
    assert lane.feed(slab(EMAIL, 2, 1, 1)) == Gap(EMAIL, 5, 2)
    assert lane.events == 0
    assert lane.feed(slab(EMAIL, 5, 1, 1)) is None


@pytest.mark.parametrize(
    ("gap", "what"),
    [
        (Gap(EMAIL, 5, 7), "events.email: it has no offsets 5 to 6: they were deleted before they were read"),
        (Gap(EMAIL, 5, 2), "events.email: it gives offset 2 again, where 5 comes next"),
        (Gap(EMAIL, 5, 5), "events.email: the broker does not give offset 5, which comes next"),
    ],
)
def test_a_gap_met_again_is_told_with_what_why_and_what_to_do(gap: Gap, what: str) -> None:
    refusal = str(gap.refusal())
    assert refusal.startswith(what)
    assert "Going on would skip or recount events; nothing was skipped. Restore them, or recreate" in refusal


def test_a_lane_waits_from_its_last_batch_on_and_not_when_a_batch_is_full() -> None:
    lane = opened()
    lane.feed(slab(EMAIL, 0, 1, 3))
    assert lane.wait(100.0, 0.25, 10) == 0.0, "its first batch waits for nothing"
    lane.cut(1, 100.0)
    assert lane.wait(100.0, 0.25, 10) == 0.25
    assert lane.wait(100.25, 0.25, 10) == 0.0
    assert lane.wait(100.0, 0.25, 2) == 0.0


def test_closing_ends_the_epoch_and_forgets_what_is_buffered() -> None:
    lane = opened()
    lane.feed(slab(EMAIL, 0, 1, 3))
    batch = lane.cut(2, 0.0)
    lane.close()
    assert lane.epoch == batch.epoch + 1
    assert (lane.out, lane.ready, lane.events, lane.size) == (None, False, 0, 0)


def test_what_is_at_work_counts_as_held_until_it_is_finished_and_all_lanes_count_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "HELD_BYTES_MAX", 60)
    one, other = opened(), opened()
    one.feed(slab(EMAIL, 0, 10, 4, size=10))
    assert (one.held, lanes.crowded([one, other])) == (40, False)
    batch = one.cut(3, 0.0)
    assert (batch.size, one.size, one.held) == (30, 10, 40)
    other.feed(slab(EMAIL, 0, 10, 1, size=19))
    assert not lanes.crowded([one, other])
    other.feed(slab(EMAIL, 1, 10, 1, size=1))
    assert lanes.crowded([one, other])
    one.out = None
    assert (one.held, lanes.crowded([one, other])) == (10, False)
    one.close()
    assert one.held == 0
