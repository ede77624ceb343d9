"""Events a second, p99 of the answer and CPU µs an event of `tally collect`, Kafka's acknowledgement included.

    python -m tests.bench.collect_bench [--seconds 5] [--connections 32] [--rounds 3] [--write docs/collect.md]

Starts Kafka as `tally up` does, in a folder of its own, and one collector; sends Altcraft's opens over connections that
are kept, each waiting for its answer, at 1 and at 100 events a request. Beside it the same HTTP and translation without
Kafka (its acknowledgement comes at once), and the same messages to Kafka without HTTP. CPU is read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from connectors.collect import serving
from connectors.collect.endpoint import Endpoint
from connectors.collect.endpoints import Store
from connectors.collect.rows import Translator
from connectors.collect.sink import Batch, Sink
from connectors.collect.vendors import VENDORS
from connectors.local import kafka
from connectors.local.keeper import Keeper
from connectors.local.processes import end, mark
from connectors.local.progress import silent
from connectors.local.service import Wish
from connectors.producer.rows import Message
from connectors.producer.settings import schema_ids
from pipeline.core import vocabulary
from pipeline.settings import load
from tests.bench.aims import MS, US, Better
from tests.bench.measure import cpu_seconds
from tests.bench.results import Figure, options, run
from tests.integration.collect_world import COLLECT, Collecting, Door, World
from tests.options import number, whole

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests/data/vendors/altcraft/open.json"
SIZES = (1, 100)
BODIES = 50  # different ones, sent in turn
WARM_SECONDS = 1.0
BEGIN, END = "<!-- measured by `make bench-collect`: begin -->", "<!-- measured: end -->"
WITHOUT_KAFKA = "--without-kafka"  # what this module is started with to be the collector that has none
COLLECTOR, FLOOR = "`tally collect`", "Kafka without HTTP"
FLOOR_OF = "the same messages to Kafka, without HTTP or translation"
PLAIN = ("-m", "tests.bench.collect_bench", WITHOUT_KAFKA)


class Measured(NamedTuple):
    """One row of the table. CPU is of the process that is measured, in microseconds an event."""

    what: str
    size: int
    events_a_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


class Prompt(Sink):
    """A sink whose Kafka acknowledges everything at once."""

    def send(self, messages: Sequence[Message], done: Callable[[Batch], None]) -> Batch:
        """Acknowledged before it returns."""
        batch = Batch(len(messages), self._loop, done)
        self._loop.call_soon(done, batch)
        return batch


def bodies(size: int) -> list[bytes]:
    """Deliveries of so many opens, each of its own person."""
    (sample,) = json.loads(SAMPLE.read_text(encoding="utf-8"))
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000001Z", time.gmtime())
    return [
        json.dumps([sample | {"event_date": at, "profile_id": f"{n:012x}{m:012x}"} for m in range(size)]).encode()
        for n in range(BODIES)
    ]


class Sender(asyncio.Protocol):
    """One connection that asks, waits and asks again; a client that costs little, since it shares the machine."""

    def __init__(self, asked: Sequence[bytes], waits: list[float]) -> None:
        self._asked, self._waits = asked, waits
        self._number, self._at, self._got = 0, 0.0, b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """An answer is whole when its short JSON has ended."""
        self._got += data
        if not self._got.endswith(b"}"):
            return
        assert self._got.startswith(b"HTTP/1.1 200 "), self._got
        self._waits.append(time.perf_counter() - self._at)
        self._got = b""
        self._ask()

    def _ask(self) -> None:
        self._at = time.perf_counter()
        self._transport.write(self._asked[self._number % len(self._asked)])
        self._number += 1


async def drive(address: str, asked: Sequence[bytes], connections: int, seconds: float, pid: int) -> tuple[Any, ...]:
    """Waits of the answers, wall seconds and the process's CPU seconds, after a short warm-up."""
    loop, waits = asyncio.get_running_loop(), list[float]()
    host, port = address.removeprefix("http://").split(":")
    made = [await loop.create_connection(lambda: Sender(asked, waits), host, int(port)) for _ in range(connections)]
    await asyncio.sleep(WARM_SECONDS)
    waits.clear()
    before, began = cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    found = (list(waits), time.perf_counter() - began, cpu_seconds(pid) - before)
    for transport, _ in made:
        transport.abort()
    return found


def over_http(what: str, collector: Collecting, door: Door, chosen: argparse.Namespace) -> Iterator[Measured]:
    """A row for each size."""
    for size in SIZES:
        head = f"POST {door.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
        asked = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies(size)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            how = (chosen.connections, chosen.seconds, collector.process.pid)
            waits, wall, cpu = runner.run(drive(collector.address, asked, *how))
        yield row(what, size, waits, wall, cpu)


def row(what: str, size: int, waits: Sequence[float], wall: float, cpu: float) -> Measured:
    """What came of requests that took so long each."""
    events, cuts = len(waits) * size, statistics.quantiles(waits, n=100)
    return Measured(what, size, events / wall, 1e3 * statistics.median(waits), 1e3 * cuts[98], 1e6 * cpu / events)


async def straight(world: World, size: int, chosen: argparse.Namespace) -> Measured:
    """The same messages to Kafka, as many deliveries at once as there were connections; nothing else is done."""
    settings = load({}, world.settings, world.folder)
    endpoint, vendor = Endpoint("altcraft-x", "altcraft", "acme", "altcraft"), VENDORS["altcraft"]
    translator = Translator(vocabulary.load(), schema_ids(settings))
    now_us = time.time_ns() // 1_000
    made = [[one.message for one in translator.messages(body, endpoint, vendor, now_us)] for body in bodies(size)]
    loop, waits = asyncio.get_running_loop(), list[float]()
    sink = Sink(settings, loop)

    async def send(number: int, ends: float) -> None:
        while time.perf_counter() < ends:
            at, answered = time.perf_counter(), loop.create_future()
            sink.send(made[number % len(made)], answered.set_result)
            assert (await answered).error is None
            waits.append(time.perf_counter() - at)

    async def send_for(seconds: float) -> None:
        ends = time.perf_counter() + seconds
        await asyncio.gather(*(send(number, ends) for number in range(chosen.connections)))

    await send_for(WARM_SECONDS)
    waits.clear()
    before, began = cpu_seconds(os.getpid()), time.perf_counter()
    await send_for(chosen.seconds)
    wall, cpu = time.perf_counter() - began, cpu_seconds(os.getpid()) - before
    await sink.close(5.0)
    return row(FLOOR, size, waits, wall, cpu)


@contextmanager
def collecting(world: World, command: Sequence[str]) -> Iterator[Collecting]:
    """A collector, or the one without Kafka."""
    running = Collecting(world.settings | {"TALLY_COLLECT__PORT": "0"}, world.folder / "collect.log", command)
    try:
        running.await_listening()
        yield running
    finally:
        running.end()


def table(rows: Sequence[Measured]) -> str:
    """The rows in Markdown."""
    lines = ["| what | events a request | events/s | p50 ms | p99 ms | CPU µs an event | events/s a core |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for one in rows:
        rates = f"{one.events_a_second:,.0f} | {one.p50_ms:.1f} | {one.p99_ms:.1f} | {one.cpu_us:.1f}"
        lines.append(f"| {one.what} | {one.size} | {rates} | {1e6 / one.cpu_us:,.0f} |")
    return "\n".join(lines)


def one_round(chosen: argparse.Namespace, folder: Path, broker: str) -> list[Measured]:
    """All rows, once."""
    world = World(broker, folder)
    world.make_topics()
    door = world.door("altcraft", "path")
    found: list[Measured] = []
    for what, command in ((COLLECTOR, COLLECT), ("HTTP without Kafka", PLAIN)):
        with collecting(world, command) as collector:
            found += over_http(what, collector, door, chosen)
    for size in SIZES:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found.append(runner.run(straight(world, size, chosen)))
    return found


def rounds(chosen: argparse.Namespace) -> list[list[Measured]]:
    """Each round on a fresh Kafka."""
    keeper, found = Keeper(), []
    try:
        for _ in range(chosen.rounds):
            with tempfile.TemporaryDirectory(prefix="tally-collect-bench-") as folder:
                wish = Wish(bound_to_parent=True, born=keeper.bind)
                broker = kafka.from_jars(Path(folder) / "kafka", wish, silent)
                found.append(one_round(chosen, Path(folder), broker.address))
                assert broker.pid is not None
                end(mark(broker.pid), kafka.STOP_SECONDS)
    finally:
        keeper.close()
    return found


def figures(found: Sequence[Sequence[Measured]]) -> list[Figure]:
    """Of all rounds; the collector's beside what Kafka alone costs."""
    made: list[Figure] = []
    for at, one in enumerate(found[0]):
        name = f"{one.what}, {one.size} events a request"
        rows = [row_of[at] for row_of in found]
        floors = [next(r for r in row_of if (r.what, r.size) == (FLOOR, one.size)) for row_of in found]
        beside = one.what == COLLECTOR
        cpu, rate = (tuple(r.cpu_us for r in floors), tuple(r.events_a_second for r in floors)) if beside else ((), ())
        of = FLOOR_OF if beside else ""
        made += [
            Figure("collect", f"{name}: CPU", US, tuple(r.cpu_us for r in rows), floor=cpu, floor_of=of),
            Figure(
                "collect", f"{name}: rate", "events/s", tuple(r.events_a_second for r in rows), Better.MORE, rate, of
            ),
            Figure("collect", f"{name}: p50 of the answer", MS, tuple(r.p50_ms for r in rows)),
            Figure("collect", f"{name}: p99 of the answer", MS, tuple(r.p99_ms for r in rows)),
        ]
    return made


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """All figures; with --write the table in its page too, of the medians."""
    if chosen.quick:
        chosen.seconds = 1.0
    found = rounds(chosen)
    shown = table([median_of(rows) for rows in zip(*found, strict=True)])
    sys.stdout.write(shown + "\n")
    if chosen.write is not None:
        page = chosen.write.read_text(encoding="utf-8")
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        chosen.write.write_text(f"{before}{BEGIN}\n\n{shown}\n\n{END}{after}", encoding="utf-8")
    return figures(found)


def median_of(rows: Sequence[Measured]) -> Measured:
    """One row of several rounds."""
    middles = (statistics.median(column) for column in list(zip(*rows, strict=True))[2:])
    return Measured(rows[0].what, rows[0].size, *middles)


def main() -> None:
    """See the module."""
    if WITHOUT_KAFKA in sys.argv:
        serve_without_kafka()
        return
    parser = options(__doc__)
    parser.add_argument(
        "--seconds", type=number(0.5, 3_600, "seconds"), default=5.0, help="of each of the six measurements of a round"
    )
    parser.add_argument("--connections", type=whole(1, 1_000, "connections"), default=32)
    parser.add_argument("--write", type=Path, help="a page with the marks to write the table between")
    run("collect", measure, parser)


def serve_without_kafka() -> None:
    """The collector of the settings, its sink replaced."""
    from pipeline import logs

    serving.Sink = Prompt  # type: ignore[misc]
    settings = load()
    logs.setup()
    serving.run(settings, Store(settings.endpoints_file()), None)


if __name__ == "__main__":
    main()
