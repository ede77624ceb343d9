"""What the tests of the benches' frame share: a figure, a quiet machine, an empty page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench import report
from tests.bench.conditions import Conditions
from tests.bench.kept import Kept
from tests.bench.results import Figure

ROOT = Path(__file__).parents[2]
MACHINE = {"CPU": "a CPU", "cores": "2", "memory": "8 GiB", "system": "Linux 6"}
QUIET = Conditions("2026-01-02 03:04", "abc", MACHINE, {"Python": "3.11.7"}, 0.1, 0.02, 1.0)
MARKS = "".join(f"{report.BEGIN.format(name)}\n{report.END.format(name)}\n" for name in report.parts(Kept(), ROOT))


def figure(*values: float, aim: str | None = "core.2000", **more: Any) -> Figure:
    given = {"group": "core", "name": "2,000 a batch", "unit": "µs/event"} | more
    return Figure(**given, values=values, aim=aim)
