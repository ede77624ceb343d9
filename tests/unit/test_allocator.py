"""What is freed goes back to the system."""

from __future__ import annotations

import subprocess
import sys

# A large piece is freed first: from then on glibc would keep all that is smaller. Small ones between hold the heap.
FREED = """
import sys
from pathlib import Path

import numpy as np

from pipeline.allocator import keep_little


def anonymous_mib():
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))


if sys.argv[1] == "told":
    assert keep_little()
large = np.ones(24 << 17)
del large
held = [(np.ones(8 << 17), np.ones(1 << 13)) for _ in range(8)]
before = anonymous_mib()
held = [small for _, small in held]
print(before - anonymous_mib())
"""


def given_back_mib(told: str) -> float:
    done = subprocess.run([sys.executable, "-c", FREED, told], check=True, capture_output=True, text=True)
    return float(done.stdout)


def test_large_pieces_that_are_freed_go_back_to_the_system() -> None:
    assert given_back_mib("told") > 60
    assert given_back_mib("not told") < 30  # what it is for
