"""The calculator's figures (pipeline/capacity/figures.toml) from the kept results of the benches, so that they agree.

A figure that no kept bench has stays as it is, with its own date; each says where it is from.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from pipeline.capacity.figures import FILE, Measured, load
from pipeline.capacity.load import LATENCY_SHARES
from tests.bench.kept import Kept
from tests.bench.results import Figure, Outcome

HEAD = """\
# What `tally capacity` calculates with. Written by `make bench ARGS=--capacity-figures` from the benches' kept results
# (docs/evidence/bench.json); a bound of the code has the page that explains it as its source. One copy of everything.

"""


class Source(NamedTuple):
    """Where a figure is from: the figure with an aim, or the one of a bench whose name the pattern finds."""

    what: str
    aim: str = ""
    bench: str = ""
    pattern: str = ""

    def fits(self, figure: Figure) -> bool:
        """Whether a figure is it."""
        if self.aim:
            return figure.aim == self.aim
        return figure.group == self.bench and re.search(self.pattern, figure.name) is not None


_TRAFFIC = "^realistic: "  # the larger of the two: vendors' attributes and links
SOURCES: dict[str, Source] = {
    "worker_us": Source("CPU of a worker, an event, on a backlog", aim="worker.cpu"),
    "broker_us": Source(
        "CPU of Kafka while a worker reads and appends, an event", "", "worker", "one worker.*the broker's CPU"
    ),
    "sink_rows_s": Source("rows a CPU second: sink, ClickHouse's inserts, views and merges", aim="sink.rows"),
    "identity_bytes": Source("memory of a remembered event", aim="memory.identity"),
    "fact_bytes": Source("memory of a remembered unique open or click", aim="memory.fact"),
    "pair_bytes": Source("memory of a merged profile", aim="memory.pair"),
    "snapshot_s": Source(
        "start of a worker to its first batch, with 10M remembered events and 5M unique opens and clicks",
        aim="recovery.snapshot",
    ),
    "source_bytes": Source("an event in a source topic, zstd", "", "footprint", f"{_TRAFFIC}source topics"),
    "journal_bytes": Source("an event in the journal", "", "footprint", f"{_TRAFFIC}journal"),
    "row_bytes": Source("an event in ClickHouse, all tables", "", "footprint", f"{_TRAFFIC}.*grow with events"),
    "profile_bytes": Source("a profile in ClickHouse, all tables", "", "footprint", f"{_TRAFFIC}.*grow with profiles"),
    "facts_an_event": Source("unique opens and clicks an event", "", "footprint", f"{_TRAFFIC}facts"),
    "pairs_a_profile": Source("merged profiles a profile", "", "footprint", f"{_TRAFFIC}merged profiles"),
} | {
    f"latency_p99_{share}": Source(
        f"p99 of Kafka append to journal append at {share} % of a worker's maximum",
        "", "latency", rf"\({share}% of the maximum\).*: p99",
    )
    for share in LATENCY_SHARES
}  # fmt: skip


def update(kept: Kept, path: Path = FILE) -> int:
    """Write the file anew; says what had no bench. Returns the exit code: 1 where no bench had any."""
    old = load(path).by_name if path.exists() else {}
    new = dict(found(kept))
    for name in sorted(set(SOURCES) - set(new)):
        stays = f"stays at {old[name].value:g} of {old[name].source}" if name in old else "was never measured"
        sys.stdout.write(f"{name}: in no kept bench, {stays}\n")
    path.write_text(HEAD + text({**old, **new}), encoding="utf-8")
    sys.stdout.write(
        f"{path.name}: {len(new)} figures from {len(kept.outcomes)} benches; `make docs` has them in the page\n"
    )
    return 0 if new else 1


def found(kept: Kept) -> Iterator[tuple[str, Measured]]:
    """The figures that the kept benches have."""
    for name, source in SOURCES.items():
        for outcome in kept.outcomes:
            fitting = [figure for figure in outcome.figures if source.fits(figure)]
            if fitting:
                yield name, _measured(source, outcome, fitting[0])
                break


def _measured(source: Source, outcome: Outcome, figure: Figure) -> Measured:
    on = outcome.conditions
    where = (on.date.split()[0], on.commit, f"{on.machine['CPU']}, {on.machine['cores']} cores") if on else ("", "", "")
    return Measured(_short(figure.median), figure.unit, source.what, f"{outcome.bench}: {figure.name}", *where)


def text(figures: Mapping[str, Measured]) -> str:
    """The figures as TOML, in the order of SOURCES, then what is none of them."""
    names = [*(name for name in SOURCES if name in figures), *sorted(set(figures) - set(SOURCES))]
    return "\n".join(_entry(name, figures[name]) for name in names)


def _entry(name: str, figure: Measured) -> str:
    lines = [f"{key} = {_literal(value)}" for key, value in asdict(figure).items() if value != ""]
    return "\n".join([f"[{name}]", *lines, ""])


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # of numbers and texts without control characters TOML is the same


def _short(value: float) -> float:
    """Three digits that mean something."""
    return float(f"{value:.3g}")
