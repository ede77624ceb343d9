"""In under two minutes: has this code become slower? As a ratio to a floor, against a stored baseline.

    python -m tests.bench.quick [--only core] [--update-baseline [--runs 3]]

The core decides, encodes and applies batches of 2,000 and 10,000 over a small state; the floor decodes and compresses
the same ones and takes turns with it. One worker reads a short backlog; its floor is that of the worker's bench. A
ratio beyond the baseline by more than the noise that was measured with it is a warning; the exit code stays 0, since
only `make bench` on an idle machine can say. 1 where something failed, 2 with a wrong option.
"""

from __future__ import annotations

import argparse
import gc
import json
import signal
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.cli.worker import GC_THRESHOLDS
from pipeline.core import vocabulary
from pipeline.core.batch import Slab
from pipeline.core.context import Context
from pipeline.core.record import Rules
from pipeline.core.state import State
from tests.bench import child
from tests.bench.conditions import at_start
from tests.bench.core_stages import floor_of, step
from tests.bench.core_traffic import STANDARD_MERGES, traffic
from tests.bench.core_world import Size, preloaded, slabs
from tests.bench.plan import Bench
from tests.bench.results import number
from tests.events import SCHEMAS
from tests.options import whole

BASELINE = Path(__file__).with_name("baseline.json")
PARTS = ("core", "worker")
BATCHES = (2_000, 10_000)
EVENTS = 120_000  # of a round, of each size of batch
ROUNDS = 5
SLAB_EVENTS = 500
SMALL = Size(500_000, 250_000, 5_000)
SEED = 1
WORKER = Bench("tests.bench.worker_bench", "a short backlog", 2)
WORKER_OPTIONS = ("--events", "300000", "--identities", "500000", "--facts", "250000", "--workers", "1")
NOISE_MIN = 0.03  # of a ratio: less was never seen between two runs
NOISE_TIMES = 2.0  # so many times the noise is beyond it
RULES = Rules(1, 7, 5, 90, 50, 1)


class Ratio(NamedTuple):
    """Times the floor in the baseline, and how far its runs lay apart, as a share of it."""

    median: float
    noise: float

    @property
    def bound(self) -> float:
        """Beyond it a ratio is a regression."""
        return self.median * (1 + self._beyond)

    @property
    def gain(self) -> float:
        """Below it a ratio is an improvement."""
        return self.median / (1 + self._beyond)

    @property
    def _beyond(self) -> float:
        return NOISE_TIMES * max(self.noise, NOISE_MIN)


@dataclass(frozen=True)
class Baseline:
    """Ratios by what was measured, and of which commit, CPU and day they are."""

    ratios: Mapping[str, Ratio]
    commit: str
    cpu: str
    date: str

    @classmethod
    def read(cls, path: Path) -> Baseline | None:
        """What `write` wrote; None where nobody did."""
        if not path.exists():
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        ratios = {name: Ratio(**one) for name, one in found.pop("ratios").items()}
        return cls(ratios, **found)

    def write(self, path: Path) -> None:
        """As JSON."""
        ratios = {name: one._asdict() for name, one in self.ratios.items()}
        found = {"commit": self.commit, "cpu": self.cpu, "date": self.date, "ratios": ratios}
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def of_runs(runs: Sequence[Mapping[str, float]]) -> dict[str, Ratio]:
    """The baseline's ratios: the median of the runs, and the farthest run's distance from it."""
    found = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        median = statistics.median(values)
        found[name] = Ratio(round(median, 3), round(max(abs(value - median) for value in values) / median, 4))
    return found


def compare(baseline: Baseline | None, found: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """What to tell of each ratio, and the warnings: what is slower than the baseline beyond its noise."""
    lines, warnings = [], []
    known = baseline.ratios if baseline else {}
    for name, value in found.items():
        if name not in known:
            lines.append(f"{name}: {value:.2f} times the floor; not in the baseline")
            continue
        old = known[name]
        told = "slower" if value > old.bound else "faster" if value < old.gain else "as before"
        change = f"{value / old.median - 1:+.0%}"
        lines.append(f"{name}: {value:.2f} times the floor, baseline {old.median:.2f} ({change}): {told}")
        if value > old.bound:
            warnings.append(f"{name} is slower: {value:.2f} times the floor, above {old.bound:.2f} of the baseline")
    lines += [f"{name}: in the baseline, not measured now" for name in known if name not in found]
    return lines, warnings


def measure(parts: Sequence[str]) -> dict[str, float]:
    """Times the floor, by what was measured.

    Raises:
        RuntimeError: the worker's bench failed; its last words.
    """
    found = core() if "core" in parts else {}
    return found | ({"worker, short backlog": worker()} if "worker" in parts else {})


def core() -> dict[str, float]:
    """The core's CPU over the floor's, median of the rounds, by size of batch."""
    now_us = time.time_ns() // 1000
    context = Context(RULES, SEED, SCHEMAS, vocabulary.load())
    states = {size: preloaded(SMALL, RULES, SEED, now_us) for size in BATCHES}
    ratios: dict[int, list[float]] = {size: [] for size in BATCHES}
    for turn in range(ROUNDS + 1):  # the first is for caches and imports
        sent = traffic(EVENTS, STANDARD_MERGES, now_us, seed=turn + 1)
        for size, state in states.items():
            used, least = round_of(state, cut(sent, size, now_us), context)
            told = f"{number(used / EVENTS * 1e6)} µs an event, floor {number(least / EVENTS * 1e6)}"
            say(f"    core, {size:,} a batch: {told}" + ("" if turn else " (warm-up)"))
            if turn:
                ratios[size].append(used / least)
    return {f"core, {size:,} a batch": statistics.median(values) for size, values in ratios.items()}


def round_of(state: State, batches: list[list[Slab]], context: Context) -> tuple[float, float]:
    """CPU seconds of the core and of the floor, which take turns batch by batch: a busy machine slows both alike."""
    used = least = 0.0
    gc.collect()
    for batch in batches:
        spent = step(state, batch, context)
        assert spent.record.read == sum(len(slab.values) for slab in batch), "the core did not read the whole batch"
        used, least = used + spent.seconds, least + floor_of(batch, context)
    return used, least


def cut(sent: list[tuple[str, bytes]], size: int, now_us: int) -> list[list[Slab]]:
    """Batches as the transport hands them over."""
    offsets: dict[str, int] = {}
    parts = (sent[at : at + size] for at in range(0, len(sent), size))
    return [slabs(part, offsets, now_us // 1000, SLAB_EVENTS) for part in parts]


def worker() -> float:
    """The worker's CPU over its floor's.

    Raises:
        RuntimeError: its bench failed.
    """
    outcome = child.outcome("worker", WORKER, WORKER_OPTIONS)
    if outcome.failed:
        raise RuntimeError(f"the worker's bench failed:\n{outcome.failed}")
    (cpu,) = [figure for figure in outcome.figures if figure.name.endswith(": CPU")]
    assert cpu.to_floor is not None
    return cpu.to_floor


def main(given: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        "python -m tests.bench.quick", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs=1, choices=PARTS, default=PARTS, help="core: without Kafka, half a minute")
    parser.add_argument("--update-baseline", action="store_true", help="measure several times and store that")
    parser.add_argument("--runs", type=whole(2, 20, "runs"), default=3, help="of the baseline, for its noise")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    chosen = parser.parse_args(given)
    gc.set_threshold(*GC_THRESHOLDS)  # as a worker has it
    before = at_start()
    if before.is_busy:
        say(before.busy_words)
    try:
        runs = [measure(chosen.only) for _ in range(chosen.runs if chosen.update_baseline else 1)]
    except RuntimeError as error:
        say(str(error))
        return 1
    old = Baseline.read(chosen.baseline)
    if not chosen.update_baseline:
        return told(old, runs[0], before.machine["CPU"])
    ratios = of_runs(runs)
    Baseline({**(old.ratios if old else {}), **ratios}, before.commit, before.machine["CPU"], before.date).write(
        chosen.baseline
    )
    for name, one in ratios.items():
        say(f"{name}: {one.median:.2f} times the floor, {len(runs)} runs within {one.noise:.1%}")
    return 0


def told(baseline: Baseline | None, found: Mapping[str, float], cpu: str) -> int:
    """Print the comparison; the exit code is 0 whatever it says."""
    lines, warnings = compare(baseline, found)
    for line in lines:
        say(line)
    if baseline is None:
        say("there is no baseline yet: `make bench-quick ARGS=--update-baseline`")
    elif baseline.cpu != cpu:
        say(f"the baseline is of another CPU ({baseline.cpu}): a few per cent mean nothing")
    for warning in warnings:
        say(f"WARNING: {warning}. Run it again; then `make bench` on an idle machine.")
    return 0


def say(line: str) -> None:
    """The output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the worker's bench too
    sys.exit(main())
