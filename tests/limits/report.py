"""What a run of the limits says: a table on the terminal, JSON lines, and `docs/evidence/limits.md` made of those."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import chdb

from connectors.local.jars import KAFKA_VERSION
from tests.limits.bounds import MIB
from tests.limits.scenarios import Asked, Outcome

PACKAGES = ("faust-streaming", "aiokafka", "confluent-kafka", "pyarrow", "numpy", "clickhouse-connect")
_HEAD = """\
# Limits, measured

Written by `python -m tests.limits` from its own results ({lines} lines of JSON); [limits.md](../limits.md) explains the
bounds. Peaks are the kernel's highest resident memory of the process; *anonymous* leaves libraries and files out.
*Before* is what the process held when the trouble began.

Each scenario runs on a real Kafka and the real ClickHouse engine, one worker and one sink, all as processes of their
own, and ends only when journal and ClickHouse have every event that was acknowledged, by its fate.

| scenario | events | process | peak MB | anonymous MB | before MB | bound MB | seconds to catch up | kept |
|---|---|---|---|---|---|---|---|---|
"""


def line(outcome: Outcome, asked: Asked) -> dict[str, Any]:
    """An outcome as one JSON object."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "scenario": outcome.scenario,
        "asked": asked._asdict(),
        "events": outcome.events,
        "seconds": round(outcome.seconds, 1),
        "catch_up_seconds": round(outcome.catch_up_seconds, 1),
        "memory": {name: seen._asdict() for name, seen in outcome.memory.items()},
        "bounds": outcome.bounds,
        "journal": outcome.journal._asdict(),
        "clickhouse": outcome.clickhouse._asdict(),
        "wrong": outcome.wrong,
        "settings": outcome.settings,
        "versions": versions(),
        "cores": os.cpu_count(),
    }


def versions() -> dict[str, str]:
    """Of what took part."""
    parts = {"python": platform.python_version(), "kafka": KAFKA_VERSION, "chdb": chdb.__version__}
    return parts | {name: metadata.version(name) for name in PACKAGES}


def append(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Add results to a file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(one, sort_keys=True) + "\n" for one in lines)


def read(path: Path) -> list[dict[str, Any]]:
    """The newest result of every scenario, in the order in which they first came."""
    newest: dict[str, dict[str, Any]] = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        one = json.loads(text)
        newest[one["scenario"]] = one
    return list(newest.values())


def table(results: Sequence[dict[str, Any]]) -> str:
    """Rows of the evidence's table."""
    return "".join(
        f"| {one['scenario']} | {one['events']:,} | {name} | {_mb(seen['peak'])} | {_mb(seen['anonymous_peak'])} "
        f"| {_mb(seen['before']) if seen['before'] else ''} | {_mb(sum(one['bounds'][name].values()))} "
        f"| {one['catch_up_seconds']} | {'no' if one['wrong'] else 'yes'} |\n"
        for one in results
        for name, seen in sorted(one["memory"].items(), reverse=True)
    )


def page(results: Sequence[dict[str, Any]]) -> str:
    """The evidence."""
    text = _HEAD.format(lines=len(results)) + table(results) + "\n## Each run\n\n"
    for one in results:
        asked = ", ".join(f"{name} {value:g}" for name, value in one["asked"].items())
        chosen = ", ".join(f"{name} {value}" for name, value in one["settings"].items())
        text += f"**{one['scenario']}**, {one['at']}, {one['cores']} cores, {one['seconds']} s in all.  \n"
        text += f"Asked: {asked}.  \nSettings: {chosen}.  \n"
        text += "Journal and ClickHouse: " + ("; ".join(one["wrong"]) or _fates(one["journal"])) + ".\n\n"
    told = ", ".join(f"{name} {version}" for name, version in results[-1]["versions"].items())
    return text + f"Versions: {told}.\n"


def _fates(fates: dict[str, int]) -> str:
    return "both have " + ", ".join(f"{events:,} {name}" for name, events in fates.items()) + ", as sent"


def _mb(size: int) -> str:
    return f"{size / MIB:,.0f}"
