"""The protections that can be taken away, one by one, and what then provokes the harm: the list weakened.toml.

A protection is what the product does against one danger; its changes take it away in a copy of the sources, and a
witness must say so: rounds of torture under a plan, a line that such a round leaves in a log, or tests of its own.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.torture.faults import Kind, plan

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("weakened.toml")


class Rotten(ValueError):
    """A change that no longer fits the sources: its old text must stand there exactly once."""


class Change(NamedTuple):
    """`old` of a file becomes `new`."""

    file: str
    old: str
    new: str


class Plan(NamedTuple):
    """A narrow nemesis: its kinds of faults, how many in a round, and over how many seconds of load.

    `changes` are made to the tests, or to a duration of the product, so that the danger comes soon; they weaken
    nothing, and rounds with all protections run under them too.
    """

    name: str
    why: str
    kinds: list[Kind]
    faults: int
    seconds: float
    changes: Sequence[Change] = ()


class Protection(NamedTuple):
    """What is taken away: `why` says what it is there for.

    The witness: a difference in at most `rounds` rounds under the plan, of the name `plan`; with `log`, a line of that
    pattern in such a round's logs, which says that another protection had to step in; or a failure of `tests`.
    `remark` says what a reader of the result should know.
    """

    name: str
    why: str
    changes: Sequence[Change]
    plan: str = ""
    rounds: int = 1
    log: str = ""
    tests: Sequence[str] = ()
    remark: str = ""


def plans() -> dict[str, Plan]:
    """All plans by name."""
    made = (
        Plan(**one | {"kinds": [Kind(kind) for kind in one["kinds"]], "changes": _changes(one)})
        for one in _read()["plan"]
    )
    return {one.name: one for one in made}


def protections() -> list[Protection]:
    """All protections, in the order of the list."""
    return [Protection(**one | {"changes": _changes(one)}) for one in _read()["protection"]]


def changed(changes: Iterable[Change], root: Path = ROOT) -> dict[str, str]:
    """The new text of every file that the changes meet, by path.

    Raises:
        Rotten: an old text is not there exactly once, or the new one is the same.
    """
    texts: dict[str, str] = {}
    for change in changes:
        text = texts.get(change.file) or (root / change.file).read_text(encoding="utf-8")
        if (count := text.count(change.old)) != 1 or change.old == change.new:
            raise Rotten(
                f"{change.file} has {count} times the text {change.old!r}; mend {LIST.name} so that it names the code "
                "as it is now, or drop the protection with the code that it was"
            )
        texts[change.file] = text.replace(change.old, change.new)
    return texts


def seeds(of: Plan, first: int) -> Iterator[int]:
    """The seeds from the first one on whose faults find a victim: so few kinds may find everybody busy."""
    return (seed for seed in itertools.count(first) if _fits(of, seed))


def _fits(of: Plan, seed: int) -> bool:
    try:
        return bool(plan(seed, of.seconds, of.faults, of.kinds))
    except ValueError:
        return False


def _read() -> dict[str, Any]:
    return tomllib.loads(LIST.read_text(encoding="utf-8"))


def _changes(one: dict[str, Any]) -> list[Change]:
    return [Change(**change) for change in one.get("changes", [])]
