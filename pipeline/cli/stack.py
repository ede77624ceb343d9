"""`tally up`, `tally down` and `tally status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import settings as settings_module
from pipeline.cli import console

if TYPE_CHECKING:
    from connectors.local.inspect import Found
    from connectors.local.service import Service
    from pipeline.refusals import Refusal
    from pipeline.settings import Settings

_Format = Annotated[console.Format, typer.Option("--format", help="How to print the facts.")]
_KafkaPort = Annotated[int | None, typer.Option("--kafka-port", min=1, max=65535, help="Port of Kafka; else any free.")]
_ClickHousePort = Annotated[
    int | None, typer.Option("--clickhouse-port", min=1, max=65535, help="Port of ClickHouse; else any free.")
]
_Monitoring = Annotated[
    bool, typer.Option("--monitoring", help="Prometheus and Alertmanager too, with the rules of deploy/prometheus.")
]
_NoDocker = Annotated[bool, typer.Option("--no-docker", help="Do not use Docker, even where it answers.")]

REFUSED_SHOWN = 8  # in full; each takes some lines
ANSWER_SECONDS = 10  # of ClickHouse, which has answered just now

_NAMES = {"kafka": "Kafka", "clickhouse": "ClickHouse", "prometheus": "Prometheus", "alertmanager": "Alertmanager"}
_BY = {
    "address": "as set",
    "docker": "Docker",
    "jars": "Apache Kafka",
    "chdb": "embedded engine",
    "program": "its own program",
    "process": "tally",
}


def up(
    kafka_port: _KafkaPort = None,
    clickhouse_port: _ClickHousePort = None,
    monitoring: _Monitoring = False,
    no_docker: _NoDocker = False,
    format_: _Format = console.Format.TABLE,
) -> None:
    """Start the local Kafka and ClickHouse in the background, on this machine's loopback interface.

    Data is kept in TALLY_HOME (.tally). Harmless a second time: what runs is left alone, what has died is
    started again. An address that is set is checked instead; Docker is used where it answers.

    With --monitoring, Prometheus finds each worker, sink and service of this home that is started afterwards; the
    alerts are at its address under /classic/alerts or /alerts.

    Examples:

        tally up

        tally up --kafka-port 9092 --clickhouse-port 8123

        tally up --monitoring

        TALLY_HOME=/srv/tally tally up --format json
    """
    from connectors.local import stack
    from connectors.local.faults import StackError
    from connectors.local.service import Wish
    from pipeline.cli.stack_progress import shown

    settings = settings_module.load()
    watching = Wish(use_docker=not no_docker) if monitoring else None
    wishes = stack.Wishes(
        kafka=Wish(port=kafka_port, use_docker=not no_docker),
        clickhouse=Wish(port=clickhouse_port, use_docker=not no_docker),
        prometheus=watching,
        alertmanager=watching,
    )
    try:
        with shown() as progress:
            started = stack.start(settings, progress=progress, wishes=wishes)
    except StackError as error:
        console.fail(str(error))
    rows = [
        _row(part, service, _state_of(service, new=part in started.started))
        for part, service in started.services.items()
    ]
    _print(settings, rows, format_)


def down(format_: _Format = console.Format.TABLE) -> None:
    """Stop what `tally up` or `tally demo --keep` started; its data is kept. Harmless when nothing runs.

    Examples:

        tally down

        tally down --format json
    """
    from connectors.local import companions, stack
    from connectors.local.faults import StackError

    settings = settings_module.load()
    try:
        ended = companions.stop(settings.home)
        stopped = stack.stop(settings.home)
    except StackError as error:
        console.fail(str(error))
    rows: list[dict[str, object]] = [
        {"service": name, "address": None, "by": "process", "pid": pid, "state": _end_of(clean)}
        for name, pid, clean in ended
    ]
    rows += [_row(part, service, _end_of(clean)) for part, service, clean in stopped]
    if not rows and format_ is console.Format.TABLE:
        console.console().print(f"Nothing of {settings.home} was running.")
        return
    _print(settings, rows, format_)


def status(format_: _Format = console.Format.TABLE) -> None:
    """What runs, at which addresses, how far the worker and the sink are behind, and which partitions they refuse.

    A refusal is found out anew from what Kafka and ClickHouse have now: it is what a worker or sink that starts now
    would say, whether one runs or not. It says what to do.

    Exit codes: 0 all that is needed answers and nothing is refused, 1 something does not, or is.

    Examples:

        tally status

        tally status --format json
    """
    from connectors.local.inspect import inspect

    settings = settings_module.load()
    found = inspect(settings)
    refused = _refused(settings, found)
    if format_ is console.Format.JSON:
        console.facts(_facts(settings, found) | {"refused": [refusal._asdict() for refusal in refused]})
    else:
        _show(found)
        console.say_some(refused, REFUSED_SHOWN)
    raise SystemExit(int(console.Exit.OK if found.complete and not refused else console.Exit.FAILED))


def _refused(settings: Settings, found: Found) -> list[Refusal]:
    """What is refused; where that cannot be found out, a problem says so."""
    from connectors.clickhouse.service import Service
    from connectors.clickhouse.settings import target
    from pipeline.refusals import Refusals, Unknown

    kafka, clickhouse = (part.state == "answers" for part in found.parts[:2])
    if not kafka:
        return []
    service = Service(target(settings), ANSWER_SECONDS) if clickhouse else None
    refusals = Refusals(settings, service)
    try:
        refused = refusals.steady()
    except Unknown as error:
        found.problems.append(f"whether partitions are refused is unknown: {error}")
        return []
    finally:
        if service is not None:
            service.close()
    if refusals.unread:
        numbers = ", ".join(map(str, refusals.unread))
        found.problems.append(
            f"whether the workers refuse partition {numbers} is not wholly known: their journals are long. `tally"
            " journal verify` reads all of them"
        )
    return refused


def _state_of(service: Service, *, new: bool) -> str:
    if service.by == "address":
        return "answers"
    return "started" if new else "running already"


def _end_of(clean: bool) -> str:
    return "stopped" if clean else "killed: it did not stop in time"


def _print(settings: Settings, rows: list[dict[str, object]], format_: console.Format) -> None:
    if format_ is console.Format.JSON:
        console.facts({"home": str(settings.home), "services": rows})
        return
    _table(rows)


def _table(rows: list[dict[str, object]]) -> None:
    shown = [
        {
            "service": _NAMES.get(str(row["service"]), row["service"]),
            "address": row["address"],
            "by": _BY.get(str(row["by"]), ""),
            "pid": "" if row["pid"] is None else str(row["pid"]),
            "state": row["state"],
        }
        for row in rows
    ]
    console.table(shown, ["service", "address", "by", "pid", "state"])


def _row(part: str, service: Service, state: str) -> dict[str, object]:
    return {"service": part, "address": service.address, "by": service.by, "pid": service.pid, "state": state}


def _facts(settings: Settings, found: Found) -> dict[str, object]:
    return {
        "home": str(settings.home),
        "services": [part._asdict() for part in found.parts],
        "lag": {total.service: {"records": total.records, "seconds": total.seconds} for total in found.totals},
        "lag_by_partition": [lag._asdict() for lag in found.lags],
        "problems": found.problems,
    }


def _show(found: Found) -> None:
    _table([part._asdict() for part in found.parts])
    lags = [
        {"behind": total.service, "records": total.records, "seconds": _seconds(total.seconds)}
        for total in found.totals
    ]
    if lags:
        console.table(lags, ["behind", "records", "seconds"])
    for problem in found.problems:
        console.say(problem)


def _seconds(seconds: float | None) -> object:
    return "unknown" if seconds is None else round(seconds, 1)
