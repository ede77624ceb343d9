"""How `tally capacity` tells a plan to people: first whether it is possible, and what would make it so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.cli import console

if TYPE_CHECKING:
    from pipeline.capacity.levers import Lever, Levers
    from pipeline.capacity.needs import Needs

COLUMNS = ("what", "needed", "how")
NEAREST = "What comes nearest:"
_LEAST = 0.01  # of a core, or an event in 100 seconds: less is nothing to plan
_TEN = 9.95  # has two digits without a point
_WHOLE = frozenset({"processes of a core", "partitions", "processes"})


def plan(found: Needs, would_do: Levers | None) -> None:
    """Print it: facts on standard output, what else a planner must know on standard error."""
    if would_do is not None:
        for line in impossible(found, would_do):
            console.console().print(line)
    console.table(rows(found), COLUMNS, None if would_do is None else NEAREST)
    for note in found.notes:
        console.say(note)


def impossible(found: Needs, would_do: Levers) -> Iterator[str]:
    """What is not kept, and the options that would do."""
    yield "NOT POSSIBLE as given."
    yield from (f"- {limit}" for limit in found.limits)
    if would_do.musts:
        yield f"Whatever else is changed: {' and '.join(map(_option, would_do.musts))}."
    beside = "Beside that, " if would_do.musts else ""
    if would_do.each:
        told = f"{beside}each of these alone makes it possible: {'; '.join(map(_option, would_do.each))}."
    elif would_do.together:
        told = (
            f"{beside}no one option makes it possible. These together do: {'; '.join(map(_option, would_do.together))}."
        )
    elif would_do.open:
        told = f"{beside}no option or set of options that was tried makes it possible."
    else:
        return
    yield told[0].upper() + told[1:]


def _option(lever: Lever) -> str:
    return f"{lever.option} {lever.value:.12g} ({lever.means})"


def rows(found: Needs) -> list[dict[str, object]]:
    """The plan as a table has it."""
    return [{"what": row.what, "needed": shown(row.value, row.unit), "how": row.how} for row in found.rows]


def shown(value: float, unit: str) -> str:
    """A value for people: counts whole, sizes in the unit that keeps them short, shares of cores with two digits."""
    if unit == "GiB":
        size = f"{value / 1024:,.1f} TiB" if value >= 1024 else f"{value:,.1f} GiB"
        return size if value >= 1 else f"{value * 1024:,.0f} MiB"
    if unit in _WHOLE or value >= _TEN:
        return f"{value:,.0f} {unit.removesuffix('s') if value == 1 else unit}"
    return f"{value:#.2g} {unit}" if value >= _LEAST else f"under {_LEAST} {unit}"
