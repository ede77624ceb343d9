"""Room: bounds hold at the bound and one past it; what is taken is given back once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.collect.room import MESSAGE_BYTES, Lease, Room
from tests.property.budget import examples


def entered(room: Room) -> Lease:
    lease = room.enter()
    assert lease is not None
    return lease


def test_as_many_requests_are_at_work_as_the_bound_says() -> None:
    room = Room(2, 100, 10)
    first = entered(room)
    entered(room)
    assert room.enter() is None
    first.leave()
    first.leave()
    assert room.requests == 1
    entered(room)


def test_bytes_are_held_up_to_the_bound_and_not_one_more() -> None:
    room = Room(9, 100, 10)
    entered(room).hold(40)
    late = entered(room)
    assert late.hold(60)
    assert not late.hold(61)
    assert (room.bytes, late.bytes) == (100, 60)
    assert late.hold(10)
    assert room.bytes == 50


def test_events_are_held_up_to_the_bound_and_not_one_more() -> None:
    room = Room(9, 10**9, 10)
    entered(room).hold_messages(4, 1)
    late = entered(room)
    assert not late.hold_messages(7, 1)
    assert late.hold_messages(6, 1)
    assert room.events == 10
    assert late.bytes == 1 + 6 * MESSAGE_BYTES


def test_a_request_that_is_alone_finds_room_whatever_its_size() -> None:
    room = Room(9, 100, 10)
    alone = entered(room)
    assert alone.hold(1_000)
    assert alone.hold_messages(50, 5_000)
    assert not entered(room).hold(1)


@examples()
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60), st.integers(0, 6), st.booleans()), max_size=40))
def test_whatever_comes_and_goes_nothing_is_left_when_all_have_left(steps: list[tuple[int, int, int, bool]]) -> None:
    room = Room(4, 100, 10)
    leases: list[Lease] = []
    for which, size, count, leaves in steps:
        if (lease := room.enter()) is not None:
            leases.append(lease)
        one = leases[which % len(leases)]
        if leaves:
            one.leave()
            leases.remove(one)
        else:
            one.hold(size)
            one.hold_messages(count, size)
        assert room.requests == len(leases)
        assert room.bytes == sum(lease.bytes for lease in leases)
        assert room.events == sum(lease.events for lease in leases)
        assert room.bytes <= 100 or any(lease.bytes == room.bytes for lease in leases)
        if not leases:
            leases.append(entered(room))
    for lease in leases:
        lease.leave()
    assert (room.requests, room.bytes, room.events) == (0, 0, 0)
