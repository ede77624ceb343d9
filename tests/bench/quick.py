"""In less than two minutes: has this code become slower? As a ratio to a floor, against a stored baseline.

    .venv/bin/python -m tests.bench.quick [--only core] [--update-baseline [--runs 3]]

The core decides, encodes and applies batches of 2,000 and 10,000 over a small state; the floor decodes and compresses
the same ones and takes turns with it. One worker reads a short backlog; its floor is that of the worker's bench. A
ratio beyond the baseline by more than the noise that was measured with it is a warning; the exit code stays 0, since
only `make bench` on an idle machine can say. A new baseline is taken of an idle machine alone. Exit code 1 where
something failed or the machine was busy, 2 with a wrong option or file.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.cli.worker import GC_THRESHOLDS
from pipeline.core import vocabulary
from pipeline.core.batch import Slab
from pipeline.core.context import Context
from pipeline.core.record import Rules
from pipeline.core.state import State
from tests.bench import child, endings, files
from tests.bench.conditions import at_start
from tests.bench.core_stages import floor_of, step
from tests.bench.core_traffic import STANDARD_MERGES, traffic
from tests.bench.core_world import Size, preloaded, slabs
from tests.bench.plan import Bench
from tests.bench.quick_baseline import Baseline, compare, of_runs
from tests.bench.results import number
from tests.events import SCHEMAS
from tests.options import file, names, present, whole

BASELINE = Path(__file__).with_name("baseline.json")
PARTS = ("core", "worker")
BATCHES = (2_000, 10_000)
EVENTS = 120_000  # of a round, of each size of batch
ROUNDS = 5
ROUNDS_MIN = 3
SECONDS_MAX = 30.0  # of rounds of the core: no further one begins then
SLAB_EVENTS = 500
SMALL = Size(500_000, 250_000, 5_000)
SEED = 1
WORKER = Bench("tests.bench.worker_bench", "a short backlog", 2)
WORKER_OPTIONS = (
    "--rounds", "2", "--events", "300000", "--identities", "500000", "--facts", "250000", "--workers", "1",
)  # fmt: skip
RUNS = 3  # of a baseline, for its noise
RULES = Rules(1, 7, 5, 90, 50, 1)


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
    until = time.monotonic() + SECONDS_MAX
    for turn in range(ROUNDS + 1):  # the first is for caches and imports
        if turn > ROUNDS_MIN and time.monotonic() > until:
            break
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
    chosen = _options(given)
    gc.set_threshold(*GC_THRESHOLDS)  # as a worker has it
    try:
        old = Baseline.read(chosen.baseline)
        return _update(chosen, old) if chosen.update_baseline else _compare(chosen, old)
    except RuntimeError as error:
        say(str(error))
        return 2 if isinstance(error, files.Unreadable) else 1


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.bench.quick", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", type=names(PARTS, "part"), default=PARTS, metavar="A,B", help="core: without Kafka, half a minute"
    )
    parser.add_argument("--update-baseline", action="store_true", help="measure several times and store that")
    parser.add_argument(
        "--runs", type=whole(2, 20, "runs"), help=f"of the baseline, for its noise; {RUNS} if not given"
    )
    parser.add_argument("--baseline", metavar="FILE", help="another baseline than that of the repository")
    chosen = parser.parse_args(given)
    if chosen.runs is not None and not chosen.update_baseline:
        parser.error("--runs is of --update-baseline: leave it out, or give both")
    try:
        if chosen.update_baseline:
            file(str(chosen.baseline or BASELINE))
        elif chosen.baseline is not None:
            present(chosen.baseline)
    except argparse.ArgumentTypeError as error:
        parser.error(f"argument --baseline: {error}")
    chosen.baseline, chosen.runs = Path(chosen.baseline or BASELINE), chosen.runs or RUNS
    return chosen


def _compare(chosen: argparse.Namespace, old: Baseline | None) -> int:
    before = at_start()
    if before.is_busy:
        say(before.busy_words)
    return told(old, measure(chosen.only), before.machine["CPU"])


def _update(chosen: argparse.Namespace, old: Baseline | None) -> int:
    """Measure on an idle machine and store; what is not measured stays as it was."""
    runs = []
    for _ in range(chosen.runs):
        before = at_start()
        if before.is_busy:
            say(f"{before.busy_words} No baseline is stored.")
            return 1
        runs.append(measure(chosen.only))
    ratios = of_runs(runs, before)
    Baseline({**(old.ratios if old else {}), **ratios}).write(chosen.baseline)
    for name, one in ratios.items():
        within = f"{len(runs)} runs within {one.noise:.1%}, slower above {one.bound:.2f}"
        say(f"{name}: {one.median:.2f} times the floor, {within}")
    return 0


def told(baseline: Baseline | None, found: Mapping[str, float], cpu: str) -> int:
    """Print the comparison; the exit code is 0 whatever it says."""
    lines, warnings = compare(baseline, found)
    for line in lines:
        say(line)
    if baseline is None:
        say("there is no baseline yet: `make bench-quick ARGS=--update-baseline`")
    for other in sorted(
        {one.cpu for name, one in baseline.ratios.items() if name in found} - {cpu} if baseline else ()
    ):
        say(f"the baseline is of another CPU ({other}): a few per cent mean nothing")
    for warning in warnings:
        say(f"WARNING: {warning}. Run it again; then `make bench` on an idle machine.")
    return 0


def say(line: str) -> None:
    """The output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    endings.program(main)
