"""Takes the protections away one by one and shows that torture notices: what could not fail would prove nothing.

    python -m tests.torture.weakened --only "chain rule" --rounds 3 --seed 7

Each protection of weakened.toml is taken away in a copy of the committed sources, and rounds of torture run there, in
a process of their own, until one finds a difference; some have another witness, see `protections.py`. Then the same
rounds run with all protections, and must find none. Results are added to docs/evidence.
Exit codes: 0 everything was noticed and nothing without a reason, 1 not so, 2 wrong options.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from connectors.local.jars import KAFKA_VERSION
from tests.options import ROUNDS_MAX, SEED_MAX, folder, whole
from tests.torture import protections_page
from tests.torture.copies import BrokenOff, Copy
from tests.torture.evidence import versions
from tests.torture.protections import ROOT, Plan, Protection, plans, protections, seeds

SEED = 1
CONTROL = "nothing"  # what is taken away in a control


@dataclass
class Verdict:
    """What became of one protection that was taken away, or of a control. `first` is what was noticed first."""

    taken: str
    plan: str
    tests: Sequence[str]
    began: str
    noticed: bool = False
    rounds: int = 0
    seed: int = 0
    faults: int = 0
    first: str = ""
    differences: int = 0
    seconds: float = 0.0
    broken: str = ""


def main(given: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _options(given)
    every = protections()
    unknown = set(options.only) - {one.name for one in every}
    if unknown:
        _say(f"There is no protection {', '.join(sorted(unknown))}; --list names them all")
        return 2
    some = [one for one in every if not options.only or one.name in options.only]
    if options.list:
        _say("\n".join(one.name for one in some))
        return 0
    on = versions(KAFKA_VERSION, version("chdb"))
    on["commit"] = on["commit"].removesuffix("+")  # the copies are of the commit
    trials = _Trials(options, on["commit"])
    wrong = []
    for one in some:
        verdict = _told(trials.weakened(one))
        protections_page.add(options.evidence, asdict(verdict) | on)
        wrong += [] if verdict.noticed else [f"nothing noticed that {one.name} was gone {verdict.broken}".strip()]
    for verdict in trials.controls():
        _told(verdict)
        protections_page.add(options.evidence, asdict(verdict) | on)
        said = verdict.first or verdict.broken
        wrong += [f"with all protections, {verdict.plan or 'tests'}: {said}"] if said else []
    _say(
        "\n".join([f"{len(some)} protections taken away, {len(wrong)} results that are not as they should be", *wrong])
    )
    return 1 if wrong else 0


class _Trials:
    """One after the other, below a folder; all begin with the same seed, so that few controls are needed."""

    def __init__(self, options: argparse.Namespace, commit: str) -> None:
        self._folder, self._seed, self._rounds = options.folder, options.seed, options.rounds
        self._commit = commit
        self._plans = plans()
        self._used: dict[str, tuple[int, str]] = {}  # by plan: rounds run, and the pattern looked for
        self._tests: set[str] = set()

    def weakened(self, one: Protection) -> Verdict:
        """Take a protection away, until it is noticed or the rounds are used up."""
        if one.tests:
            self._tests.update(one.tests)
            return self._tried(one, None, 0)
        most = min(one.rounds, self._rounds or one.rounds)
        verdict = self._tried(one, self._plans[one.plan], most)
        used, log = self._used.get(one.plan, (0, ""))
        self._used[one.plan] = max(used, verdict.rounds), one.log or log
        return verdict

    def controls(self) -> list[Verdict]:
        """The same rounds and tests with all protections; nothing may be noticed."""
        found = []
        for name, (rounds, log) in self._used.items():
            control = Protection(CONTROL, "", [], name, rounds, log)
            found.append(self._tried(control, self._plans[name], rounds))
        if self._tests:
            found.append(self._tried(Protection(CONTROL, "", [], tests=sorted(self._tests)), None, 0))
        return found

    def _tried(self, one: Protection, plan: Plan | None, most: int) -> Verdict:
        verdict = Verdict(one.name, one.plan, one.tests, datetime.now(UTC).isoformat(timespec="seconds"))
        began = time.monotonic()
        changes = [*one.changes, *(plan.changes if plan else ())]
        copy = Copy(self._folder / protections_page.slug(f"{one.name} {one.plan}"), self._commit, changes)
        try:
            if plan is None:
                verdict.first = copy.test(one.tests)
                verdict.noticed = bool(verdict.first)
            else:
                self._play(copy, one, plan, most, verdict)
        except BrokenOff as error:
            verdict.broken = str(error)
        verdict.seconds = round(time.monotonic() - began, 1)
        if one.name == CONTROL and not verdict.noticed:
            copy.remove()
        return verdict

    def _play(self, copy: Copy, one: Protection, plan: Plan, most: int, verdict: Verdict) -> None:
        """Rounds, until one notices; a control goes on to its last one, or its first difference."""
        for number, seed in enumerate(itertools.islice(seeds(plan, self._seed), most)):
            _say(f"{one.name}: round of seed {seed}, {plan.name}")
            outcome = copy.round(plan, seed, one.log)
            noticed = [*outcome.differences, *outcome.lines]
            verdict.rounds, verdict.seed = number + 1, seed
            verdict.faults += outcome.faults
            if noticed:
                verdict.noticed, verdict.first, verdict.differences = True, noticed[0], len(outcome.differences)
                return


def _told(verdict: Verdict) -> Verdict:
    where = f"{verdict.plan}, {verdict.rounds} rounds, seed {verdict.seed}" if verdict.plan else "tests"
    if verdict.taken == CONTROL:
        what = verdict.first or verdict.broken or "no difference, as it must be"
    else:
        what = verdict.first or verdict.broken or "NOT NOTICED"
    _say(f"without {verdict.taken} ({where}, {verdict.seconds:g} s): {what}")
    return verdict


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.torture.weakened", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this one (may be repeated)")
    parser.add_argument("--list", action="store_true", help="name the protections and end")
    parser.add_argument(
        "--rounds", type=whole(1, ROUNDS_MAX, "rounds"), help="for each at most; default: as many as the list says"
    )
    parser.add_argument("--seed", type=whole(0, SEED_MAX), default=SEED, help="of the first round of each")
    parser.add_argument("--folder", type=folder, default=ROOT / ".torture" / "weakened", help="of the copies")
    parser.add_argument("--evidence", type=folder, default=ROOT / "docs" / "evidence", help="where results are added")
    return parser.parse_args(given)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
