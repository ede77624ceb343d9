"""Slabs and batches: what the transport hands over, and how a batch is halved."""

from __future__ import annotations

import pytest

from pipeline.core.batch import Slab, halves


def slab(topic: str, offset: int, count: int) -> Slab:
    return Slab(topic, offset, 1000, [f"{topic} {offset + n}".encode() for n in range(count)])


def spread(slabs: list[Slab]) -> list[tuple[str, int, bytes | None]]:
    return [(s.topic, s.offset + n, value) for s in slabs for n, value in enumerate(s.values)]


def test_a_split_slab_keeps_topic_time_and_offsets() -> None:
    head, tail = slab("events.email", 10, 5).split(2)
    assert (head.offset, len(head.values), tail.offset, len(tail.values)) == (10, 2, 12, 3)
    assert spread([head, tail]) == spread([slab("events.email", 10, 5)])
    assert tail.arrived_ms == 1000


@pytest.mark.parametrize("sizes", [(2,), (3,), (1, 1), (5, 1), (1, 5), (2, 2, 2), (1, 1, 1, 1, 7)])
def test_halves_keep_every_event_and_the_order_and_neither_is_empty(sizes: tuple[int, ...]) -> None:
    whole = [slab(f"events.{n}", 100 * n, size) for n, size in enumerate(sizes)]
    first, second = halves(whole)
    assert spread([*first, *second]) == spread(whole)
    assert len(spread(first)) == sum(sizes) // 2
    assert all(part.values for part in (*first, *second))


def test_one_event_has_an_empty_first_half() -> None:
    only = [slab("events.email", 0, 1)]
    assert halves(only) == ([], only)
