"""Memory of what is remembered: bytes an identity, a fact and a merged pair beside a fixed part, and whether it stays.

Each state is made of journal records in a process of its own, which says its anonymous memory (RssAnon) as it stands,
what the allocator keeps of what was freed included: that is what a worker takes. Beside it, as a note, what is left
when the allocator is made to give all back, and the bytes of a snapshot. An identity, a fact, a pair is the difference
to a process with few of it, divided; the largest over several sizes counts, so that it holds whatever the load of the
tables. Then events go on at constant state, encoded, decoded and applied: each day as many identities and facts come as
a day long past is forgotten with. Memory hardly differs between rounds, so one is the default.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.allocator import keep_little
from pipeline.core import fold
from pipeline.core.record import FACTS, Label, Link, Record, Rules, decode, encode
from pipeline.core.state import State, columns
from pipeline.core.window import DAY_US
from tests.bench.aims import BYTES, TIMES
from tests.bench.core_world import Size, history
from tests.bench.results import Figure, options, run
from tests.options import whole

SEED = 7
END_US = 20_000 * DAY_US  # the state's last instant; any day will do
SIZES = (8_700_000, 9_300_000, 10_000_000)  # identities: over one growth of a table, 1.15 times
SIZES_QUICK = (800_000, 1_000_000)
FACTS_PART, PAIRS_PART = 2, 10  # so many identities to a fact, to a pair
RULES = Rules(1, 7, 5, 8, 50, 0)  # facts are remembered for 8 days here, so that they come and go as identities do
DAY_EVENTS = 1_000_000
BATCH = 10_000
FLAT_EVENTS, FLAT_EVENTS_QUICK = 50_000_000, 12_000_000
FEW_IDENTITIES = 1_000  # facts are held by some
FEW = 20_000  # of what the fixed part has: one record of them, so that what makes records has its memory already
FEW_PAIRS = 60_000  # three records: what makes one is still there when the next one is made
SETTLED_DAYS = 10  # by then as much is forgotten as comes
FACTS_PER_EVENT = 0.5


class Taken(NamedTuple):
    """Bytes of a process: its anonymous memory as it is, and after a trim; those of its state's snapshot."""

    anonymous: float
    trimmed: float
    snapshot: float

    def each(self, without: Taken, more: int) -> Taken:
        """Of one, where the other has so many less."""
        return Taken(*((mine - other) / more for mine, other in zip(self, without, strict=True)))


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Every size in processes of its own, each round anew."""
    sizes = SIZES_QUICK if chosen.quick else SIZES
    rounds = [_round(sizes) for _ in range(chosen.rounds)]
    figures = []
    for aim, kind, part in (
        ("identity", "an identity", 1),
        ("fact", "a fact", FACTS_PART),
        ("pair", "a merged pair", PAIRS_PART),
    ):
        most = [Taken(*map(max, zip(*found[aim], strict=True))) for found in rounds]
        name = f"{kind}, the most at {' '.join(f'{size // part:,}' for size in sizes)}"
        note = f"after a trim {most[0].trimmed:.1f}, its snapshot {most[0].snapshot:.1f}"
        values = tuple(one.anonymous for one in most)
        figures.append(Figure("memory", name, BYTES, values, aim=f"memory.{aim}", note=note))
    events = chosen.events or (FLAT_EVENTS_QUICK if chosen.quick else FLAT_EVENTS)
    flat = [_said("flat", events) for _ in range(chosen.rounds)]
    name = f"RssAnon after {events:,} events at constant state, against that after {SETTLED_DAYS * DAY_EVENTS:,}"
    aim = "memory.flat" if events >= FLAT_EVENTS else None
    figures.append(Figure("memory", name, TIMES, tuple(end / was for end, was, _ in flat), aim=aim))
    name = (
        f"anonymous memory of {_identities():,} identities and their facts at constant state, the fixed part included"
    )
    figures.append(Figure("memory", name, "MiB", tuple(one.anonymous / (1 << 20) for one in flat)))
    return figures


def _identities() -> int:
    return DAY_EVENTS * (RULES.window_days + 2)


def _round(sizes: Sequence[int]) -> dict[str, list[Taken]]:
    """What one takes, at each size."""
    identities = {size: _said("identity", size) for size in sizes}
    few = {kind: _said(kind, FEW) for kind in ("identity", "fact")}
    facts = {size // FACTS_PART: _said("fact", size // FACTS_PART) for size in sizes}
    few_pairs = _said("pair", FEW_PAIRS).each(_said("identity", FEW_PAIRS * PAIRS_PART), 1)
    pairs = {size // PAIRS_PART: _said("pair", size // PAIRS_PART).each(identities[size], 1) for size in sizes}
    return {
        "identity": [taken.each(few["identity"], size - FEW) for size, taken in identities.items()],
        "fact": [taken.each(few["fact"], size - FEW) for size, taken in facts.items()],
        "pair": [taken.each(few_pairs, size - FEW_PAIRS) for size, taken in pairs.items()],
    }


def _said(kind: str, size: int) -> Taken:
    command = [sys.executable, "-m", "tests.bench.memory_bench", "--state", kind, str(size)]
    return Taken(*map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()))


def _state(kind: str, size: int) -> Taken:
    """In a process of its own, whose allocator is told what a worker's is."""
    keep_little()
    if kind == "flat":
        return _constant(size)
    sizes = {
        "identity": Size(size, 0, 0),
        "fact": Size(FEW_IDENTITIES, size, 0),
        "pair": Size(size * PAIRS_PART, 0, size),  # among so many that no record has more than a worker's
    }
    state = State()
    for record in history(sizes[kind], RULES._replace(unique_days=90), SEED, END_US):
        fold.apply(state, record, SEED)
    for table in (state.seen, state.held):
        table.settle()
    return Taken(anonymous_bytes(), trimmed_bytes(), sum(column.nbytes for column in columns(state).values()))


def _constant(events: int) -> Taken:
    """After the events; in the place of `trimmed`: after those of the first days."""
    state, settled = State(), 0
    for n, record in enumerate(constant(events, DAY_EVENTS, BATCH)):
        fold.apply(state, decode(encode(record, Link(n + 1, n, "bench")))[1], SEED)
        if n == SETTLED_DAYS * DAY_EVENTS // BATCH:
            settled = anonymous_bytes()
    return Taken(anonymous_bytes(), settled, 0)


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
    """Anonymous memory that this process has now."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def trimmed_bytes() -> int:
    """The same, without what its allocator keeps of what was freed."""
    ctypes.CDLL(None).malloc_trim(0)
    return anonymous_bytes()


def _main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["--state"]:
        sys.stdout.write(" ".join(map(str, _state(arguments[1], int(arguments[2])))))
        return
    parser = options(__doc__)
    parser.set_defaults(rounds=1)
    least = (SETTLED_DAYS + 1) * DAY_EVENTS
    parser.add_argument(
        "--events", type=whole(least, 10**9, "events"), help=f"at constant state; {FLAT_EVENTS} is full"
    )
    run("memory", measure, parser)


if __name__ == "__main__":
    _main(sys.argv[1:])
