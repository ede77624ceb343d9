"""`tally migrate`, `tally sink`, `tally query`: ClickHouse's tables, the service that fills them, and questions."""

from __future__ import annotations

import csv
import json
import logging
import math
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import console

if TYPE_CHECKING:
    from types import FrameType

    from connectors.clickhouse.service import Answer, Service

QUERY_ROWS_MAX = 10_000  # rows that a table on a terminal shows; `--format csv` and `json` have no bound


class Output(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@contextmanager
def connected(seconds_max: int, database: bool) -> Iterator[Service]:
    """A connection, closed at the end; its faults end the command with one message."""
    from connectors.clickhouse.migrations import MigrationRefused
    from connectors.clickhouse.service import Refused, Service, Unavailable
    from connectors.clickhouse.settings import target
    from pipeline.settings import load

    place = target(load())
    service = Service(place, seconds_max, place.database if database else None)
    try:
        yield service
    except Unavailable as error:
        console.fail(f"{error}. Start it (`tally up`), or set TALLY_CLICKHOUSE__URL to one that answers")
    except (Refused, MigrationRefused) as error:
        console.fail(str(error))
    finally:
        service.close()


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be applied; change nothing.")] = False,
    format_: Annotated[console.Format, typer.Option("--format", help="How to print.")] = console.Format.TABLE,
) -> None:
    """Bring ClickHouse's tables and views up to date. Running it again is harmless.

    Examples:

      tally migrate --dry-run

      tally --set clickhouse.database=trial migrate
    """
    from connectors.clickhouse import migrations
    from connectors.clickhouse.settings import QUERY_SECONDS_MAX

    with connected(QUERY_SECONDS_MAX, database=False) as service:
        steps = migrations.find(service)
        pending = {step.migration.number for step in steps if step.status is migrations.Status.PENDING}
        if pending and not dry_run:
            migrations.apply(service, steps)
            steps = migrations.find(service)
    found = [
        {
            "number": step.migration.number,
            "name": step.migration.name,
            "status": step.status.value,
            "applied_at": step.applied_at,
            "now": step.migration.number in pending and not dry_run,
        }
        for step in steps
    ]
    if format_ is console.Format.JSON:
        console.facts(found)
        return
    console.table(found, ["number", "name", "status", "applied_at"])
    done = f"{len(pending)} {'to apply' if dry_run else 'applied'}" if pending else "nothing to do"
    console.say(f"database {service.target.database} at {service.target.address}: {done}")


def sink() -> None:
    """Run a sink: journal to ClickHouse, exactly once. Any number of them share the partitions.

    Ends on SIGTERM or SIGINT with exit code 0, after the range at hand.

    Examples:

      tally sink

      tally --set sink.metrics_port=9102 sink
    """
    from confluent_kafka import KafkaException

    from connectors.clickhouse.ranges import Limits
    from connectors.clickhouse.service import Refused, Service
    from connectors.clickhouse.settings import INSERT_SECONDS_MAX, RANGE_BYTES_MAX, target
    from connectors.clickhouse.sink import FATAL, Sink
    from connectors.clickhouse.source import member
    from connectors.local import targets
    from pipeline import logs, metrics
    from pipeline.settings import load

    settings = load()
    logs.setup()
    stop = _stop_on_signals()
    service = Service(target(settings), INSERT_SECONDS_MAX)
    try:
        port = metrics.serve(metrics.Process.SINK, settings.sink.metrics_host, settings.sink.metrics_port)
    except OSError as error:
        place = f"{settings.sink.metrics_host}:{settings.sink.metrics_port}"
        console.fail(f"no metrics on {place}: {error.strerror}. Set TALLY_SINK__METRICS_PORT to a free port, or 0")
    logging.getLogger("tally.sink").info("metrics on http://%s:%d/metrics", settings.sink.metrics_host, port)
    targets.announce(settings.home, metrics.Process.SINK, settings.sink.name, settings.sink.metrics_host, port)
    limits = Limits(settings.sink.rows, RANGE_BYTES_MAX, settings.sink.linger_ms / 1000)
    try:
        Sink(member(settings), service, limits).run(stop)
    except (*FATAL, Refused, KafkaException) as error:
        console.fail(f"the sink stops: {error}")
    finally:
        service.close()


def query(
    sql: Annotated[
        str,
        typer.Argument(metavar="SQL|-", help="A statement; names are of the settings' database. -: standard input."),
    ],
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A value for {NAME:Type} in the statement; any number."),
    ] = None,
    format_: Annotated[Output, typer.Option("--format", help="How to print.")] = Output.TABLE,
) -> None:
    """Ask ClickHouse.

    docs/analysts.md has the questions that people ask, each with its statement. Values of parameters are taken as
    they stand; lists are written in ClickHouse's notation.

    Examples:

      tally query "SELECT campaign_id, channel, delivered, unique_opened, open_rate FROM campaign_engagement"

      tally query --format csv "SELECT * FROM conservation" > conservation.csv

      tally query --param account=acme "SELECT * FROM allowance_cycles WHERE account_id = {account:String}"

      tally query --param account=acme --param "types=['email_opened', 'email_clicked']" - < question.sql
    """
    from connectors.clickhouse.settings import QUERY_SECONDS_MAX

    if sql == "-":
        sql = _statement()
    if not sql.strip(" \t\r\n;"):
        console.fail('no statement to ask; give one, such as tally query "SELECT 1"', console.Exit.USAGE)
    given = _parameters(sql, param or [])
    with connected(QUERY_SECONDS_MAX, database=True) as service:
        if format_ is Output.CSV:
            _csv(service, sql, given)
            return
        answer = service.query(sql, given)
        if not answer.columns:
            answer = answer._replace(columns=service.columns(sql, given))
    if format_ is Output.JSON:
        console.facts([dict(zip(answer.columns, map(json_value, row), strict=True)) for row in answer.rows])
    else:
        _table(answer)


def _statement() -> str:
    """The statement on standard input, or the end of the command where there is none to read."""
    from pipeline import standard_input

    try:
        return standard_input.text()
    except (OSError, UnicodeDecodeError) as error:
        console.fail(f"cannot read the statement: {getattr(error, 'strerror', None) or error}", console.Exit.USAGE)


def _parameters(sql: str, given: list[str]) -> dict[str, object]:
    """The values of a statement's parameters, or the end of the command where they do not fit it."""
    from connectors.clickhouse.service import UnknownParameters, parameters

    texts = {}
    for one in given:
        name, is_pair, text = one.partition("=")
        if not name or not is_pair:
            console.fail(f"--param {one}: write it as NAME=VALUE", console.Exit.USAGE)
        if name in texts:
            console.fail(f"--param {name} is there twice; a list is written \"{name}=['a', 'b']\"", console.Exit.USAGE)
        texts[name] = text
    try:
        return parameters(sql, texts)
    except UnknownParameters as error:
        console.fail(f"--param: {error}", console.Exit.USAGE)


def _csv(service: Service, sql: str, given: dict[str, object]) -> None:
    """Write an answer block by block: it may be larger than memory."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, block in enumerate(service.blocks(sql, given)):
        if number == 0:
            writer.writerow(block.columns or service.columns(sql, given))
        writer.writerows([csv_value(value) for value in row] for row in block.rows)


def _table(answer: Answer) -> None:
    shown = answer.rows[:QUERY_ROWS_MAX]
    console.table([dict(zip(answer.columns, row, strict=True)) for row in shown], answer.columns)
    if len(answer.rows) > len(shown):
        console.say(f"{len(answer.rows) - len(shown):,} more rows are not shown: use --format csv, or LIMIT")


def json_value(value: Any) -> Any:
    """A value as JSON has it: null for what is no number, hexadecimal digits for bytes."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): json_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(inner) for inner in value]
    return value


def csv_value(value: Any) -> Any:
    """A value as a cell: booleans, maps, arrays and tuples in JSON's notation."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool | dict | list | tuple):
        return json.dumps(json_value(value), ensure_ascii=False, default=str)
    return value


def _stop_on_signals() -> threading.Event:
    """Set by the first SIGTERM or SIGINT; a second one interrupts at once, which is safe."""
    stop = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop
