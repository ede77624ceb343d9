"""What each kind of fault does, and how it is undone. A deed returns what else there is to tell of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from connectors.clickhouse.service import Refused, Service, Unavailable
from connectors.clickhouse.settings import target
from pipeline.topics import JOURNAL, physical
from tests.torture import damage, rewind
from tests.torture.disk import SmallDisk
from tests.torture.faults import BROKER, SINKS, WORKERS, Fault, Kind
from tests.torture.proxy import Way
from tests.torture.world import PARTITIONS

if TYPE_CHECKING:
    from tests.torture.nemesis import Nemesis

HOUR = 3600.0
# Of the broker's clock; less than the source topics' retention, by which it would delete what nobody has read.
JUMPS = (-2 * 24 * HOUR, -HOUR, -60.0, -5.0, 5.0, 60.0, HOUR, 24 * HOUR, 3 * 24 * HOUR)
CUT_BATCHES = (1, 1, 2, 3)  # record batches of a partition's journal that a power loss takes
INSERT_SECONDS = 3.0  # how long an insert is waited for, to kill the engine in its middle
ROLL_SECONDS = 1.5  # between two processes of a rolling restart
END_SECONDS = 20.0  # a process that was told to end has ended by then, or is killed
LOOK_SECONDS = 0.2
EMPTY_SECONDS = 20.0  # a sink with a name stays in its group until its session is over, 10 s after it ended
QUERY_SECONDS = 2
CUT_BYTES_MAX = 20_000  # of a connection before it is reset: a request or two, an append among them
DELAYS_MS = (20, 100, 400)

Deed = Callable[["Nemesis", Fault, random.Random], str]


def kill(nemesis: Nemesis, fault: Fault, dice: random.Random) -> str:
    """SIGKILL to all victims at once; each starts again at a time of its own."""
    for name in fault.victims:
        nemesis.kill(name)
    for name in fault.victims:
        nemesis.start_later(name, fault.seconds * (1.0 if len(fault.victims) == 1 else dice.random()))
    return ""


def kill_inserting(nemesis: Nemesis, fault: Fault, dice: random.Random) -> str:
    """SIGKILL to the engine while an insert is at work in it."""
    service = Service(target(nemesis.world.settings), QUERY_SECONDS)
    asked = "SELECT count() FROM system.processes WHERE query_kind = 'Insert'"
    deadline = time.monotonic() + INSERT_SECONDS
    inserting = False
    while not inserting and time.monotonic() < deadline:
        try:
            inserting = bool(service.query(asked).rows[0][0])
        except (Unavailable, Refused):
            break
    service.close()
    kill(nemesis, fault, dice)
    return "an insert was at work" if inserting else "no insert was met"


def pause(nemesis: Nemesis, fault: Fault, _dice: random.Random) -> str:
    """SIGSTOP, and SIGCONT after the group has given its partitions away."""
    (name,) = fault.victims
    nemesis.world.processes.pause(name)
    nemesis.later(fault.seconds, lambda: nemesis.world.processes.resume(name), f"SIGCONT to {name}")
    return ""


def rival(nemesis: Nemesis, fault: Fault, _dice: random.Random) -> str:
    """A worker of another group decides the same events and writes to the same journal."""
    (name,) = fault.victims
    nemesis.world.add_worker(name, f"{nemesis.world.name}.rivals")
    nemesis.later(fault.seconds, lambda: nemesis.world.processes.kill(name), f"SIGKILL to the {name}")
    return ""


def join(nemesis: Nemesis, fault: Fault, dice: random.Random) -> str:
    """One more worker of the group, which leaves again: cleanly or not."""
    (name,) = fault.victims
    processes = nemesis.world.processes
    leave, words = dice.choice(((processes.terminate, "SIGTERM"), (processes.kill, "SIGKILL")))
    nemesis.world.add_worker(name)
    nemesis.later(fault.seconds, lambda: leave(name), f"{words} to the {name}")
    return ""


def roll(nemesis: Nemesis, _fault: Fault, dice: random.Random) -> str:
    """Every worker and sink is told to end and started again, one after the other."""
    names = [*WORKERS, *SINKS]
    dice.shuffle(names)
    for number, name in enumerate(names):
        nemesis.later(number * ROLL_SECONDS, lambda name=name: _restart(nemesis, name), f"SIGTERM to {name}")
    return ""


def _restart(nemesis: Nemesis, name: str) -> None:
    processes = nemesis.world.processes
    deadline = time.monotonic() + END_SECONDS
    processes.terminate(name)

    def start_once_ended() -> None:
        if processes[name].lives and time.monotonic() < deadline:
            nemesis.later(LOOK_SECONDS, start_once_ended)
            return
        processes.kill(name)
        processes.start(name)

    nemesis.later(LOOK_SECONDS, start_once_ended)


def damage_snapshots(nemesis: Nemesis, fault: Fault, dice: random.Random) -> str:
    """A worker dies, and finds its snapshots deleted, cut or overwritten."""
    (name,) = fault.victims
    nemesis.kill(name)
    told = damage.snapshots(nemesis.world.state_of(name), dice)
    nemesis.start_later(name, fault.seconds)
    return told


def power_loss(nemesis: Nemesis, fault: Fault, dice: random.Random) -> str:
    """The broker dies, and the last records of a journal partition were never on its disk."""
    nemesis.kill(BROKER)
    journal = physical(nemesis.world.settings.topics.prefix, JOURNAL)
    partition = dice.randrange(PARTITIONS)
    cut = nemesis.world.stage.broker.cut_tail(journal, partition, dice.choice(CUT_BATCHES))
    nemesis.start_later(BROKER, fault.seconds)
    return f"journal partition {partition} lost the offsets {cut.first} to {cut.end - 1}" if cut.batches else "nothing"


def rewind_offsets(nemesis: Nemesis, _fault: Fault, dice: random.Random) -> str:
    """The sinks are ended, and their offsets of a partition set back to what they have committed before."""
    for name in SINKS:
        nemesis.world.processes.terminate(name)
    deadline = time.monotonic() + EMPTY_SECONDS

    def once_empty() -> None:
        try:
            nemesis.note(f"  {_set_back(nemesis, dice)}")
        except (rewind.StillTaken, TimeoutError) as error:
            if time.monotonic() < deadline:
                nemesis.later(LOOK_SECONDS, once_empty)
                return
            nemesis.note(f"  nothing was set back: {error}")
        for name in SINKS:
            nemesis.world.processes.kill(name)
            nemesis.start_later(name, 0.0)

    nemesis.later(LOOK_SECONDS, once_empty)
    return ""


def _set_back(nemesis: Nemesis, dice: random.Random) -> str:
    world = nemesis.world
    journal = physical(world.settings.topics.prefix, JOURNAL)
    place = rewind.Place(world.settings.sink.group_id, journal, dice.randrange(PARTITIONS))
    committed = rewind.history(world.stage.broker.address, place)
    if not committed:
        return "nothing was committed yet"
    position = dice.choice(committed)
    rewind.rewind(world.stage.broker.address, place, position)
    return f"journal partition {place.partition} from {committed[-1]} to {position}"


def fill_state(nemesis: Nemesis, fault: Fault, _dice: random.Random) -> str:
    """No snapshot can be written any more."""
    return _fill(nemesis, nemesis.world.stage.state_disk, fault.seconds, "the workers' disk")


def fill_engine(nemesis: Nemesis, fault: Fault, _dice: random.Random) -> str:
    """No insert can be written any more."""
    return _fill(nemesis, nemesis.world.stage.engine_disk, fault.seconds, "ClickHouse's disk")


def _fill(nemesis: Nemesis, disk: SmallDisk | None, seconds: float, name: str) -> str:
    assert disk is not None, "without a small disk this kind is left out"
    disk.fill()
    nemesis.later(seconds, disk.free, f"{name} has room again")
    return ""


def reset(nemesis: Nemesis, fault: Fault, dice: random.Random) -> str:
    """All connections of workers are reset: at once, at once and refused for a while, or in the middle of a request."""
    proxy = nemesis.world.stage.proxy
    way = dice.choice(("at once", "and refused", "in the middle of a request"))
    if way == "in the middle of a request":
        proxy.cut_after(dice.randrange(CUT_BYTES_MAX))
    else:
        proxy.reset()
    if way == "and refused":
        proxy.refuse()
    nemesis.later(fault.seconds, proxy.heal, "connections last again")
    return way


def drop(nemesis: Nemesis, fault: Fault, dice: random.Random) -> str:
    """What workers send, what they are sent, or both, vanishes."""
    proxy = nemesis.world.stage.proxy
    way = dice.choice(list(Way))
    proxy.drop(way)
    nemesis.later(fault.seconds, proxy.heal, "packets flow again")
    return way.value


def delay(nemesis: Nemesis, fault: Fault, dice: random.Random) -> str:
    """What workers send and are sent comes late."""
    milliseconds = dice.choice(DELAYS_MS)
    nemesis.world.stage.proxy.delay(milliseconds, milliseconds // 2)
    nemesis.later(fault.seconds, nemesis.world.stage.proxy.heal, "packets are fast again")
    return f"{milliseconds} ms"


def jump(nemesis: Nemesis, fault: Fault, dice: random.Random) -> str:
    """The broker's time of day jumps, and back."""
    seconds, clock = dice.choice(JUMPS), nemesis.world.stage.clock
    clock.jump(seconds)
    nemesis.later(fault.seconds, clock.true, "the broker's clock is true again")
    return f"by {seconds:g} s"


DEEDS: Mapping[Kind, Deed] = {
    Kind.KILL_WORKER: kill,
    Kind.KILL_SINK: kill,
    Kind.KILL_PRODUCER: kill,
    Kind.KILL_BROKER: kill,
    Kind.KILL_CLICKHOUSE: kill,
    Kind.KILL_INSERTING: kill_inserting,
    Kind.KILL_SEVERAL: kill,
    Kind.STOP_WORKER: pause,
    Kind.STOP_SINK: pause,
    Kind.RIVAL: rival,
    Kind.ROLLING: roll,
    Kind.JOIN: join,
    Kind.SNAPSHOTS: damage_snapshots,
    Kind.REWIND: rewind_offsets,
    Kind.POWER_LOSS: power_loss,
    Kind.FULL_STATE: fill_state,
    Kind.FULL_CLICKHOUSE: fill_engine,
    Kind.RESET: reset,
    Kind.DROP: drop,
    Kind.DELAY: delay,
    Kind.CLOCK: jump,
}
