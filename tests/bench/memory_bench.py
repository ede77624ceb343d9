"""Memory of what is remembered: bytes an identity, a fact and a merged pair beside a fixed part, and whether it stays.

Each state is made of journal records in a process of its own, which says its anonymous memory (RssAnon, after the
allocator gave back what was freed: making a state frees much) and the bytes of its snapshot. An identity, a fact, a
pair is the difference to a process with few of it, divided; the largest over several sizes counts, so that it holds
whatever the load of the tables. Then events go on at constant state: each day as many identities and facts come as a
day long past is forgotten with.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.core import fold
from pipeline.core.record import FACTS, Label, Record, Rules
from pipeline.core.state import State, columns
from pipeline.core.window import DAY_US
from tests.bench.aims import BYTES, TIMES
from tests.bench.core_world import Size, history
from tests.bench.results import Figure, options, run

SEED = 7
END_US = 20_000 * DAY_US  # the state's last instant; any day will do
SIZES = (8_000_000, 9_000_000, 10_000_000, 11_000_000)  # identities: over one growth of a table, 1.2 times
SIZES_QUICK = (800_000, 1_000_000)
RULES = Rules(1, 7, 5, 8, 50, 0)  # facts are remembered for 8 days here, so that they come and go as identities do
DAY_EVENTS = 1_000_000
BATCH = 10_000
FLAT_EVENTS, FLAT_EVENTS_QUICK = 20_000_000, 12_000_000
FEW_IDENTITIES = 1_000  # facts are held by some
FEW = 20_000  # of what the fixed part has: one record of them, so that what makes records has its memory already
SETTLED_DAYS = 10  # by then as much is forgotten as comes
FACTS_PER_EVENT = 0.5


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Every size in processes of its own, each round anew."""
    sizes = SIZES_QUICK if chosen.quick else SIZES
    figures = []
    for aim, kind, divisor in (("identity", "an identity", 1), ("fact", "a fact", 2), ("pair", "a merged pair", 10)):
        most: list[float] = []
        files = 0.0
        for _ in range(chosen.rounds):
            found = [_each(aim, size // divisor) for size in sizes]
            most.append(max(memory for memory, _ in found))
            files = max(file for _, file in found)
        name = f"{kind}, the most at {' '.join(f'{size // divisor:,}' for size in sizes)}"
        note = f"its snapshot {files:.1f} bytes"
        figures.append(Figure("memory", name, BYTES, tuple(most), aim=f"memory.{aim}", note=note))
    events = chosen.events or (FLAT_EVENTS_QUICK if chosen.quick else FLAT_EVENTS)
    flat = [_said("flat", events) for _ in range(1 if events > FLAT_EVENTS else chosen.rounds)]
    name = f"RssAnon after {events:,} events at constant state, against that after {SETTLED_DAYS * DAY_EVENTS:,}"
    figures.append(Figure("memory", name, TIMES, tuple(end / was for end, was in flat), aim="memory.flat"))
    name = (
        f"anonymous memory of {_identities():,} identities and their facts at constant state, the fixed part included"
    )
    figures.append(Figure("memory", name, "MiB", tuple(end / (1 << 20) for end, _ in flat)))
    return figures


def _identities() -> int:
    return DAY_EVENTS * (RULES.window_days + 2)


def _each(kind: str, size: int) -> tuple[float, float]:
    """Bytes of one in memory and in a snapshot."""
    if kind == "pair":  # among as many identities, so that no record has more of them than a worker writes
        with_it, without = _said(kind, size), _said("identity", size)
        return (with_it[0] - without[0]) / size, (with_it[1] - without[1]) / size
    with_it, few = _said(kind, size), _said(kind, FEW)
    return (with_it[0] - few[0]) / (size - FEW), (with_it[1] - few[1]) / (size - FEW)


def _said(kind: str, size: int) -> tuple[int, int]:
    command = [sys.executable, "-m", "tests.bench.memory_bench", "--state", kind, str(size)]
    first, second = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(first), int(second)


def _state(kind: str, size: int) -> tuple[int, int]:
    """In a process of its own: anonymous memory beside what the columns of a snapshot need."""
    if kind == "flat":
        return _constant(size)
    sizes = {
        "identity": Size(size, 0, 0),
        "fact": Size(FEW_IDENTITIES, size, 0),
        "pair": Size(size, 0, size),
    }
    state = State()
    for record in history(sizes[kind], RULES._replace(unique_days=90), SEED, END_US):
        fold.apply(state, record, SEED)
    for table in (state.seen, state.held):
        table.settle()
    anonymous = anonymous_bytes()
    return anonymous, sum(column.nbytes for column in columns(state).values())


def _constant(events: int) -> tuple[int, int]:
    """Anonymous memory after the events, and after those of the first days."""
    state, settled = State(), 0
    for n, record in enumerate(constant(events, DAY_EVENTS, BATCH)):
        fold.apply(state, record, SEED)
        if n == SETTLED_DAYS * DAY_EVENTS // BATCH:
            settled = anonymous_bytes()
    return anonymous_bytes(), settled


def constant(events: int, day_events: int, batch: int, rules: Rules = RULES, made: int = 0) -> Iterator[Record]:
    """Records of accepted events, so many a day; half of them make a fact of one of a million profiles.

    `made`: facts that were made before. They begin where the states of other benches end.
    """
    rng = np.random.default_rng(3)
    labels = [] if made else [Label("a", "c", "email")]
    for n in range(0, events, batch):
        facts = np.zeros(int(batch * FACTS_PER_EVENT), FACTS)
        facts["number"] = (made + np.arange(len(facts))) % ((1 << 32) - 1) + 1
        facts["row"] = np.arange(len(facts))
        facts["profile"] = rng.integers(1, 1_000_000, len(facts), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        facts["fact"] = rng.integers(1, 1 << 63, len(facts), dtype=np.uint64)
        now = END_US + n * DAY_US // day_events
        facts["occurred_at"], facts["kind"] = now, 1
        made += len(facts)
        keys = [rng.integers(1, 1 << 63, batch, dtype=np.uint64) for _ in range(3)]
        yield Record(
            rules=rules, stream_time=now, sources=[], identities=keys[0], payloads=keys[1], origins=keys[2],
            facts=facts, labels=labels if n == 0 else [],
        )  # fmt: skip


def anonymous_bytes() -> int:
    """Anonymous memory that this process has now, without what its allocator keeps of what was freed."""
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def _main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["--state"]:
        sys.stdout.write(" ".join(map(str, _state(arguments[1], int(arguments[2])))))
        return
    parser = options(__doc__)
    parser.add_argument("--events", type=int, help="at constant state; 50000000 takes some minutes and one round")
    run("memory", measure, parser)


if __name__ == "__main__":
    _main(sys.argv[1:])
