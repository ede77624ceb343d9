"""Services that were left running beside the stack (`tally demo --keep`): known, so that `tally down` ends them too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from connectors.local.processes import Mark, end, runs

FILE = "companions.json"
STOP_SECONDS = 15.0  # worker.stop_seconds is 8 by default, a sink's last insert some more


class Ended(NamedTuple):
    """A service that was ended, and whether it stopped by itself (False: SIGKILL after the deadline)."""

    name: str
    pid: int
    clean: bool


def read(home: Path) -> dict[str, Mark]:
    """Those that still run, by name."""
    try:
        written = json.loads((home / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    marked = {name: Mark(pid, started) for name, (pid, started) in written.items()}
    return {name: mark for name, mark in marked.items() if runs(mark)}


def add(home: Path, services: Mapping[str, Mark]) -> None:
    """Remember more of them; a name that is taken gets a number."""
    known = read(home)
    for name, mark in services.items():
        number = 1
        while (free := name if number == 1 else f"{name}-{number}") in known:
            number += 1
        known[free] = mark
    aside = home / f"{FILE}.new"
    aside.write_text(json.dumps({name: list(mark) for name, mark in known.items()}) + "\n", encoding="utf-8")
    aside.replace(home / FILE)


def stop(home: Path) -> list[Ended]:
    """End those that run, side by side; returns them."""
    known = read(home)
    if known:
        with ThreadPoolExecutor(len(known)) as pool:
            clean = list(pool.map(lambda mark: end(mark, STOP_SECONDS), known.values()))
        ended = [Ended(name, mark.pid, ok) for (name, mark), ok in zip(known.items(), clean, strict=True)]
    else:
        ended = []
    (home / FILE).unlink(missing_ok=True)
    return ended
