"""What the benches read from /proc. Linux alone has it."""

from __future__ import annotations

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its threads included, its children not.

    Raises:
        FileNotFoundError, ProcessLookupError: there is no such process.
    """
    return sum(_times(pid)[:2]) / TICK


def cpu_seconds_with_children(pid: int) -> float:
    """User and system time of a process, its threads and all below it: those that run, those that ended and were
    waited for.

    Raises:
        FileNotFoundError, ProcessLookupError: there is no such process.
    """
    total = sum(_times(pid))
    for child in children(pid):
        try:
            total += round(cpu_seconds_with_children(child) * TICK)
        except (FileNotFoundError, ProcessLookupError):  # it ended since; its parent has its time or never waits
            continue
    return total / TICK


def children(pid: int) -> list[int]:
    """Processes that a process started and that run."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += map(int, (task / "children").read_text(encoding="ascii").split())
        except (FileNotFoundError, ProcessLookupError):  # a thread that ended since
            continue
    return found


def rss_bytes(pid: int) -> int:
    """Memory that a process has now."""
    return _status(pid, "VmRSS")


def peak_rss_bytes(pid: int) -> int:
    """The most memory that a process has had since it began, or since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Let the peak of a process of ours begin anew at what it has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def _times(pid: int) -> list[int]:
    """Ticks: user and system of the process; user and system of its children that ended and were waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
    return [int(field) for field in fields[11:15]]


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} has no {name}: it has ended")
