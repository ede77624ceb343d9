"""Types of the options of the tests' own programs: what is wrong with a value is said with what would be right.

argparse names the option and ends the program with exit code 2.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Callable, Collection
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
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number{of} from {least:,} to {most:,}")
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
    if path.exists() and not os.access(path, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} is not writable for this user. Make it so, or name another file")
    return path


def present(text: str) -> Path:
    """A file that is there and can be read."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder: name a file")
    if not os.access(path, os.R_OK):
        why = "cannot be read" if path.exists() else "is not there"
        raise argparse.ArgumentTypeError(f"{text!r} {why}. Name a file that is there")
    return path


def names(known: Collection[str], what: str) -> Callable[[str], list[str]]:
    """Some of the known names, with commas between them: at least one."""

    def parse(text: str) -> list[str]:
        found = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in found if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(known)}")
        if not found:
            raise argparse.ArgumentTypeError(f"{text!r} names no {what}; there are {', '.join(known)}")
        return found

    return parse
