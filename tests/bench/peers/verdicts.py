"""From runs to figures: medians and ranges, ratios to ours, who may be ranked before whom. Pure.

A run whose output is wrong has no time that counts: it is shown as wrong, with how far off, and has no ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.bench.aims import TIMES, US, Better
from tests.bench.peers.running import Measured
from tests.bench.results import Figure, number

GROUP = "peers"


class Run(NamedTuple):
    """One round of a contestant. `wrong` is empty where its output was exact."""

    measured: Measured
    wrong: str = ""


class Told(NamedTuple):
    """A contestant's name with version and guarantee, its events, the key of its aim, its rounds."""

    title: str
    events: int
    aim: str | None
    runs: Sequence[Run]

    @property
    def wrong(self) -> str:
        """How far the first wrong round is off, of how many; empty where all are exact."""
        wrong = [run.wrong for run in self.runs if run.wrong]
        return f"WRONG OUTPUT in {len(wrong)} of {len(self.runs)} rounds: {wrong[0]}" if wrong else ""

    @property
    def cpu(self) -> tuple[float, ...]:
        """Client CPU an event, a value a round."""
        return tuple(run.measured.cpu_us for run in self.runs)


def figures(told: Mapping[str, Told], ours: str, is_full: bool = True) -> list[Figure]:
    """Of all contestants that ran, in their order; the ratios last, held against aims at full size alone."""
    found: list[Figure] = []
    for key, one in told.items():
        found += _of(one, "" if key == ours else GUARANTEED)
    if ours not in told or told[ours].wrong:
        return found
    for key, one in told.items():
        if key != ours and not one.wrong:
            found.append(_ratio(one, told[ours], one.aim if is_full else None))
    return found


GUARANTEED = "output checked by the recount"


def _of(one: Told, note: str) -> list[Figure]:
    measured = [run.measured for run in one.runs]
    name = f"{one.title}, {one.events:,} events"
    note = one.wrong or note or "all rules; journal checked by the recount"
    return [
        Figure(GROUP, f"{name}: client CPU", US, one.cpu, note=note),
        Figure(GROUP, f"{name}: rate", "events/s", tuple(m.events_s for m in measured), Better.MORE, note=note),
        Figure(GROUP, f"{name}: peak memory", "MB", tuple(m.rss_mb for m in measured), note=note),
        Figure(GROUP, f"{name}: broker CPU", US, tuple(m.broker_us for m in measured), note=note),
    ]


def _ratio(one: Told, ours: Told, aim: str | None) -> Figure:
    """Round against round; where the number of rounds differs, against ours of the median."""
    rounds = min(len(one.runs), len(ours.runs))
    values = tuple(a / b for a, b in zip(one.cpu[:rounds], ours.cpu[:rounds], strict=True))
    note = "" if one.events == ours.events else f"over {one.events:,} events, ours over {ours.events:,}"
    return Figure(GROUP, f"{one.title}: client CPU against ours", TIMES, values, Better.MORE, aim=aim, note=note)


def ranking(told: Mapping[str, Told]) -> list[list[str]]:
    """Groups of keys, the least client CPU first; inside a group ranges touch, directly or through others, and nobody
    is ranked. Who was wrong is not there."""
    exact = {key: one.cpu for key, one in told.items() if not one.wrong}
    keys = sorted(exact, key=lambda key: min(exact[key]))
    groups = [[key] for key in keys[:1]]
    most = max(exact[keys[0]]) if keys else 0.0
    for _, key in pairwise(keys):
        if min(exact[key]) <= most:
            groups[-1].append(key)
        else:
            groups.append([key])
        most = max(most, *exact[key])
    return groups


def ranked_words(told: Mapping[str, Told]) -> str:
    """The ranking for a terminal."""
    lines = []
    for place, group in enumerate(ranking(told), 1):
        names = [
            f"{told[key].title} ({number(min(told[key].cpu))} to {number(max(told[key].cpu))} µs)" for key in group
        ]
        lines.append(f"{place}. {'; not to be told apart: '.join(names)}")
    return "\n".join(lines)
