"""`tally demo`: everything at once, on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import console

if TYPE_CHECKING:
    from connectors.clickhouse.service import Service
    from connectors.local.service import Service as Running
    from connectors.local.stack import Stack
    from pipeline.demo.run import Wanted
    from pipeline.settings import Settings

EVENTS, RATE = 60_000, 15_000
KILL_RATE = 1_500  # so that the traffic outlives three recoveries of some seconds each


def demo(
    events: Annotated[int, typer.Option("--events", min=1000, help="Events to publish.")] = EVENTS,
    rate: Annotated[
        int | None,
        typer.Option("--rate", min=0, help=f"Events a second; 0: no limit. Default: {RATE}, with --kill {KILL_RATE}."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the traffic; default: a new one, printed.")] = None,
    kill: Annotated[
        bool, typer.Option("--kill", help="Kill worker and sink with SIGKILL, three times, under load.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end.")] = False,
    monitoring: Annotated[
        bool, typer.Option("--monitoring", help="Prometheus and Alertmanager too, with our rules.")
    ] = False,
) -> None:
    """Run the whole pipeline here: a real Kafka, the ClickHouse engine, worker, sink, traffic, and a report.

    Uses the local stack of TALLY_HOME (.tally), never another cluster. Ctrl-C at any point stops everything.

    Exit codes: 0 every number is right, 3 one is not, 1 it did not come to its end.

    Examples:

        tally demo

        tally demo --kill

        tally demo --monitoring --keep

        tally demo --events 1000000 --rate 0 --keep
    """
    from connectors.local.faults import StackError
    from pipeline.demo.run import DemoFailed, Wanted
    from pipeline.demo.services import ServiceDied
    from pipeline.settings import load

    settings = load()
    if settings.kafka.bootstrap_servers or settings.clickhouse.url:
        console.fail(
            "the demo runs on a stack of its own and publishes invented events: unset TALLY_KAFKA__BOOTSTRAP_SERVERS "
            "and TALLY_CLICKHOUSE__URL (or their lines in tally.toml) and run it again",
            console.Exit.USAGE,
        )
    try:
        wanted = Wanted(events, _rate(rate, kill), int(time.time()) if seed is None else seed, kill)
        is_right = _run(settings, wanted, keep, monitoring)
    except (StackError, DemoFailed, ServiceDied) as error:
        console.fail(str(error))
    raise SystemExit(int(console.Exit.OK if is_right else console.Exit.DIFFERENT))


def _rate(rate: int | None, kill: bool) -> int:
    if rate is not None:
        return rate
    return KILL_RATE if kill else RATE


def _run(settings: Settings, wanted: Wanted, keep: bool, monitoring: bool) -> bool:
    from connectors.local import stack
    from connectors.local.service import Wish
    from pipeline.cli.stack_progress import shown

    watching = Wish() if monitoring else None
    wishes = stack.Wishes(prometheus=watching, alertmanager=watching)
    parts = "Kafka, ClickHouse, Prometheus and Alertmanager" if monitoring else "Kafka and ClickHouse"
    console.say(f"Starting {parts} (the first time, their files are downloaded) ...")
    with shown() as progress:
        running = stack.start(settings, bound_to_parent=not keep, progress=progress, wishes=wishes)
    kept = False
    try:
        is_right = _traffic_and_report(running, wanted, keep)
        kept = keep
    finally:
        if not kept:
            running.stop()
    return is_right


def _traffic_and_report(running: Stack, wanted: Wanted, keep: bool) -> bool:
    from connectors.clickhouse.service import Service
    from connectors.clickhouse.settings import QUERY_SECONDS_MAX, target
    from connectors.local import companions
    from pipeline.demo.report import show
    from pipeline.demo.run import SINK, WORKER, catch_up, prepare, publish
    from pipeline.demo.services import Services
    from pipeline.settings import load

    settings = load()  # once more: the stack's addresses are known now
    console.say(f"Kafka at {settings.kafka_address()}, ClickHouse at {settings.clickhouse_address()}")
    if "prometheus" in running.services:
        watched = running.services["prometheus"].address, running.services["alertmanager"].address
        console.say("Prometheus at {}, Alertmanager at {}".format(*watched))
    console.say(f"Publishing {wanted.events:,} events of seed {wanted.seed} ...")
    prepare()
    place = target(settings)
    clickhouse = Service(place, QUERY_SECONDS_MAX, place.database)
    services = Services(settings.home, bound_to_parent=not keep)
    kept = False
    try:
        services.start(WORKER, ["worker", "--name", WORKER])
        services.start(SINK, ["--set", f"sink.name={SINK}", "sink"])
        catch_up(settings, services, lambda: _accounted(clickhouse))
        before = _accounted(clickhouse)
        run = publish(settings, services, wanted, lambda: _accounted(clickhouse) - before)
        killed = f", {run.kills} processes killed under load" if run.kills else ""
        earlier = f"; the tables below hold {before:,} of earlier runs too" if before else ""
        console.say(f"{run.totals.read:,} events in {run.seconds:.1f} s{killed}{earlier}\n")
        verdict = show(clickhouse, run.expected(), run.counted())
        if "prometheus" in running.services:
            _say_watched(running.services["prometheus"])
        if keep:
            companions.add(settings.home, services.marks())
        kept = keep
    finally:
        clickhouse.close()
        if not kept:
            services.stop()
    _say_next(keep)
    return verdict.is_right


def _say_watched(prometheus: Running) -> None:
    """What Prometheus has of it all; it looks every 5 s, so the last events may not be in it yet."""
    from connectors.local.monitoring import seen

    found = seen(prometheus)
    firing = ", ".join(f"{name} {count}" for name, count in sorted(found.firing.items())) or "none"
    console.say(f"Prometheus watches {found.answering} of {found.targets} processes; alerts firing: {firing}")


def _accounted(clickhouse: Service) -> int:
    return int(clickhouse.query("SELECT sum(c.read) FROM conservation AS c").rows[0][0])


def _say_next(keep: bool) -> None:
    out = console.console()
    if keep:
        out.print("\nKafka, ClickHouse, worker and sink go on running. Next:")
    else:
        out.print("\nEverything is stopped, its data kept. `tally demo --keep` leaves it running. Then:")
    out.print("  .venv/bin/tally query 'SELECT * FROM campaign_engagement'   ask ClickHouse")
    out.print("  .venv/bin/tally status                                      what runs, and how far behind")
    out.print("  .venv/bin/tally down                                        stop it; the data stays")
