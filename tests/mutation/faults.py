"""The list of deliberate faults, and how one is put into a copy of the project."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("faults.toml")


class Fault(NamedTuple):
    """One fault: `old` of pipeline/core/<file>.py becomes `new`; `why` is the rule that it breaks.

    `equivalent` says why no test can notice it; empty for all others.
    """

    name: str
    file: str
    old: str
    new: str
    why: str
    equivalent: str = ""

    @property
    def path(self) -> str:
        """The file's path in the project."""
        return f"pipeline/core/{self.file}.py"


class Rotten(ValueError):
    """A fault that no longer fits the code: its text must stand there exactly once."""


def faults() -> list[Fault]:
    """All of them, in the order of the list."""
    return [Fault(**one) for one in tomllib.loads(LIST.read_text(encoding="utf-8"))["fault"]]


def faulty(fault: Fault, root: Path = ROOT) -> str:
    """The text of the fault's file with the fault in it.

    Raises:
        Rotten: the old text is not there exactly once, or the new one is the same.
    """
    text = (root / fault.path).read_text(encoding="utf-8")
    if (count := text.count(fault.old)) != 1 or fault.old == fault.new:
        raise Rotten(
            f"{fault.name}: its old text stands {count} times in {fault.path}; mend the fault in {LIST.name} so "
            "that it names the code as it is now, or drop it with the rule that it broke"
        )
    return text.replace(fault.old, fault.new)
