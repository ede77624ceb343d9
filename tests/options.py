"""Types of the options of the tests' own programs: what is wrong with a value is said with what would be right.

argparse names the option and ends the program with exit code 2.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable
from pathlib import Path

SEED_MAX = (1 << 32) - 1
ROUNDS_MAX = 1_000_000  # and of faults in a round: nobody waits for more


def number(least: float, most: float, unit: str) -> Callable[[str], float]:
    """A number of `least` to `most`, both included; neither infinite nor none."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {unit} from {least:g} to {most:g}")
        return value

    return parse


def whole(least: int, most: int, unit: str = "") -> Callable[[str], int]:
    """A whole number of `least` to `most`, both included."""
    of = f" of {unit}" if unit else ""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number{of} from {least} to {most:,}")
        return value

    return parse


def folder(text: str) -> Path:
    """A folder in which files can be made; it is made where it is not there."""
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        why = f"no file can be made in {text!r}: {error.strerror}"
        raise argparse.ArgumentTypeError(f"{why}. Name a folder that is writable, or one that can be made") from None


def file(text: str) -> Path:
    """A file that can be written, in a folder that is made where it is not there."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder: name a file")
    folder(str(path.parent))
    return path
