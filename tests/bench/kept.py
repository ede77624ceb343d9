"""The file of JSON that a run of all benches keeps: each bench's last outcome, and what this run has yet to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tests.bench import files
from tests.bench.results import Figure, Outcome


@dataclass(frozen=True)
class Kept:
    """What benches found, by their names, and the benches that the last run planned and did not finish."""

    outcomes: tuple[Outcome, ...] = ()
    open: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()  # of the run that left them open

    def of(self, bench: str) -> Outcome | None:
        """A bench's last outcome."""
        return next((outcome for outcome in self.outcomes if outcome.bench == bench), None)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Of all benches."""
        return tuple(figure for outcome in self.outcomes for figure in outcome.figures)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Benches whose last run ended without figures; what they have is of the run before."""
        return tuple(outcome for outcome in self.outcomes if outcome.failed)

    def planned(self, benches: Sequence[str], arguments: Sequence[str]) -> Self:
        """A run is about to begin."""
        return replace(self, open=tuple(benches), arguments=tuple(arguments))

    def done(self, outcome: Outcome, order: Sequence[str]) -> Self:
        """A bench has ended; outcomes stay in the order in which benches are run.

        One that failed has the figures and conditions of its run before beside its last words.
        """
        before = self.of(outcome.bench)
        if outcome.failed and before is not None:
            outcome = replace(before, failed=outcome.failed)
        others = {one.bench: one for one in self.outcomes} | {outcome.bench: outcome}
        ranks = {name: rank for rank, name in enumerate(order)}
        outcomes = sorted(others.values(), key=lambda one: ranks.get(one.bench, len(ranks)))
        return replace(self, outcomes=tuple(outcomes), open=tuple(name for name in self.open if name != outcome.bench))

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote; nothing where there is no file.

        Raises:
            Unreadable: it cannot be read, or is something else.
        """
        if not path.exists():
            return cls()
        text = files.text_of(path)
        try:
            found = json.loads(text)
            outcomes = tuple(Outcome.from_json(one) for one in found["outcomes"])
            return cls(outcomes, tuple(found["open"]), tuple(found["arguments"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"{path} is no file of figures that `make bench` kept ({type(error).__name__}: {error})"
            raise files.Unreadable(f"{what}: name another, or take it from git again") from None

    def write(self, path: Path) -> None:
        """As JSON.

        Raises:
            Unwritable: it is as it was.
        """
        found = {
            "open": list(self.open),
            "arguments": list(self.arguments),
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
        }
        files.put(path, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
