"""All benches one after the other, each a process of its own; then docs/benchmarks.md from what they found.

    .venv/bin/python -m tests.bench [--only core,worker] [--skip peers] [--rounds N] [--quick] [--resume]
                                    [--kept docs/evidence/bench.json] [--page docs/benchmarks.md]
    .venv/bin/python -m tests.bench --page-only            the page anew from the kept figures
    .venv/bin/python -m tests.bench --capacity-figures     the calculator's figures from the kept figures

A bench's last outcome is kept until it is run again, its figures even when it fails then; --resume runs what a killed
run left open. Exit code 1 when a bench of this run failed; an aim that is missed is told on the page and changes no
exit code. 2 with a wrong option or file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import child, conditions, endings, files, options, report
from tests.bench.aims import AIMS
from tests.bench.kept import Kept
from tests.bench.plan import BENCHES
from tests.bench.results import Outcome, Verdict

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "evidence" / "bench.json"
PAGE = ROOT / "docs" / "benchmarks.md"


def main(given: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    chosen = options.parse(given, __doc__, BENCHES, KEPT, PAGE)
    try:
        return _act(chosen)
    except (files.Unreadable, files.Unwritable, files.Held) as fault:
        sys.stderr.write(f"{options.PROGRAM}: {fault}\n")
        return 2 if isinstance(fault, files.Unreadable) else 1


def _act(chosen: argparse.Namespace) -> int:
    if chosen.page_only:
        report.write(chosen.page, Kept.read(chosen.kept), chosen.kept.parent)
        _say(f"{chosen.page} is written")
        return 0
    if lacking := conditions.lacking():
        sys.stderr.write(
            f"{sys.executable} lacks {', '.join(lacking)}: use `make bench`, or `.venv/bin/{options.PROGRAM}`\n"
        )
        return 1
    if chosen.capacity_figures:
        from tests.bench import capacity_figures  # it needs packages, whose lack is told above

        return capacity_figures.update(Kept.read(chosen.kept))
    if chosen.quick:
        return _run(chosen, Kept())
    report.check(chosen.page)
    with files.alone(chosen.kept):
        try:
            return _run(chosen, Kept.read(chosen.kept))
        except SystemExit:  # by a signal
            sys.stderr.write("ended before its end: `make bench ARGS=--resume` runs what is left open\n")
            raise


def _run(chosen: argparse.Namespace, kept: Kept) -> int:
    """Run what is chosen, keeping after each; then write the page. Returns the exit code."""
    names = [name for name in BENCHES if name in chosen.only]
    words = [*(["--rounds", str(chosen.rounds)] if chosen.rounds else []), *(["--quick"] if chosen.quick else [])]
    if chosen.resume:
        names, words = [name for name in names if name in kept.open], list(kept.arguments)
        if not names:
            _say("nothing was left open")
            return 0
    else:
        kept = kept.planned(names, words)
    _keep(chosen, kept)
    ran: list[Outcome] = []
    for at, name in enumerate(names, 1):
        ran.append(_outcome(f"[{at} of {len(names)}] {name}", name, words, kept.of(name)))
        kept = kept.done(ran[-1], list(BENCHES))
        _keep(chosen, kept)
    if not chosen.quick:
        report.write(chosen.page, kept, chosen.kept.parent)
    for outcome in ran:
        _tell(outcome)
    taken = "`make bench ARGS=--capacity-figures` takes the calculator's figures over"
    _say("sizes were small: nothing is kept" if chosen.quick else f"{chosen.page} is written; {taken}")
    return 1 if any(outcome.failed for outcome in ran) else 0


def _keep(chosen: argparse.Namespace, kept: Kept) -> None:
    if not chosen.quick:
        kept.write(chosen.kept)


def _outcome(where: str, name: str, words: Sequence[str], before: Outcome | None) -> Outcome:
    about = f", {before.seconds / 60:.0f} min the last time" if before and before.seconds else ""
    _say(f"{where}: {BENCHES[name].about}{about}")
    outcome = child.outcome(name, BENCHES[name], words)
    _say(f"{where}: {'failed' if outcome.failed else 'done'}, {outcome.seconds:,.0f} s")
    return outcome


def _tell(outcome: Outcome) -> None:
    """What a bench missed, or its last words and how it ended."""
    for figure in outcome.figures:
        if figure.verdict is Verdict.MISSED and figure.aim is not None:
            _say(f"missed: {AIMS[figure.aim].what}: {report.spread(figure)} {figure.unit}")
    if outcome.failed:
        *words, end = outcome.failed.strip().splitlines()
        _say(f"failed: {outcome.bench}: {f'{words[-1]} ({end})' if words else end}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    endings.program(main)
