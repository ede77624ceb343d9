"""Progress of `tally up` on standard error: a bar on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.cli import console

if TYPE_CHECKING:
    from connectors.local.progress import Progress

PLAIN_STEPS = 4  # lines for one countable thing where there is no terminal: logs of CI stay short


@contextlib.contextmanager
def shown() -> Iterator[Progress]:
    """A progress function to hand on; what it showed is cleared away at the end."""
    if not console.err().is_terminal:
        yield _Plain().show
        return
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
    )
    with Bars(*columns, console=console.err(), transient=True) as bars:
        tasks: dict[str, int] = {}
        guard = threading.Lock()

        def show(what: str, done: int, total: int) -> None:
            with guard:
                if what not in tasks:
                    tasks[what] = bars.add_task(what, total=total or None)
                bars.update(tasks[what], completed=done, total=total or None)  # type: ignore[arg-type]

        yield show


class _Plain:
    """A line for what begins, and one for each quarter of what can be counted."""

    def __init__(self) -> None:
        self._said: set[tuple[str, int]] = set()
        self._guard = threading.Lock()

    def show(self, what: str, done: int, total: int) -> None:
        """As `Progress`."""
        step = done * PLAIN_STEPS // total if total else 0
        with self._guard:
            if (what, step) in self._said:
                return
            self._said.add((what, step))
        console.say(f"{what}: {done} of {total}" if total else what)
