"""No key of a table is 0, which marks a free slot."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.hashing import mix

# What `mix` multiplies its first and adds to its second number.
FACTOR, SUMMAND = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03


@pytest.mark.parametrize("x", [0, 1, 12345, (1 << 64) - 1])
def test_a_pair_that_mixes_to_nothing_becomes_1(x: int) -> None:
    y = (x * FACTOR - SUMMAND) % (1 << 64)
    assert mix(np.array([x], np.uint64), np.array([y], np.uint64)).tolist() == [1]
