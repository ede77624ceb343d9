"""The evidence about protections: a line of JSON for each that was ever taken away, and a page of the last ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.torture.evidence import append
from tests.torture.protections import Protection, plans, protections

LINES = "protections.jsonl"
PAGE = "protections.md"
CONTROL = "nothing"
SHOWN = 200  # characters of what was noticed

Row = dict[str, Any]


def add(folder: Path, row: Row) -> None:
    """One more result. The page is made anew."""
    append(folder / LINES, row, lambda rows: (folder / PAGE).write_text(page(rows), encoding="utf-8"))


def slug(text: str) -> str:
    """A folder's name for it."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def page(rows: Sequence[Row]) -> str:
    """The page: of every protection and every control the last result."""
    last = {(row["taken"], row["plan"]): row for row in rows}
    every = protections()
    taken = [(one, last[one.name, one.plan]) for one in every if (one.name, one.plan) in last]
    controls = {(row["plan"], tuple(row["tests"])): row for row in rows if row["taken"] == CONTROL}
    return "\n".join(
        [
            "# Protections taken away, and who noticed",
            "",
            f"Written by `python -m tests.torture.weakened` from [{LINES}]({LINES}); the last result of each. Every",
            "protection of `tests/torture/weakened.toml` is taken away, alone or with the one that backs it up, in a",
            "copy of the committed sources, and rounds of torture run there until one finds a difference. The faults",
            "are of the kinds that provoke this harm. The checker is the copy's own: what it holds the numbers against",
            "are the producers' logs and the oracle, which have nothing of the product.",
            "",
            f"{len(taken)} of {len(every)} taken away, {sum(row['noticed'] for _, row in taken)} noticed.",
            "",
            "| taken away | what it is there for | noticed by | rounds (last seed) | faults | first line | in all |",
            "|---|---|---|---:|---:|---|---:|",
            *(_row(one, row) for one, row in taken),
            "",
            *_remarks([one for one, _ in taken]),
            *_controls(list(controls.values())),
            *_plans(),
        ]
    )


def _row(one: Protection, row: Row) -> str:
    by = "rounds: differences" if one.plan else _files(one.tests)
    if one.log and not row["differences"]:
        by = "rounds: a line in a log"
    if not row["noticed"]:
        by = "**nothing**"
    played = f"{row['rounds']} ({row['seed']})" if one.plan else ""
    cells = (one.name, one.why, by, played, row["faults"] or "", _first(row), row["differences"] or "")
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _first(row: Row) -> str:
    said = str(row["first"] or row["broken"])
    if row["tests"]:
        said = said.partition(" - ")[0].rpartition("::")[2].removeprefix("test_").replace("_", " ")
    said = re.sub(r"\bt\d+x\d+\.", "", said).replace("|", "/").replace("\n", " ")
    return said if len(said) <= SHOWN else f"{said[:SHOWN]} ..."


def _files(tests: Sequence[str]) -> str:
    """The files of tests, as the page names them."""
    return ", ".join(f"`{test.partition('::')[0].removeprefix('tests/')}`" for test in tests)


def _remarks(taken: Sequence[Protection]) -> list[str]:
    told = [f"- {one.name}: {one.remark}" for one in taken if one.remark]
    return [*told, ""] if told else []


def _controls(rows: Sequence[Row]) -> list[str]:
    lines = [
        f"| {row['plan'] or _files(row['tests'])} | {row['rounds'] or ''} | {row['faults'] or ''} | "
        f"{row['differences'] if row['plan'] else ''} | {_first(row) or 'none'} | {row['commit']} |"
        for row in sorted(rows, key=lambda row: str(row["plan"]))
    ]
    return [
        "## The same with nothing taken away",
        "",
        "| plan | rounds | faults | differences | noticed | commit |",
        "|---|---:|---:|---:|---|---|",
        *lines,
        "",
    ]


def _plans() -> list[str]:
    lines = [
        f"| {plan.name} | {plan.why} | {plan.faults} of: {', '.join(plan.kinds)} | {plan.seconds:g} |"
        for plan in plans().values()
    ]
    return [
        "## Plans",
        "",
        "| plan | what it provokes | faults a round | seconds of load |",
        "|---|---|---|---:|",
        *lines,
        "",
    ]
