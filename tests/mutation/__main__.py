"""Puts deliberate faults into copies of the core and shows which test notices each: `make mutants`.

Writes docs/mutants.md, unless only some were asked for. Exits 1 where a fault goes unnoticed that is not said to be
equivalent, or is noticed though it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.mutation.faults import ROOT, Fault, faults, faulty
from tests.mutation.page import PAGE, page
from tests.mutation.trial import Verdict, attempt

JOBS_MAX = 2  # at a time: a trial is one process that computes


def main() -> int:
    chosen = _asked()
    every = faults()
    unknown = set(chosen.only) - {fault.name for fault in every}
    if unknown:
        _say(f"There is no fault {', '.join(sorted(unknown))}; --list names them all")
        return 2
    some = [fault for fault in every if not chosen.only or fault.name in chosen.only]
    if chosen.list:
        _say("\n".join(f"{fault.name:50} {fault.path}" for fault in some))
        return 0
    for fault in some:
        faulty(fault)
    without = attempt(None)
    if without.test or without.remark:
        _say(f"The tests fail without any fault: {without.test}{without.remark}")
        return 1
    verdicts = list(_told(some, _verdicts(some, chosen.jobs)))
    if not chosen.only:
        (ROOT / PAGE).write_text(page(every, verdicts), encoding="utf-8")
    wrong = [v.fault for fault, v in zip(some, verdicts, strict=True) if bool(v.test) == bool(fault.equivalent)]
    _say(f"{len(some)} faults, {sum(bool(v.test) for v in verdicts)} noticed")
    for name in wrong:
        _say(f"not as the list says: {name}")
    return 1 if wrong else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this fault (may be repeated)")
    parser.add_argument("--list", action="store_true", help="name the faults and end")
    parser.add_argument("--jobs", type=int, default=JOBS_MAX, choices=range(1, JOBS_MAX + 1), help="trials at a time")
    return parser.parse_args()


def _verdicts(some: list[Fault], jobs: int) -> Iterator[Verdict]:
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(attempt, some)


def _told(some: list[Fault], verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    for number, verdict in enumerate(verdicts, start=1):
        said = verdict.test or verdict.remark or "SURVIVES"
        _say(f"{number:3}/{len(some)} {verdict.fault:50} {said}")
        yield verdict


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
