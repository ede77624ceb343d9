"""Options that are counts and shares, as people write them: 300M, 300,000,000, 3e8; 0.4, 40%.

What is none is refused with what would do; typer names the option and ends the command with exit code 2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

_COUNT = re.compile(r"(\d+|\d{1,3}(?:[,_]\d{3})+|\d+\.\d+|\d+(?:\.\d+)?[eE]\+?\d{1,2}) ?([kKmM]|bn|BN|[bBgG])?")
_TIMES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "bn": 10**9}
_SHARE = re.compile(r"(\d+(?:\.\d*)?|\.\d+|\d+(?:\.\d+)?[eE]-\d{1,2})(%?)")
_PERCENTS = 100


def count(least: int, most: int) -> Callable[[str | int], int]:
    """A parser of whole numbers."""

    def parse(given: str | int) -> int:
        text = str(given).strip()  # typer passes defaults too
        found = _COUNT.fullmatch(text)
        number, times = (found[1], _TIMES[(found[2] or "").lower()]) if found else ("nan", 1)
        plain = number.replace(",", "").replace("_", "")
        value = int(plain) * times if plain.isdigit() else float(plain) * times
        if not (least <= value <= most and value == int(value)):
            like = "300000000, 300_000_000, 300,000,000, 300M and 3e8 are the same"
            raise ValueError(f"{text!r} is no whole number from {least:,} to {most:,}; {like}")
        return int(value)

    parse.__name__ = "count"
    return parse


def share(most: float = 1.0) -> Callable[[str | float], float]:
    """A parser of shares of a whole."""

    def parse(given: str | float) -> float:
        text = str(given).strip()
        found = _SHARE.fullmatch(text)
        value = float(found[1]) / (_PERCENTS if found[2] else 1) if found else math.nan
        if not 0 <= value <= most:
            hint = f"; {value / _PERCENTS:g} is {value:g}%" if 1 < value <= most * _PERCENTS else ""
            raise ValueError(f"{text!r} is no share from 0 to {most:g}, such as 0.1 or 10%{hint}")
        return value

    parse.__name__ = "share"
    return parse
