"""Numbers of a formula: with so many digits that it gives its row when it is calculated anew. Pure."""

from __future__ import annotations

import math

_DIGITS = 4
_PLACES_MAX = 12  # behind the point: less is nothing


def digits(value: float) -> str:
    """Four digits, or all before the point; never with an exponent."""
    if value == 0:
        return "0"
    places = _DIGITS - 1 - math.floor(math.log10(abs(value)))
    told = f"{value:,.{min(max(places, 0), _PLACES_MAX)}f}"
    return told.rstrip("0").rstrip(".") if "." in told else told
