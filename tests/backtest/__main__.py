"""The forecast against what came, on synthetic histories: errors, what the band holds, whether allowances ran out.

    python -m tests.backtest [--histories 500] [--seed 1] [--format table|json] [--write | --fit]

Every forecast is the product's own (pipeline/core/forecast.py), of days 5, 10 and 20 of a cycle. The tables are of the
held-out half; `--fit` goes over a grid of the band's constants on the other half instead, and shows the best ones.
`--write` puts the tables into docs/forecast.md. Exit code 1 when the band holds less than 75 or more than 85 of 100
outcomes of the mixture at one of the days; 2 with a wrong option.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.backtest import page
from tests.backtest.fit import fits
from tests.backtest.histories import HISTORIES, KINDS, SEED
from tests.backtest.measures import broken
from tests.backtest.replay import FORECAST_DAYS, Outcome, replayed
from tests.options import SEED_MAX, whole

ROOT = Path(__file__).parents[2]
HISTORIES_MAX = 100_000  # of each kind: minutes
SHOWN = 10  # bands, of those tried


def main(given: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    chosen = _options(given)
    if chosen.fit:
        sys.stdout.write(page.fit_table(fits(chosen.histories, chosen.seed)[:SHOWN], FORECAST_DAYS))
        return 0
    found = in_processes(chosen.histories, chosen.seed)
    show = page.as_json if chosen.format == "json" else page.report
    sys.stdout.write(show(found, chosen.histories, chosen.seed))
    if chosen.write:
        file = ROOT / page.PAGE
        text = page.report(found, chosen.histories, chosen.seed)
        file.write_text(page.between_marks(file.read_text(encoding="utf-8"), text), encoding="utf-8")
    faults = broken(found)
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    options = argparse.ArgumentParser(
        "python -m tests.backtest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--histories", type=whole(1, HISTORIES_MAX, "histories"), default=HISTORIES, help="of a kind")
    options.add_argument("--seed", type=whole(0, SEED_MAX), default=SEED)
    options.add_argument("--format", choices=["table", "json"], default="table")
    instead = options.add_mutually_exclusive_group()
    instead.add_argument("--write", action="store_true", help=f"put the tables into {page.PAGE} too")
    instead.add_argument("--fit", action="store_true", help="try constants of the band on the fit half instead")
    chosen = options.parse_args(given)
    if chosen.write and (chosen.histories, chosen.seed) != (HISTORIES, SEED):
        options.error(f"--write takes no other histories or seed: {page.PAGE} has those that a test can repeat")
    return chosen


def in_processes(count: int, seed: int) -> list[Outcome]:
    """Every forecast of the held-out half, with a process for each core."""
    kinds = [(kind,) for kind in KINDS]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        parts = pool.map(replayed, [count] * len(kinds), [seed] * len(kinds), kinds)
        return [outcome for part in parts for outcome in part]


if __name__ == "__main__":
    sys.exit(main())
