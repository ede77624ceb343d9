"""The worked examples of docs/capacity.md, from the calculator itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pipeline.capacity import figures
from pipeline.capacity.load import Load
from pipeline.capacity.needs import needs
from pipeline.cli.capacity_told import COLUMNS, rows


class Example(NamedTuple):
    """Who they are, the options after `--events-per-day`, and the load that these say."""

    title: str
    options: str
    load: Load


EXAMPLES = (
    Example("A million events a day: one brand, or a young platform", "", Load(1_000_000)),
    Example(
        "50 million events a day: a platform of some hundred tenants",
        "--largest-account 0.05 --profiles 20000000 --worker-memory 64",
        Load(50_000_000, largest_account=0.05, profiles=20_000_000, worker_memory_gib=64),
    ),
    Example(
        "A billion events a day: thousands of tenants, uniques of 30 days",
        "--accounts 5000 --largest-account 0.01 --profiles 300000000 --remember-days 30 --worker-memory 128",
        Load(
            1_000_000_000,
            accounts=5_000,
            largest_account=0.01,
            profiles=300_000_000,
            remember_days=30,
            worker_memory_gib=128,
        ),
    ),
)


def section() -> str:
    """All examples, then the figures that they stand on."""
    known = figures.load()
    lines = [line for example in EXAMPLES for line in _example(example, known)]
    return "\n".join([*lines, *_figures(known)])


def _example(example: Example, known: figures.Figures) -> Iterator[str]:
    found = needs(example.load, known)
    yield f"### {example.title}"
    yield ""
    yield "```sh"
    yield f"tally capacity --events-per-day {example.load.events_per_day} {example.options}".rstrip()
    yield "```"
    yield ""
    yield "| what | needed | how |"
    yield "|---|---:|---|"
    for row in rows(found):
        yield _row(*(str(row[column]) for column in COLUMNS))
    yield ""
    yield from (f"- {line}" for line in (*found.limits, *found.notes))
    yield ""


def _figures(known: figures.Figures) -> Iterator[str]:
    yield "### The figures"
    yield ""
    yield "| figure | value | what | source | measured |"
    yield "|---|---:|---|---|---|"
    for name, one in known.by_name.items():
        measured = ", ".join(part for part in (one.date, one.commit and f"commit {one.commit}", one.machine) if part)
        yield _row(f"`{name}`", f"{one.value:,g} {one.unit}", one.what, one.source, measured)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
