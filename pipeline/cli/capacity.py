"""`tally capacity`: what a load needs, from measured figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import capacity_told, console
from pipeline.cli.quantities import count, share

if TYPE_CHECKING:
    from pipeline.settings import Settings

EVENTS_MAX = 10**12  # a day: a hundred times what anyone sends
_DAY_MS = 86_400_000
_DAY_HOURS = 24


def capacity(  # style: a command's options are its parameters
    events_per_day: Annotated[
        int, typer.Option(parser=count(1, EVENTS_MAX), metavar="N", help="Events a day, of all accounts: 300M, 3e8.")
    ],
    peak_factor: Annotated[
        float, typer.Option(min=1, max=1_000, help="The busiest minutes against the day's mean.")
    ] = 4.0,
    accounts: Annotated[
        int, typer.Option(parser=count(1, 10**9), metavar="N", help="Tenants: no more partitions are planned.")
    ] = 300,
    largest_account: Annotated[
        float,
        typer.Option(parser=share(), metavar="SHARE", help="The largest tenant's share of all events: 0.1 or 10%."),
    ] = 0.1,
    profiles: Annotated[
        int,
        typer.Option(parser=count(0, EVENTS_MAX), metavar="N", help="People and visitors; 0: as many as events a day."),
    ] = 0,
    campaigns: Annotated[
        int,
        typer.Option(
            parser=count(0, EVENTS_MAX),
            metavar="N",
            help="Campaigns that ever had an open or a click, by channel: kept for ever. 0: one a day and tenant.",
        ),
    ] = 0,
    window_days: Annotated[
        int | None, typer.Option(min=1, max=120, help="In place of the setting rules.window_days.")
    ] = None,
    remember_days: Annotated[
        int | None, typer.Option(min=1, max=3_660, help="In place of the setting rules.unique_days.")
    ] = None,
    retention_days: Annotated[
        int, typer.Option(min=1, max=36_500, help="Days of journal and ClickHouse that the disks hold.")
    ] = 365,
    source_days: Annotated[
        int | None,
        typer.Option(min=1, max=36_500, help="In place of the setting topics.source_retention_hours, in days."),
    ] = None,
    headroom: Annotated[
        float,
        typer.Option(
            parser=share(0.9), metavar="SHARE", help="Share of cores and disks that stays free at the peak: 0.4 or 40%."
        ),
    ] = 0.4,
    latency: Annotated[
        float | None,
        typer.Option(min=1, max=_DAY_MS, metavar="MS", help="p99 from Kafka append to journal append, at most."),
    ] = None,
    freshness: Annotated[
        float,
        typer.Option(min=0.1, max=_DAY_MS / 1000, metavar="S", help="p99 from Kafka append to ClickHouse, at most."),
    ] = 30.0,
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
    Days that are not given are those of the settings in force.

    Exit codes: 0 the plan keeps all that is asked for, 3 no plan does (what would make one possible is said),
    1 a figure was never measured, 2 wrong option or setting.

    Examples:

        tally capacity --events-per-day 1M

        tally capacity --events-per-day 50M --largest-account 2% --worker-memory 64

        tally capacity --events-per-day 1000000 --latency 2000 --format json
    """
    from pipeline import settings as tree
    from pipeline.capacity import figures
    from pipeline.capacity.levers import levers
    from pipeline.capacity.load import Load
    from pipeline.capacity.needs import needs

    window, remember, source = _days(tree.load(), window_days, remember_days, source_days)
    load = Load(
        events_per_day, peak_factor, accounts, largest_account, profiles, campaigns, window, remember, retention_days,
        source, headroom, latency, freshness, worker_memory, replicas, clickhouse_replicas,
    )  # fmt: skip
    known = figures.load()
    try:
        found = needs(load, known)
        would_do = None if found.feasible else levers(load, known)
    except figures.NotMeasured as error:
        console.fail(str(error))
    if format_ is console.Format.JSON:
        mends = (
            {part: [one._asdict() for one in getattr(would_do, part)] for part in ("musts", "each", "together")}
            if would_do
            else None
        )
        told = {"load": asdict(load), "feasible": found.feasible, "limits": found.limits, "would_do": mends}
        needed = [row._asdict() for row in found.rows]
        measured = {name: asdict(one) for name, one in known.by_name.items()}
        console.facts({**told, "notes": found.notes, "needs": needed, "figures": measured})
    else:
        capacity_told.plan(found, would_do)
    if not found.feasible:
        raise SystemExit(int(console.Exit.DIFFERENT))


def _days(settings: Settings, window: int | None, remember: int | None, source: int | None) -> tuple[int, int, float]:
    """Days as given, else of the settings in force."""
    return (
        window or settings.rules.window_days,
        remember or settings.rules.unique_days,
        source or settings.topics.source_retention_hours / _DAY_HOURS,
    )
