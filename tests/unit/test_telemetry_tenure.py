"""Who may be spoken for: partitions whose lane is ready, while a heartbeat of this member was answered lately."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.protocol.group import HeartbeatRequest
from prometheus_client import generate_latest

from pipeline import metrics
from pipeline.core.accounts import Accounts, Cycle
from pipeline.core.batch import Slab
from pipeline.core.record import Plan
from pipeline.telemetry.allowance import NOTHING, Seen, samples
from pipeline.telemetry.selection import Choice, select
from pipeline.telemetry.tenure import Tenure
from pipeline.transport.app import LEASE_S, REBALANCE_S, SESSION_S
from pipeline.transport.lanes import Lane
from pipeline.transport.session import follow

DAY_S = 86_400
PLAN = Plan("acme", 10, 1, "UTC", (0.8,), None, 0, 1)


class World:
    """A tenure on a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.tenure = Tenure(6.0, lambda: self.now)
        self.lane = Lane(3)
        self.tenure.assign({3})

    def open(self) -> None:
        self.lane.open({})
        self.tenure.open(self.lane)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.tenure.assign(())


def exposed() -> str:
    return generate_latest(metrics.REGISTRY).decode()


def test_a_partition_is_held_for_a_lease_from_when_the_answered_heartbeat_was_sent(world: World) -> None:
    world.open()
    assert world.tenure.epochs() == {}, "no heartbeat was answered yet"
    world.tenure.confirm(world.now)
    world.now += 5.9
    assert world.tenure.epochs() == {3: world.lane.epoch}
    world.now += 0.1
    assert world.tenure.epochs() == {}
    world.tenure.confirm(world.now)
    assert world.tenure.epochs() == {3: world.lane.epoch}


def test_the_lease_is_no_longer_than_the_group_waits_for_a_member_that_is_silent() -> None:
    assert min(SESSION_S, REBALANCE_S) >= LEASE_S


def test_a_lane_that_is_not_ready_is_not_held(world: World) -> None:
    world.tenure.confirm(world.now)
    assert world.tenure.epochs() == {}
    world.open()
    world.tenure.close(3)
    assert world.tenure.epochs() == {}
    world.lane.close()
    world.open()
    assert world.tenure.epochs() == {3: 1}, "another epoch than before"


def test_a_worker_that_leaves_holds_nothing(world: World) -> None:
    world.open()
    world.tenure.confirm(world.now)
    world.tenure.leave()
    assert world.tenure.epochs() == {}
    assert 'tally_lane_ready{partition="3"} 0.0' in exposed()


def test_gauges_of_a_partition_leave_with_it_also_those_that_were_set_meanwhile(world: World) -> None:
    world.open()
    metrics.LAG_RECORDS.labels("events.sms", 3).set(1)
    assert 'partition="3"' in exposed()
    world.tenure.assign({1})
    assert 'partition="3"' not in exposed()
    assert world.tenure.ready == {}
    metrics.SNAPSHOT_TIMESTAMP_SECONDS.labels(3).set(1)
    world.tenure.sweep()
    assert 'partition="3"' not in exposed()


def test_only_a_heartbeat_without_an_error_confirms(world: World) -> None:
    world.open()
    answers = [SimpleNamespace(error_code=27), SimpleNamespace(error_code=25), SimpleNamespace(error_code=0)]

    class Client:
        async def send(self, node: int, request: Any, *, group: object = None) -> Any:
            return answers.pop(0)

    client = Client()
    follow(client, world.tenure)

    async def sent(request: Any) -> dict[int, int]:
        world.now = asyncio.get_running_loop().time()
        await client.send(0, request, group=1)
        world.now = asyncio.get_running_loop().time()
        return world.tenure.epochs()

    beat = HeartbeatRequest("g", 1, "m")
    assert [asyncio.run(sent(beat)) for _ in range(3)] == [{}, {}, {3: 0}], (
        "a rebalance and a member forgotten are none"
    )
    world.tenure.confirm(float("-inf"))
    answers.append(SimpleNamespace(error_code=0))
    assert asyncio.run(sent(object())) == {}


def seen() -> Seen:
    """An account of a cycle that ends on day 30, on partition 3 in epoch 0."""
    made = Accounts({"acme": {0: Cycle(30 * DAY_S * 10**6, 9, 9, frozenset())}}, {"acme": (PLAN,)})
    return Seen(select({3: made}, 10**6, Choice(Fraction("0.8"), 5), 77.0), {3: 0})


def shown(held: dict[int, int], now: float, look: Seen | None = None) -> dict[str, float]:
    found = samples(look or seen(), held, now)
    return {" ".join((family.name.removeprefix("tally_allowance_"), *labels)): value for family, labels, value in found}


def test_an_account_is_shown_until_its_cycle_ends_by_this_machine_s_clock() -> None:
    during, after = shown({3: 0}, 30 * DAY_S - 1), shown({3: 0}, 30 * DAY_S)
    assert {name: value for name, value in during.items() if "acme" in name} == {
        "used acme": 9, "remaining acme": 1, "ratio acme": 0.9, "cycle_end_timestamp_seconds acme": 30 * DAY_S,
    }  # fmt: skip
    assert not [name for name in after if "acme" in name]


@pytest.mark.parametrize("held", [{}, {2: 0}, {3: 1}])
def test_an_account_of_a_partition_that_is_not_held_in_the_look_s_epoch_is_not_shown(held: dict[int, int]) -> None:
    found = shown(held, 5.0)
    assert not [name for name in found if "acme" in name]
    assert (found["accounts 0.9-1.0"], found["series_dropped"]) == (0, 0)


def test_counts_are_there_before_the_first_look() -> None:
    found = shown({}, 5.0, NOTHING)
    assert (found["accounts no_plan"], found["series_dropped"], "looked_timestamp_seconds" in found) == (0, 0, False)
    assert shown({}, 5.0)["looked_timestamp_seconds"] == 77.0


def test_a_lane_waits_since_the_oldest_event_that_is_not_decided() -> None:
    lane = Lane(0)
    lane.open({"events.email": 0, "events.sms": 0})
    for topic, offset, at in (("events.email", 0, 50), ("events.sms", 0, 70), ("events.email", 2, 60)):
        lane.feed(Slab(topic, offset, at, [b"", b""]))
    assert lane.waiting_since() == {"events.email": 50, "events.sms": 70}
    batch = lane.cut(2, 0.0)
    assert lane.waiting_since() == {"events.email": 50, "events.sms": 70}, "what is handed out is not decided yet"
    lane.out = None
    assert (batch.events, lane.waiting_since()) == (2, {"events.email": 60, "events.sms": 70})
