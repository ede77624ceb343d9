"""docs/benchmarks.md: measured parts, from the kept JSON alone; what stands outside the marks is written by hand."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench import files
from tests.bench.aims import AIMS, Aim, Better
from tests.bench.conditions import Conditions
from tests.bench.kept import Kept
from tests.bench.plan import BENCHES
from tests.bench.results import Figure, Outcome, Verdict, holds, number

NO_PROFILE = "No profile of a worker was taken yet."
BEGIN, END = "<!-- measured by `make bench`: begin {} -->", "<!-- measured: end {} -->"


def parts(kept: Kept, folder: Path) -> dict[str, str]:
    """The measured parts of the page, by the names in their marks; `folder` has the profiles."""
    return {"aims": aims(kept), "conditions": conditions(kept), "figures": figures(kept), "profiles": profiles(folder)}


def write(page: Path, kept: Kept, folder: Path) -> None:
    """Write the measured parts of the page anew.

    Raises:
        Unreadable: it is not there, or lacks the marks of a part.
        Unwritable: it is as it was.
    """
    files.put(page, _anew(page, kept, folder))


def check(page: Path) -> None:
    """See that `write` will find what it needs.

    Raises:
        Unreadable: it is not there, or lacks the marks of a part.
    """
    _anew(page, Kept(), page.parent)


def _anew(page: Path, kept: Kept, folder: Path) -> str:
    try:
        return with_parts(files.text_of(page), parts(kept, folder))
    except ValueError as error:
        raise files.Unreadable(f"{page} is no page of benchmarks: {error}") from None


def with_parts(text: str, found: Mapping[str, str]) -> str:
    """A page with its measured parts replaced.

    Raises:
        ValueError: the page lacks the marks of a part.
    """
    for name, part in found.items():
        begin, end = BEGIN.format(name), END.format(name)
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        written = f"{begin}\n\n{part.strip()}\n\n{end}"
        text, count = pattern.subn(lambda _: written, text)  # noqa: B023 - it is called at once
        if count != 1:
            raise ValueError(f"the page needs the lines {begin} and {end} once")
    return text


def aims(kept: Kept) -> str:
    """Every aim with what was measured of it: one met, missed, or not measured."""
    lines = ["| what | aim | median (range) | floor | times the floor | met? |", "|---|---:|---:|---:|---:|---|"]
    for aim in AIMS.values():
        found = [figure for figure in kept.figures if figure.aim == aim.key]
        lines += [_aim_row(aim, figure) for figure in found] or [_unmeasured(aim, kept)]
    stale = [outcome.bench for outcome in kept.failed if outcome.figures]
    told = f"Failed when they were run last, so that their figures are of the run before: {', '.join(stale)}."
    return "\n".join([*lines, "", _tally(kept), *(["", told] if stale else [])])


def _aim_row(aim: Aim, figure: Figure) -> str:
    what = aim.what if figure.name == aim.what else f"{aim.what}: {figure.name}"
    return _row(what, _limit(aim), spread(figure), floor(figure), ratio(figure), verdict(figure))


def _unmeasured(aim: Aim, kept: Kept) -> str:
    failed = {outcome.bench for outcome in kept.failed}
    why = f" (bench failed: {', '.join(sorted(failed))})" if failed else ""
    return _row(aim.what, _limit(aim), "", "", "", f"**{Verdict.NOT_MEASURED}**{why}")


def _limit(aim: Aim) -> str:
    word = "at most" if aim.better is Better.LESS else "at least"
    then = "".join(f", then {limit:,g}" for limit in aim.beyond)
    return f"{word} {aim.limit:,g}{then} {aim.unit}"


def _tally(kept: Kept) -> str:
    by_key = {key: [figure for figure in kept.figures if figure.aim == key] for key in AIMS}
    met = [key for key, found in by_key.items() if found and all(one.verdict is Verdict.MET for one in found)]
    missed = [key for key, found in by_key.items() if any(one.verdict is Verdict.MISSED for one in found)]
    return f"{len(AIMS)} aims: {len(met)} met, {len(missed)} missed, {len(AIMS) - len(met) - len(missed)} not measured."


def figures(kept: Kept) -> str:
    """Every figure of every bench, and the last words of those that failed."""
    text: list[str] = []
    for outcome in kept.outcomes:
        about = BENCHES[outcome.bench].about if outcome.bench in BENCHES else ""
        text += [f"### {outcome.bench}: {about}" if about else f"### {outcome.bench}", ""]
        text += [*_failure(outcome)] if outcome.failed else []
        text += [*_table(outcome.figures), *_notes(outcome.figures)] if outcome.figures else []
        text += [""]
    return "\n".join(text)


def _failure(outcome: Outcome) -> Iterator[str]:
    yield "**Failed.** Its last words:"
    yield ""
    yield "```"
    yield outcome.failed.replace("```", "'''").strip()
    yield "```"
    if outcome.figures:
        when = f" of {outcome.conditions.date}" if outcome.conditions else ""
        yield from ("", f"These figures are of its run before,{when}:", "")


def _table(found: Sequence[Figure]) -> Iterator[str]:
    yield "| what | unit | median (range) | floor | times the floor | aim | met? |"
    yield "|---|---|---:|---:|---:|---:|---|"
    for one in found:
        aim = "" if one.aim is None else f"{AIMS[one.aim].limit:,g}"
        yield _row(one.name, one.unit, spread(one), floor(one), ratio(one), aim, verdict(one))


def _notes(found: Sequence[Figure]) -> Iterator[str]:
    floors = list(dict.fromkeys(one.floor_of for one in found if one.floor_of))
    notes = list(dict.fromkeys(one.note for one in found if one.note))
    if floors:
        yield ""
        yield f"Floor: {'; '.join(floors)}."
    for note in notes:
        yield ""
        yield note


def profiles(folder: Path) -> str:
    """What profilers found, as they wrote it into `profile-<what>.md`; they are run by hand, since they need py-spy."""
    found = [path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("profile-*.md"))]
    return "\n\n".join(found) or NO_PROFILE


def conditions(kept: Kept) -> str:
    """What each bench's figures hold for; machine and versions once, where all benches had the same."""
    lines = ["| bench | date (UTC) | commit | seconds | rounds | load before | in use by others | load after |"]
    lines.append("|---|---|---|---:|---:|---:|---:|---:|")
    machines: dict[str, list[str]] = {}
    versions: dict[str, set[str]] = {}
    for outcome in kept.outcomes:
        on = outcome.conditions
        if on is None:
            lines.append(_row(outcome.bench, "", "", f"{outcome.seconds:,.0f}", "failed", "", "", ""))
            continue
        lines.append(_conditions_row(outcome, on))
        machine = ", ".join(f"{name} {value}" for name, value in on.machine.items())
        machines.setdefault(machine, []).append(outcome.bench)
        for name, version in on.versions.items():
            versions.setdefault(name, set()).add(version)
    told = ", ".join(f"{name} {' and '.join(sorted(found))}" for name, found in versions.items())
    return "\n".join([*lines, "", _machines(machines), "", f"Versions: {told}."])


def _conditions_row(outcome: Outcome, on: Conditions) -> str:
    rounds = sorted({len(figure.values) for figure in outcome.figures})
    told = f"{rounds[0]}" if len(rounds) == 1 else f"{rounds[0]} to {rounds[-1]}"
    told += ", **failed since**" if outcome.failed else ""
    busy = f"{on.busy_before:.0%}" + (" **busy**" if on.is_busy else "")
    loads = (f"{on.load_before:.1f}", busy, f"{on.load_after:.1f}")
    return _row(outcome.bench, on.date, f"`{on.commit}`", f"{outcome.seconds:,.0f}", told, *loads)


def _machines(found: Mapping[str, Sequence[str]]) -> str:
    if len(found) <= 1:
        return f"Machine: {'; '.join(found)}."
    return (
        "Machines differ: "
        + "; ".join(f"{', '.join(benches)} on {machine}" for machine, benches in found.items())
        + "."
    )


def spread(figure: Figure) -> str:
    """Median, and from which round to which."""
    least, most = figure.range
    if len(figure.values) == 1:
        return f"{number(figure.median)} (one round)"
    return f"{number(figure.median)} ({number(least)} to {number(most)})"


def floor(figure: Figure) -> str:
    """The floor's median."""
    return number(statistics.median(figure.floor)) if figure.floor else ""


def ratio(figure: Figure) -> str:
    """Times the floor."""
    return "" if figure.to_floor is None else f"{figure.to_floor:.1f}"


def verdict(figure: Figure) -> str:
    """A figure's aim: met or missed, told loudly where missed; the stricter limits too."""
    if figure.aim is None:
        return ""
    aim = AIMS[figure.aim]
    told = "met" if figure.verdict is Verdict.MET else "**missed**"
    told += ", rounds on both sides" if figure.is_close else ""
    for limit in aim.beyond:
        told += f"; {limit:,g} {'met' if holds(figure.median, limit, aim) else 'missed'}"
    return told


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
