"""Rounds of torture: real Kafka, the real ClickHouse engine, workers, sinks and producers as processes, and a nemesis.

    python -m tests.torture --rounds 3 --seed 7

Each round is planned from its seed: the first one's is SEED, the next one's SEED + 1. It ends in quiet, and the checker
compares what the producers were acknowledged, through the oracle, with the journal and with every promised view.
Exit codes: 0 no difference in any round, 1 a round found one (its seed, faults and differences are told, and its logs
kept), 2 wrong options.
"""

from __future__ import annotations

import argparse
import fcntl
import random
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from connectors.local.jars import KAFKA_VERSION
from tests.options import ROUNDS_MAX, SEED_MAX, folder, number, whole
from tests.torture import evidence
from tests.torture.faults import Kind, plan
from tests.torture.round import Result, Round
from tests.torture.stage import Stage

ROOT = Path(__file__).parents[2]
SECONDS = 20.0
SECONDS_MIN, SECONDS_MAX = 2.0, 3600.0  # a fault's first second is 1.5; the checker holds a round's events in memory
FAULTS = 8
SHOWN = 20  # differences of a round that are printed; all are kept


def main(given: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _options(given)
    kinds = [Kind(name) for name in options.kind] or list(Kind)
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    try:
        plan(seed, options.seconds, options.faults, kinds)
    except ValueError as error:
        _say(f"nothing was run: {error}")
        return 2
    with _alone(options.folder) as alone:
        if not alone:
            _say(
                f"nothing was run: another run is at work in {options.folder}: wait for it, or choose another --folder"
            )
            return 2
        return _run(options, seed, kinds)


def _run(options: argparse.Namespace, seed: int, kinds: list[Kind]) -> int:
    stage = Stage(options.folder / f"run-{seed}", seed)
    failed = 0
    try:
        stage.start()
        for kind, why in stage.lacks.items():
            kinds = [one for one in kinds if one is not kind]
            _say(f"left out: {kind}: {why}")
        on = evidence.versions(KAFKA_VERSION, stage.engine_version())
        _say(f"Kafka {on['kafka']}, ClickHouse {on['clickhouse']}, {options.rounds} rounds from seed {seed}")
        for number in range(options.rounds):
            result = _round(stage, options, seed + number, kinds)
            evidence.add(options.evidence, result.plain() | on)
            failed += bool(result.drift)
            if result.drift and not options.go_on:
                break
    finally:
        stage.end()
    return 1 if failed else 0


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other run is at work in the folder, and none will be for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _round(stage: Stage, options: argparse.Namespace, seed: int, kinds: list[Kind]) -> Result:
    folder = options.folder / f"round-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _say(f"round of seed {seed}")
    one = Round(stage, folder, seed, options.seconds)
    try:
        faults = plan(seed, options.seconds, options.faults, kinds)
        result = one.play(faults, lambda line: _say(f"  {line}"))
    finally:
        one.world.end()
        stage.restore()
    _tell(result, folder)
    if not result.drift and not options.keep:
        one.world.forget()
        shutil.rmtree(folder, ignore_errors=True)
    return result


def _tell(result: Result, folder: Path) -> None:
    faults = sum(result.faults.values())
    worst = max((seconds for _, seconds in result.recoveries), default=0.0)
    words = f"{faults} faults, {result.events:,} events, {result.rows:,} rows compared, slowest recovery {worst:.1f} s"
    drift = f"DRIFT {result.drift}" if result.drift else "drift 0"
    _say(f"seed {result.seed}: {drift}; {words}, {result.seconds:g} s")
    if not result.drift:
        return
    (folder / "history.txt").write_text("\n".join(result.history) + "\n", encoding="utf-8")
    (folder / "differences.txt").write_text("\n".join(result.differences) + "\n", encoding="utf-8")
    for line in result.differences[:SHOWN]:
        _say(f"  {line}")
    if result.drift > SHOWN:
        _say(f"  and {result.drift - SHOWN} more")
    _say(f"  faults, differences and logs are kept in {folder}; again: make torture ROUNDS=1 SEED={result.seed}")


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.torture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=whole(1, ROUNDS_MAX, "rounds"), default=1)
    parser.add_argument("--seed", type=whole(0, SEED_MAX), help="of the first round; default: drawn and printed")
    parser.add_argument(
        "--seconds",
        type=number(SECONDS_MIN, SECONDS_MAX, "seconds"),
        default=SECONDS,
        help="that the load flows in a round",
    )
    parser.add_argument("--faults", type=whole(1, ROUNDS_MAX, "faults"), default=FAULTS, help="in a round")
    parser.add_argument("--kind", action="append", default=[], choices=[kind.value for kind in Kind], help="only these")
    parser.add_argument(
        "--folder", type=folder, default=ROOT / ".torture", help="of data, logs and what a failure leaves"
    )
    parser.add_argument("--evidence", type=folder, default=ROOT / "docs" / "evidence", help="where results are added")
    parser.add_argument("--go-on", action="store_true", help="after a round that failed")
    parser.add_argument("--keep", action="store_true", help="the logs of every round")
    return parser.parse_args(given)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
