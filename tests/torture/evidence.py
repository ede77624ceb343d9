"""The evidence: a line of JSON for every round that was ever run, and a page made of all lines."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import statistics
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROUNDS = "torture.jsonl"
PAGE = "torture.md"
ROOT = Path(__file__).parents[2]

Row = dict[str, Any]


def versions(kafka: str, clickhouse: str) -> dict[str, str]:
    """What a round ran on; the commit has a `+` where the tree was not clean."""
    return {
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "pipeline") else ""),
        "kafka": kafka,
        "clickhouse": clickhouse,
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
    }


def add(folder: Path, row: Row) -> None:
    """One more round. The page is made anew."""
    append(folder / ROUNDS, row, lambda rows: (folder / PAGE).write_text(page(rows), encoding="utf-8"))


def append(lines: Path, row: Row, then: Callable[[list[Row]], object]) -> None:
    """One more line of JSON; `then` is told all of them before another process may add one."""
    lines.parent.mkdir(parents=True, exist_ok=True)
    with lines.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(row) + "\n")
        file.flush()
        file.seek(0)
        then([json.loads(line) for line in file])


def page(rows: Sequence[Row]) -> str:
    """The page of these rounds."""
    held = [row for row in rows if not row["drift"]]
    return "\n".join(
        [
            "# Torture: what was done to it, and what became of the numbers",
            "",
            f"Written by `make torture` from [{ROUNDS}]({ROUNDS}), a line a round. `make torture ROUNDS=1 SEED=n`",
            "plans the faults of round n again. What is done and compared: [../torture.md](../torture.md).",
            "",
            *_totals(held),
            "",
            *_kinds(held),
            "",
            *_ended(held),
            "",
            *_runs(held),
            "",
            *_failed([row for row in rows if row["drift"]]),
        ]
    )


def _totals(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return ["No round yet."]
    sums = {name: sum(row[name] for row in rows) for name in ("events", "records", "rivals", "alerts", "rows", "drift")}
    faults = sum(sum(row["faults"].values()) for row in rows)
    hours = sum(row["seconds"] for row in rows) / 3600
    table = [
        ("rounds", len(rows)),
        ("faults", faults),
        ("differences (drift)", sums["drift"]),
        ("events published and acknowledged, found again", sums["events"]),
        ("journal records", sums["records"]),
        ("of them rivals', rightly ignored", sums["rivals"]),
        ("alerts, one for each threshold", sums["alerts"]),
        ("rows of views compared with the oracle's, every column", sums["rows"]),
        ("tables rebuilt from the journal after a power loss", sum(row["rebuilds"] for row in rows)),
    ]
    return [
        "| | |", "|---|---:|",
        *(f"| {name} | {value:,} |" for name, value in table),
        f"| hours | {hours:.1f} |",
    ]  # fmt: skip


def _kinds(rows: Sequence[Row]) -> list[str]:
    done: Counter[str] = Counter()
    seconds: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        done.update(row["faults"])
        for kind, recovered in row["recoveries"]:
            seconds[kind].append(recovered)
    lines = [
        f"| {kind} | {n} | {_median(seconds[kind])} | {_worst(seconds[kind])} |" for kind, n in sorted(done.items())
    ]
    everything = [s for of_kind in seconds.values() for s in of_kind]
    return [
        "## Faults by kind, and how long they kept the views back",
        "",
        "From the fault until everything acknowledged before it was in ClickHouse: the fault's own duration (a worker",
        "stopped for 11 s, a process that stays away for 3) and the other faults of the round are in it. Processes",
        "share the machine's cores with broker, engine and load.",
        "",
        "| fault | times | median s | worst s |",
        "|---|---:|---:|---:|",
        *lines,
        f"| **all** | {sum(done.values())} | {_median(everything)} | {_worst(everything)} |",
    ]


def _ended(rows: Sequence[Row]) -> list[str]:
    ended = Counter(word for row in rows for word in row["ended"])
    if not ended:
        return ["No process ended by itself."]
    told = ", ".join(f"{n} x {word}" for word, n in sorted(ended.items()))
    return [f"Ended by themselves and started again by the supervisor (name, exit code): {told}."]


def _runs(rows: Sequence[Row]) -> list[str]:
    """By what they ran on."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in ("commit", "kafka", "clickhouse", "python", "machine"))].append(row)
    lines = [
        f"| {' | '.join(key)} | {len(of_key)} | {_spans(r['seed'] for r in of_key)} |" for key, of_key in groups.items()
    ]
    return [
        "## On what",
        "",
        "| commit | Kafka | ClickHouse | Python | machine | rounds | seeds |",
        "|---|---|---|---|---|---:|---|",
        *lines,
    ]


def _failed(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return ["No round has failed."]
    lines = [f"| {row['seed']} | {row['began']} | {row['commit']} | {row['drift']} |" for row in rows]
    return [
        "## Rounds that found something",
        "",
        "What it was and how it was mended: [bugs.md](bugs.md). They are in no sum above.",
        "",
        "| seed | began | commit | differences |",
        "|---:|---|---|---:|",
        *lines,
        "",
    ]


def _spans(seeds: Iterable[int]) -> str:
    """1-4, 7: neighbours together."""
    spans: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if spans and spans[-1][1] == seed - 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f}" if values else ""


def _worst(values: Sequence[float]) -> str:
    return f"{max(values):.1f}" if values else ""


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
