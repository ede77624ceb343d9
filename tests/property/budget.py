"""How many cases a property gets: 1,000, times TALLY_EXAMPLES; one of its own with TALLY_CASE."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest

EXAMPLES = 1000
# Taken out of the environment: to the program itself an unknown TALLY_ setting is a fault.
TIMES = int(os.environ.pop("TALLY_EXAMPLES", "1"))
CASE = os.environ.pop("TALLY_CASE", "")  # the number of a rolled case that failed
SECONDS = 600  # of one test at TIMES = 1, as in tests/everything.py: it takes 5 to 60 where nothing else runs

_SLOW = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large]


def examples() -> Callable[[Any], Any]:
    """Settings of a property whose cases hypothesis draws."""
    chosen = hypothesis.settings(max_examples=EXAMPLES * TIMES, deadline=None, suppress_health_check=_SLOW)

    def mark(test: Any) -> Any:
        return pytest.mark.timeout(SECONDS * TIMES)(chosen(test))

    return mark
