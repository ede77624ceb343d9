"""Numbers of a formula: with so many digits that it gives its row when it is calculated anew. Pure."""

from __future__ import annotations

_WHOLE = 1_000  # from here on what is behind the point means nothing


def digits(value: float) -> str:
    """Four digits, or all before the point."""
    return f"{value:,.0f}" if value >= _WHOLE else f"{value:.4g}"
