"""`tally capacity`: what a load needs, from measured figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import console

if TYPE_CHECKING:
    from pipeline.capacity.figures import Figures
    from pipeline.capacity.load import Load
    from pipeline.capacity.needs import Needs

COLUMNS = ("what", "needed", "how")
EVENTS_MAX = 10**12  # a day: a hundred times what anyone sends
_LEAST = 0.01  # of a core, or an event in 100 seconds: less is nothing to plan
_WHOLE = frozenset({"processes of a core", "partitions", "processes"})


def capacity(  # style: a command's options are its parameters
    events_per_day: Annotated[int, typer.Option(min=1, max=EVENTS_MAX, help="Events a day, of all accounts.")],
    peak_factor: Annotated[
        float, typer.Option(min=1, max=1_000, help="The busiest minutes against the day's mean.")
    ] = 4.0,
    accounts: Annotated[int, typer.Option(min=1, max=10**9, help="Tenants.")] = 300,
    largest_account: Annotated[
        float, typer.Option(min=0, max=1, help="The largest tenant's share of all events, 0 to 1.")
    ] = 0.1,
    profiles: Annotated[
        int, typer.Option(min=0, max=EVENTS_MAX, help="People and visitors; 0: as many as events a day.")
    ] = 0,
    window_days: Annotated[int, typer.Option(min=1, max=120, help="As the setting rules.window_days.")] = 7,
    remember_days: Annotated[int, typer.Option(min=1, max=3_660, help="As the setting rules.unique_days.")] = 90,
    retention_days: Annotated[
        int, typer.Option(min=1, max=36_500, help="Days of journal and ClickHouse that the disks hold.")
    ] = 365,
    source_days: Annotated[
        int, typer.Option(min=1, max=36_500, help="As the setting topics.source_retention_hours, in days.")
    ] = 7,
    headroom: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of cores and disks that stays free at the peak.")
    ] = 0.4,
    latency: Annotated[
        float | None, typer.Option(min=1, metavar="MS", help="p99 from Kafka append to journal append, at most.")
    ] = None,
    worker_memory: Annotated[
        float, typer.Option(min=1, max=100_000, metavar="GIB", help="Memory that a worker may have.")
    ] = 32.0,
    replicas: Annotated[int, typer.Option(min=1, max=15, help="Copies of every Kafka partition.")] = 3,
    clickhouse_replicas: Annotated[int, typer.Option(min=1, max=15, help="Copies of every ClickHouse table.")] = 1,
    format_: Annotated[console.Format, typer.Option("--format", help="How to print the plan.")] = console.Format.TABLE,
) -> None:
    """What a load needs: partitions, workers, sinks, memory, disk of Kafka and ClickHouse, each with its formula.

    From figures that were measured (docs/benchmarks.md) and that the command carries with it: on another machine the
    ratios hold better than the numbers. Nothing is asked of Kafka or ClickHouse. docs/capacity.md has worked examples.

    Exit codes: 0 planned, also where a limit is met, 1 a figure was never measured, 2 wrong option.

    Examples:

        tally capacity --events-per-day 50000000

        tally capacity --events-per-day 1000000000 --accounts 5000 --largest-account 0.02 --latency 250

        tally capacity --events-per-day 1000000 --format json
    """
    from pipeline.capacity import figures
    from pipeline.capacity.load import Load
    from pipeline.capacity.needs import needs

    load = Load(
        events_per_day, peak_factor, accounts, largest_account, profiles, window_days, remember_days, retention_days,
        source_days, headroom, latency, worker_memory, replicas, clickhouse_replicas,
    )  # fmt: skip
    known = figures.load()
    try:
        found = needs(load, known)
    except figures.NotMeasured as error:
        console.fail(str(error))
    if format_ is console.Format.JSON:
        console.facts(facts(load, known, found))
        return
    console.table(rows(found), COLUMNS)
    for limit in found.limits:
        console.say(limit)


def rows(found: Needs) -> list[dict[str, object]]:
    """The plan as a table has it."""
    return [{"what": row.what, "needed": shown(row.value, row.unit), "how": row.how} for row in found.rows]


def facts(load: Load, known: Figures, found: Needs) -> dict[str, object]:
    """The plan as JSON has it: values unrounded, and every figure with where it is from."""
    return {
        "load": asdict(load),
        "needs": [row._asdict() for row in found.rows],
        "limits": found.limits,
        "figures": {name: asdict(one) for name, one in known.by_name.items()},
    }


def shown(value: float, unit: str) -> str:
    """A value for people: counts whole, sizes in the unit that keeps them short, shares of cores with two digits."""
    if unit == "GiB":
        size = f"{value / 1024:,.1f} TiB" if value >= 1024 else f"{value:,.1f} GiB"
        return size if value >= 1 else f"{value * 1024:,.0f} MiB"
    if unit in _WHOLE or value >= 10:
        return f"{value:,.0f} {unit}"
    return f"{value:.2g} {unit}" if value >= _LEAST else f"under {_LEAST} {unit}"
