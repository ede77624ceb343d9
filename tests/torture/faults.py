"""What the nemesis does in a round: kinds of faults, and the plan of a seed. Pure.

A plan is drawn before anything runs: the same seed gives the same faults at the same seconds on the same victims.
What a victim does at that moment is up to the machine.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

WORKERS = ("worker-1", "worker-2", "worker-3")
SINKS = ("sink-1", "sink-2")
PRODUCERS = ("producer-1", "producer-2")
BROKER, ENGINE, PROXY = "broker", "clickhouse", "proxy"
CLOCK = "the broker's clock"
CLUSTER, RIVAL, JOINER, STATE_DISK = "cluster", "rival", "joiner", "state disk"


class Kind(StrEnum):
    """A kind of fault."""

    KILL_WORKER = "kill a worker"
    KILL_SINK = "kill a sink"
    KILL_PRODUCER = "kill a producer"
    KILL_BROKER = "kill the broker"
    KILL_CLICKHOUSE = "kill ClickHouse"
    KILL_INSERTING = "kill ClickHouse during an insert"
    KILL_SEVERAL = "kill several at once"
    STOP_WORKER = "stop a worker beyond its session"
    STOP_SINK = "stop a sink beyond its session"
    RIVAL = "a second group writes to the journal"
    ROLLING = "rolling restart"
    JOIN = "a worker joins and leaves"
    SNAPSHOTS = "damage a worker's snapshots"
    REWIND = "rewind the sinks' offsets"
    POWER_LOSS = "cut the journal's tail off"
    FULL_STATE = "fill the workers' disk"
    FULL_CLICKHOUSE = "fill ClickHouse's disk"
    RESET = "reset the workers' connections"
    DROP = "swallow the workers' packets"
    DELAY = "delay the workers' packets"
    CLOCK = "jump the broker's clock"


class Fault(NamedTuple):
    """One fault: seconds after the load began, what, on whom, for how long; `dice` seeds what else it draws."""

    at: float
    kind: Kind
    victims: tuple[str, ...]
    seconds: float
    dice: int


class Shape(NamedTuple):
    """How often a kind is drawn, whom it may meet, how long it lasts (seconds from, to), whom else it keeps busy."""

    weight: int
    victims: Sequence[str]
    shortest: float
    longest: float
    also: Sequence[str] = ()


SESSION_SECONDS = 6.0  # of a worker; a sink's is 10
_EVERYBODY = (*WORKERS, *SINKS, *PRODUCERS, BROKER, ENGINE)
SHAPES: Mapping[Kind, Shape] = {
    Kind.KILL_WORKER: Shape(6, WORKERS, 0.0, 3.0),
    Kind.KILL_SINK: Shape(4, SINKS, 0.0, 3.0),
    Kind.KILL_PRODUCER: Shape(2, PRODUCERS, 0.0, 1.0),
    Kind.KILL_BROKER: Shape(2, (BROKER,), 0.2, 4.0),
    Kind.KILL_CLICKHOUSE: Shape(2, (ENGINE,), 0.2, 4.0),
    Kind.KILL_INSERTING: Shape(2, (ENGINE,), 0.0, 2.0),
    Kind.KILL_SEVERAL: Shape(2, _EVERYBODY, 0.0, 3.0),
    Kind.STOP_WORKER: Shape(4, WORKERS, SESSION_SECONDS + 1, 11.0),
    Kind.STOP_SINK: Shape(2, SINKS, 11.0, 14.0),
    Kind.RIVAL: Shape(2, (RIVAL,), 5.0, 9.0),
    Kind.ROLLING: Shape(1, (CLUSTER,), 8.0, 8.0, (*WORKERS, *SINKS)),
    Kind.JOIN: Shape(2, (JOINER,), 4.0, 8.0),
    Kind.SNAPSHOTS: Shape(3, WORKERS, 0.0, 1.0),
    Kind.REWIND: Shape(1, (CLUSTER,), 12.0, 12.0, (*SINKS, BROKER)),
    Kind.POWER_LOSS: Shape(1, (BROKER,), 0.2, 2.0),
    Kind.FULL_STATE: Shape(2, (STATE_DISK,), 3.0, 8.0),
    Kind.FULL_CLICKHOUSE: Shape(1, (ENGINE,), 3.0, 6.0),
    Kind.RESET: Shape(2, (PROXY,), 0.5, 2.0),
    Kind.DROP: Shape(2, (PROXY,), 2.0, 8.0),
    Kind.DELAY: Shape(2, (PROXY,), 3.0, 8.0),
    Kind.CLOCK: Shape(2, (CLOCK,), 2.0, 8.0),
}
SEVERAL = (2, 3, 3, 4)  # how many die at once
FIRST_SECONDS = 1.5  # load before the first fault
START_SECONDS = 1.5  # a process that was started again lives that long before it is a victim again
SERVER_START_SECONDS = 6.0  # the broker and the engine answer again by then
_DRAWS_MAX = 1_000  # of a kind that finds everybody busy


def plan(seed: int, seconds: float, count: int, kinds: Collection[Kind] = tuple(Kind)) -> list[Fault]:
    """The faults of a seed, in the order of time; nobody is a victim twice at a time. `kinds` restricts them.

    Raises:
        ValueError: no kind, no time, or more faults than fit.
    """
    if not kinds or seconds <= FIRST_SECONDS:
        raise ValueError(f"{len(kinds)} kinds of faults in {seconds:g} s: nothing can be planned")
    dice = random.Random(f"{seed} faults")
    free: dict[str, float] = {}
    return [
        _fault(dice, at, sorted(kinds), free)
        for at in sorted(dice.uniform(FIRST_SECONDS, seconds) for _ in range(count))
    ]


def every_process(seed: int, seconds: float) -> list[Fault]:
    """One kill of a process of every kind, in an order that is drawn, evenly over the time."""
    dice = random.Random(f"{seed} every process")
    kinds = [Kind.KILL_WORKER, Kind.KILL_SINK, Kind.KILL_PRODUCER, Kind.KILL_BROKER, Kind.KILL_CLICKHOUSE]
    dice.shuffle(kinds)
    step = (seconds - FIRST_SECONDS) / len(kinds)
    return [_fault(dice, FIRST_SECONDS + number * step, [kind], {}) for number, kind in enumerate(kinds)]


def _fault(dice: random.Random, at: float, kinds: Sequence[Kind], free: dict[str, float]) -> Fault:
    weights = [SHAPES[kind].weight for kind in kinds]
    for _ in range(_DRAWS_MAX):
        (kind,) = dice.choices(kinds, weights)
        shape = SHAPES[kind]
        n = dice.choice(SEVERAL) if kind is Kind.KILL_SEVERAL else 1
        idle = [victim for victim in shape.victims if free.get(victim, 0.0) <= at]
        if len(idle) < n or any(free.get(other, 0.0) > at for other in shape.also):
            continue
        victims = tuple(dice.sample(idle, n))
        lasts = round(dice.uniform(shape.shortest, shape.longest), 2)
        for victim in (*victims, *shape.also):
            free[victim] = at + lasts + (SERVER_START_SECONDS if victim in (BROKER, ENGINE) else START_SECONDS)
        return Fault(round(at, 2), kind, victims, lasts, dice.randrange(1 << 32))
    raise ValueError(f"at {at:.1f} s everybody is busy: plan fewer faults, more time or more kinds")
