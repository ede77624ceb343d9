"""What a wrong setting is: one fault, and the error that carries all of them. Imports nothing slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Fault(NamedTuple):
    """One thing wrong with the settings: the setting's environment name, what is wrong, how to mend it."""

    name: str
    problem: str
    mend: str

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}. {self.mend}."


class SettingsError(ValueError):
    """The settings cannot be used; `faults` are all of them."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        head = "1 setting is wrong" if len(faults) == 1 else f"{len(faults)} settings are wrong"
        super().__init__("\n  ".join([f"{head}:", *map(str, faults)]))


def require(*asked: Callable[[], object]) -> None:
    """Ask for values that settings may lack.

    Raises:
        SettingsError: with every fault of all of them.
    """
    faults: list[Fault] = []
    for ask in asked:
        try:
            ask()
        except SettingsError as error:
            faults += error.faults
    if faults:
        raise SettingsError(faults)
