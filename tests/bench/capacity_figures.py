"""The calculator's figures (pipeline/capacity/figures.toml) from the kept results of the benches, so that they agree.

A figure that no kept bench has stays as it is, with its own date; each says where it is from.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline.capacity.figures import FILE, Measured, load
from pipeline.cli import capacity_examples, reference
from pipeline.settings import load as settings
from tests.bench import files
from tests.bench.kept import Kept
from tests.bench.results import Figure, Outcome
from tests.limits import bounds
from tests.limits.bounds import MIB, Flow

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
    paced: bool = False  # its name says at which load: events a second, partition numbers

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
    "one_sink_rows_s": Source(
        "rows a second of one sink on a backlog", "", "sink", "^50,000 rows an insert, all views: rows a second of one"
    ),
    "freshness_p99": Source("p99 of Kafka append to the row in ClickHouse", aim="freshness.p99", paced=True),
    "sink_cores": Source("a sink at light load", "", "freshness", "^1,000 events/s.*: cores of the sink$", paced=True),
    "engine_cores": Source(
        "ClickHouse at light load, one sink", "", "freshness", "^1,000 events/s.*: cores of the engine$", paced=True
    ),
    "worker_cores_idle": Source("a worker without events", aim="idle.cores", paced=True),
}  # fmt: skip
PACES = {"light": ("light.cores", "light.p99", "^light load, "), "named": ("latency.cores", "latency.p99", "^25,000 ")}
WORKER, BROKER = "a worker at that load", "Kafka at that load, one worker, producers included"
P99 = "p99 of Kafka append to journal append at that load"
for pace, (cores_aim, p99_aim, begins) in PACES.items():
    SOURCES[f"worker_cores_{pace}"] = Source(WORKER, aim=cores_aim, paced=True)
    SOURCES[f"broker_cores_{pace}"] = Source(BROKER, "", "latency", rf"{begins}.*: cores of the broker$", paced=True)
    SOURCES[f"latency_p99_{pace}"] = Source(P99, aim=p99_aim, paced=True)
for share in (10, 50, 90):  # per cent of a worker's maximum
    at = rf"\({share}% of the maximum\).*: "
    SOURCES[f"worker_cores_{share}"] = Source(WORKER, "", "latency", f"{at}cores of the worker$", paced=True)
    SOURCES[f"broker_cores_{share}"] = Source(BROKER, "", "latency", f"{at}cores of the broker$", paced=True)
    SOURCES[f"latency_p99_{share}"] = Source(P99, "", "latency", f"{at}p99", paced=True)

DOCS = Path(__file__).parents[2] / "docs" / "capacity.md"
PAGE = "docs/limits.md"
USUAL_BYTES = 300  # of an event
NOWHERE = Path("/")  # no settings but the defaults


def worker_fixed_mib(partitions: int) -> float:
    """Of a worker with so many partitions and nothing remembered."""
    parts = bounds.worker(settings({"topics.partitions": partitions}, {}, NOWHERE), Flow(event_bytes=USUAL_BYTES))
    return round(sum(parts.values()) / MIB)


def sink_fixed_mib() -> float:
    """Of a sink."""
    return round(sum(bounds.of_sink(settings({}, {}, NOWHERE)).values()) / MIB)


FIXED_PARTITIONS = 1, 4, 5, 6, 12, 24  # between them the bound of a worker is nearly a straight line
STATED: dict[str, tuple[str, str, Callable[[], float]]] = {  # bounds of the code, where nothing is measured
    "identity_bytes": ("bytes", "memory of a remembered event: its bound", lambda: bounds.IDENTITY_BYTES),
    "fact_bytes": ("bytes", "memory of a remembered unique open or click: its bound", lambda: bounds.FACT_BYTES),
    "pair_bytes": ("bytes", "memory of a merged profile: its bound", lambda: bounds.PAIR_BYTES),
    "label_bytes": ("bytes", "memory of a campaign in a channel: its bound", lambda: bounds.LABEL_BYTES),
    "sink_fixed_mib": ("MiB", "memory of a sink: its bound", sink_fixed_mib),
} | {
    f"worker_fixed_mib_{partitions}": (
        "MiB",
        "memory of a worker, nothing remembered: its bound for usual events",
        partial(worker_fixed_mib, partitions),
    )
    for partitions in FIXED_PARTITIONS
}  # fmt: skip


def update(kept: Kept, path: Path = FILE) -> int:
    """Write the file anew, and the page that is made of the package's own; says what had no bench.

    Returns the exit code: 1 where no bench had any.
    """
    old = load(path).by_name if path.exists() else {}
    new = dict(found(kept))
    if any(one.source == PAGE for one in old.values()):  # bounds: as they are today, where nothing was measured
        old = dict(stated()) | {name: one for name, one in old.items() if one.source != PAGE}
    for name in sorted(set(SOURCES) - set(new)):
        stays = f"stays at {old[name].value:g} of {old[name].source}" if name in old else "was never measured"
        sys.stdout.write(f"{name}: in no kept bench, {stays}\n")
    files.put(path, HEAD + text({**old, **new}))
    sys.stdout.write(f"{path.name}: {len(new)} figures from {len(kept.outcomes)} benches\n")
    if path == FILE:
        DOCS.write_text(
            reference.with_section(DOCS.read_text(encoding="utf-8"), capacity_examples.section()), encoding="utf-8"
        )
        sys.stdout.write(f"docs/{DOCS.name} is written\n")
    return 0 if new else 1


def stated() -> Iterator[tuple[str, Measured]]:
    """The bounds, from the code of today."""
    for name, (unit, what, value) in STATED.items():
        partitions = int(name.rpartition("_")[2]) if name.startswith("worker_fixed_mib") else 0
        yield name, Measured(value(), unit, what, PAGE, partitions=partitions)


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
    said = f"{outcome.bench}: {figure.name}"
    return Measured(_short(figure.median), figure.unit, source.what, said, *where, *_pace(source, figure.name))


def _pace(source: Source, name: str) -> tuple[float, int]:
    """Events a second and partition numbers, as the name of a paced figure says them; idle: no events."""
    if not source.paced:
        return 0.0, 0
    rate, over = re.search(r"([\d,]+) events/s", name), re.search(r"(\d+) partition numbers", name)
    return float(rate[1].replace(",", "")) if rate else 0.0, int(over[1]) if over else 0


def text(figures: Mapping[str, Measured]) -> str:
    """The figures as TOML, in the order of SOURCES, then what is none of them."""
    names = [*(name for name in SOURCES if name in figures), *sorted(set(figures) - set(SOURCES))]
    return "\n".join(_entry(name, figures[name]) for name in names)


def _entry(name: str, figure: Measured) -> str:
    lines = [f"{key} = {_literal(value)}" for key, value in asdict(figure).items() if value not in ("", 0)]
    return "\n".join([f"[{name}]", *lines, ""])


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # of numbers and texts without control characters TOML is the same


def _short(value: float) -> float:
    """Three digits that mean something."""
    return float(f"{value:.3g}")
