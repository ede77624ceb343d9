"""How long an event waits from Kafka's append to its journal record's, and what the worker uses, at a given pace.

    python -m tests.bench.latency_bench [--rates 25000] [--shares 0.1 0.5 0.9] [--seconds 5] [--maximum 180000]

Both times are the broker's (LogAppendTime), of the event and of its journal record; every event counts once, those of
the first WARM_SECONDS of a pace not at all. One worker stays up for all paces of a world, which take turns; at the end
its journal must say exactly what was published. Four partitions for the paces and for the fixed cost of a batch, which
is that of small batches of BURST_EVENTS, less the idle worker and MARGINAL_US an event; twelve for light load and idle.
The shares are of the maximum: the rate at which a worker reads a backlog here, measured in the same run unless given.
Load, broker and worker share the machine: a pace that the load itself cannot keep is said and has no figures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pipeline.topics import SOURCE_TOPICS
from tests.bench.aims import CORES, MS, S
from tests.bench.core_world import MEASURED_EVENTS, Size
from tests.bench.results import Figure, options, run
from tests.bench.worker_bench import measured
from tests.bench.worker_journal import Fates, Journaled
from tests.bench.worker_world import Workers, World, used_between, world
from tests.options import number, whole

WARM_SECONDS = 1.5
SETTLE_SECONDS = 2.0  # behind a pace, until the last events are decided and committed
BEHIND_SECONDS_MAX = 0.25  # of the load behind its own pace
BURST_EVENTS, BURST_MS = 10, 100.0  # of one lane; its batches hold one or a few, as its wait demands
MARGINAL_US = 4.0  # an event's own cost, as the backlog shows it
LIGHT_RATE, LIGHT_PARTITIONS = 1_000.0, 12
NAMED_RATE = 25_000.0
QUICK_SECONDS, QUICK_IDENTITIES = 3.0, 100_000
BACKLOG_EVENTS = 600_000  # what the maximum is measured on


class Pace(NamedTuple):
    """A load: events a second, of how many accounts, in slices of so many milliseconds; no rate: idle."""

    name: str
    rate: float
    accounts: int = 300
    slice_ms: float = 10.0


class Window(NamedTuple):
    """When a pace was measured, Unix seconds."""

    first: float
    last: float


class Waited(NamedTuple):
    """What became of a pace in one round."""

    p50_ms: float
    p99_ms: float
    cores: float
    broker_cores: float
    batches_s: float
    rate: float


IDLE = Pace("idle", 0.0)
LIGHT = Pace(f"light load, {LIGHT_RATE:,.0f} events/s", LIGHT_RATE)
BURSTS = Pace("batches alone", BURST_EVENTS * 1000 / BURST_MS, accounts=1, slice_ms=BURST_MS)


class Loaded:
    """A world with one worker, and what was published to it so far."""

    def __init__(self, here: World, running: Workers) -> None:
        self.here, self.running = here, running
        self.published = Fates(0, 0, 0)
        self.windows: list[tuple[Pace, Window]] = []

    def run(self, pace: Pace, seconds: float) -> None:
        """Hold a pace for so long; note when it was held."""
        if pace.rate == 0:
            began = time.time()
            time.sleep(seconds)
            self.windows.append((pace, Window(began, time.time())))
            return
        command = ["--rate", str(pace.rate), "--seconds", str(seconds), "--slice-ms", str(pace.slice_ms)]
        command += ["--accounts", str(pace.accounts), "--seed", str(100 + len(self.windows))]
        load = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.paced_load", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert load.stdin is not None
        assert load.stdout is not None
        assert load.stdout.readline() == "ready\n", "the load did not get ready"
        said = json.loads(load.communicate("go\n")[0])
        self.published = Fates(
            self.published.accepted + said["accepted"], self.published.duplicates + said["duplicates"], 0
        )
        self.running.wait_all(self.published.read)
        if said["behind_s"] > BEHIND_SECONDS_MAX:
            sys.stderr.write(f"{pace.name}: the load was {said['behind_s']:.2f} s behind its pace: no figures\n")
        else:
            self.windows.append((pace, Window(said["first"] + WARM_SECONDS, said["last"])))
        time.sleep(SETTLE_SECONDS)

    def results(self) -> dict[str, list[Waited]]:
        """By pace, a value a round.

        Raises:
            AssertionError: the journal says something else than what was published.
        """
        journal = self.here.journaled()
        assert journal.fates == self.published, f"the journal says {journal.fates}, not {self.published}: no figures"
        arrived, decided = times(self.here, journal)
        found: dict[str, list[Waited]] = {}
        for pace, window in self.windows:
            found.setdefault(pace.name, []).append(self._waited(window, arrived, decided, journal))
        return found

    def _waited(self, window: Window, arrived: np.ndarray, decided: np.ndarray, journal: Journaled) -> Waited:
        seconds = window.last - window.first
        inside = (arrived >= window.first * 1000) & (arrived < window.last * 1000)
        waits = (decided - arrived)[inside]
        p50, p99 = np.percentile(waits, [50, 99]).tolist() if len(waits) else (0.0, 0.0)
        worker, broker = used_between(self.running.samples, window.first, window.last)
        batches = sum(
            bool(entry.read) and window.first <= entry.at_ms / 1000 < window.last for entry in journal.entries
        )
        return Waited(p50, p99, worker / seconds, broker / seconds, batches / seconds, int(inside.sum()) / seconds)


def times(here: World, journal: Journaled) -> tuple[np.ndarray, np.ndarray]:
    """Of every event when it was appended, and when its journal record was, broker's Unix ms."""
    at: dict[tuple[str, int], list[int]] = {}
    names = {here.name(topic): topic for topic in SOURCE_TOPICS}
    for message in here.messages(SOURCE_TOPICS):
        at.setdefault((names[message.topic()], message.partition()), []).append(message.timestamp()[1])
    arrived, decided = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for entry in journal.entries:
        for topic, first, end in entry.sources:
            arrived.append(np.array(at[topic, entry.partition][first:end], np.int64))
            decided.append(np.full(end - first, entry.at_ms, np.int64))
    return np.concatenate(arrived), np.concatenate(decided)


def of_world(partitions: int, size: Size, paces: list[Pace], chosen: argparse.Namespace) -> dict[str, list[Waited]]:
    """All rounds of the paces of one world."""
    with world(partitions, dict(pair.split("=", 1) for pair in chosen.env)) as here:
        here.preload(size)
        with here.workers() as running:
            running.wait_ready()
            time.sleep(SETTLE_SECONDS)
            loaded = Loaded(here, running)
            loaded.run(Pace("warm", 5_000.0), 2 * WARM_SECONDS)
            for _ in range(chosen.rounds):
                for pace in paces:
                    loaded.run(pace, chosen.seconds)
        return loaded.results()


def maximum(size: Size, env: Mapping[str, str]) -> float:
    """Events a second of a worker on a backlog, with nothing else at work."""
    with world(4, env) as here:
        expected = here.publish(BACKLOG_EVENTS, 300)
        here.preload(size)
        with here.workers() as running:
            running.wait_all(expected.read)
        found = here.journaled()
        assert found.fates == expected, f"the journal says {found.fates}, published were {expected}: no figures"
        return measured([entry for entry in found.entries if entry.read], running.samples, 0.0).events_s


def paced(pace: Pace, rounds: list[Waited]) -> list[Figure]:
    """Latency and cores of a pace."""
    named = pace.rate == NAMED_RATE
    light = pace.name == LIGHT.name
    name = f"{pace.name}, {LIGHT_PARTITIONS if light else 4} partition numbers in one worker"
    ms, ms_tail = tuple(one.p50_ms for one in rounds), tuple(one.p99_ms for one in rounds)
    cores, tail = tuple(one.cores for one in rounds), f"{name}: p99 of Kafka append to journal append"
    aim = "latency.cores" if named else "light.cores" if light else None
    found = [Figure("latency", f"{name}: p50 of Kafka append to journal append", MS, ms, aim=_if(named, "latency.p50"))]
    if light:
        found.append(Figure("latency", tail, S, tuple(value / 1000 for value in ms_tail), aim="light.p99"))
    else:
        found.append(Figure("latency", tail, MS, ms_tail, aim=_if(named, "latency.p99")))
    broker = tuple(one.broker_cores for one in rounds)
    return [
        *found,
        Figure("latency", f"{name}: cores of the worker", CORES, cores, aim=aim),
        Figure("latency", f"{name}: cores of the broker", CORES, broker),
        Figure("latency", f"{name}: batches", "batches/s", tuple(one.batches_s for one in rounds)),
    ]


def fixed(bursts: list[Waited], idle: list[Waited]) -> Figure:
    """The cost of a batch however few events it has: fetch, decision, append, acknowledgement, all threads."""
    rest = float(np.median([one.cores for one in idle]))
    costs = tuple((one.cores - rest - one.rate * MARGINAL_US / 1e6) / one.batches_s * 1000 for one in bursts)
    name = f"fixed cost of a batch in a live worker, {bursts[0].batches_s:.0f} batches/s of one lane"
    return Figure("latency", name, MS, costs, aim="batch.fixed")


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """All figures."""
    if chosen.quick:
        chosen.shares, chosen.seconds, chosen.identities = [], QUICK_SECONDS, QUICK_IDENTITIES
    size, env = Size(chosen.identities, chosen.identities // 2), dict(pair.split("=", 1) for pair in chosen.env)
    found: list[Figure] = []
    if "paces" in chosen.only:
        paces = [Pace(f"{rate:,.0f} events/s", rate) for rate in chosen.rates]
        if chosen.shares:
            most = chosen.maximum or maximum(size, env)
            shared = [(share, round(share * most, -2)) for share in chosen.shares]
            paces += [Pace(f"{rate:,.0f} events/s ({share:.0%} of the maximum)", rate) for share, rate in shared]
        of_paces = of_world(4, size, [*paces, BURSTS, IDLE], chosen)
        for pace in paces:
            found += paced(pace, of_paces[pace.name]) if pace.name in of_paces else []
        found.append(fixed(of_paces[BURSTS.name], of_paces[IDLE.name]))
    if "light" in chosen.only:
        of_light = of_world(LIGHT_PARTITIONS, size, [LIGHT, IDLE], chosen)
        found += paced(LIGHT, of_light[LIGHT.name])
        idle = tuple(one.cores for one in of_light[IDLE.name])
        found.append(Figure("latency", f"idle, {LIGHT_PARTITIONS} partition numbers", CORES, idle, aim="idle.cores"))
    return found


def _if(so: bool, aim: str) -> str | None:
    return aim if so else None


def main() -> None:
    """See the module."""
    parser = options(__doc__)
    parser.add_argument(
        "--rates", type=number(1, 10**7, "events/s"), nargs="*", default=[NAMED_RATE], help="events a second"
    )
    parser.add_argument(
        "--shares", type=number(0.01, 1, "the maximum"), nargs="*", default=[0.1, 0.5, 0.9], help="of the maximum"
    )
    parser.add_argument(
        "--maximum", type=number(1, 10**7, "events/s"), help="events a second; measured where it is not given"
    )
    parser.add_argument("--seconds", type=number(0.5, 3_600, "seconds"), default=5.0, help="of each pace and round")
    parser.add_argument(
        "--identities",
        type=whole(0, 10**9, "identities"),
        default=MEASURED_EVENTS,
        help="remembered; half as many facts",
    )
    parser.add_argument("--only", nargs="+", default=["paces", "light"], choices=["paces", "light"])
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="of the settings")
    run("latency", measure, parser)


if __name__ == "__main__":
    main()
