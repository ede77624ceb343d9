"""All benches one after the other, each a process of its own; then docs/benchmarks.md from what they found.

    python -m tests.bench [--only core,worker] [--skip peers] [--rounds N] [--quick] [--resume]
                          [--kept docs/evidence/bench.json] [--page docs/benchmarks.md]
    python -m tests.bench --page-only            the page anew from the kept figures
    python -m tests.bench --capacity-figures     the calculator's figures from the kept figures

A bench's last outcome is kept until it is run again; --resume runs what a killed run left open. Exit code 1 when a
bench failed; an aim that is missed is told on the page and changes no exit code. 2 with a wrong option.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import capacity_figures, child, report
from tests.bench.aims import AIMS
from tests.bench.kept import Kept
from tests.bench.plan import BENCHES
from tests.bench.results import Verdict
from tests.options import whole

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "evidence" / "bench.json"
PAGE = ROOT / "docs" / "benchmarks.md"
ROUNDS_MAX = 100  # hours


def main(given: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    chosen = _options(given)
    kept = Kept.read(chosen.kept)
    if chosen.capacity_figures:
        return capacity_figures.update(kept)
    if not chosen.page_only:
        kept = _run(chosen, kept)
    if not chosen.quick:
        report.write(chosen.page, kept, chosen.kept.parent)
    for figure in kept.figures:
        if figure.verdict is Verdict.MISSED and figure.aim is not None:
            _say(f"missed: {AIMS[figure.aim].what}: {report.spread(figure)} {figure.unit}")
    for outcome in kept.failed:
        _say(f"failed: {outcome.bench}: {outcome.failed.strip().splitlines()[-1]}")
    taken = "`make bench ARGS=--capacity-figures` takes the calculator's figures over"
    _say("sizes were small: nothing is kept" if chosen.quick else f"{chosen.page} is written; {taken}")
    return 1 if kept.failed else 0


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=_names, default=list(BENCHES), metavar="A,B", help="these benches alone")
    parser.add_argument("--skip", type=_names, default=[], metavar="A,B", help="all benches but these")
    parser.add_argument("--rounds", type=whole(1, ROUNDS_MAX, "rounds"), help="of each figure; each bench has its own")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all runs: nothing is kept")
    parser.add_argument("--resume", action="store_true", help="run what a killed run left open, with its options")
    parser.add_argument("--kept", type=Path, default=KEPT, help="the file of figures")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page with the marks")
    parser.add_argument("--page-only", action="store_true", help="write the page from the kept figures, run nothing")
    parser.add_argument("--capacity-figures", action="store_true", help="write the figures of `tally capacity`")
    return parser.parse_args(given)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(BENCHES)}")
    return names


def _run(chosen: argparse.Namespace, kept: Kept) -> Kept:
    """Run what is chosen, keeping after each; returns all that is known then."""
    names = [name for name in BENCHES if name in chosen.only and name not in chosen.skip]
    words = [*(["--rounds", str(chosen.rounds)] if chosen.rounds else []), *(["--quick"] if chosen.quick else [])]
    if chosen.resume:
        names, words = [name for name in names if name in kept.open], list(kept.arguments)
    else:
        kept = kept.planned(names, words)
    for at, name in enumerate(names, 1):
        before = kept.of(name)
        about = f", {before.seconds / 60:.0f} min the last time" if before and before.seconds else ""
        _say(f"[{at} of {len(names)}] {name}: {BENCHES[name].about}{about}")
        outcome = child.outcome(name, BENCHES[name], words)
        _say(f"[{at} of {len(names)}] {name}: {'failed' if outcome.failed else 'done'}, {outcome.seconds:,.0f} s")
        kept = kept.done(outcome, list(BENCHES))
        if not chosen.quick:
            kept.write(chosen.kept)
    return kept


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the bench that runs too
    sys.exit(main())
