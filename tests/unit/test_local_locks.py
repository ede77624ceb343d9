"""Locks of files: held by one process alone, waited for where their holder is about to end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from connectors.local.locks import lock_within, try_lock

HOLDER = """
import sys, time
from connectors.local.locks import try_lock
file = open(sys.argv[1], "a")
print(try_lock(file), flush=True)
time.sleep(float(sys.argv[2]))
"""


def held(path: Path, seconds: float) -> subprocess.Popen[str]:
    """A process that has the lock for so long."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_a_lock_is_one_processs_alone_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held(path, 60) as holder, path.open("a") as file:
        assert not try_lock(file)
        assert not lock_within(file, 0.1)
        holder.kill()
        assert lock_within(file, 10)


def test_one_that_ends_soon_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held(path, 0.5), path.open("a") as file:
        assert lock_within(file, 10)
