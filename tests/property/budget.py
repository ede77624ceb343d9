"""How many examples a property gets: 300, times TALLY_EXAMPLES."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest

EXAMPLES = 300
# Taken out of the environment: to the program itself an unknown TALLY_ setting is a fault.
TIMES = int(os.environ.pop("TALLY_EXAMPLES", "1"))
SECONDS = 180  # of one property at TIMES = 1, as in pyproject.toml

_SLOW = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large]


def examples(share: float = 1.0) -> Callable[[Any], Any]:
    """Settings of a property; `share` of the usual number of examples."""
    count = max(1, round(EXAMPLES * TIMES * share))
    chosen = hypothesis.settings(max_examples=count, deadline=None, suppress_health_check=_SLOW)

    def mark(test: Any) -> Any:
        return pytest.mark.timeout(SECONDS * TIMES)(chosen(test))

    return mark
