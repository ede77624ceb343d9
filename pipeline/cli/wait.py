"""`tally wait`: until ClickHouse accounts for all that the source topics held when it was asked."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import console

if TYPE_CHECKING:
    from connectors.clickhouse.service import Service
    from pipeline.topic_bounds import Place

POLL_SECONDS = 0.5  # a range of the sink takes about a second
QUERY_SECONDS_MAX = 10
_READ = "SELECT topic, partition, read FROM {database}.conservation"


def wait(
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Seconds until it gives up.")] = 60.0,
    format_: Annotated[console.Format, typer.Option("--format", help="How to print the result.")] = (
        console.Format.TABLE
    ),
) -> None:
    """Wait until every event that is in Kafka now is accounted for in ClickHouse, for scripts and tests.

    Accounted for: read by a worker, and accepted, a duplicate or rejected; and the sink has written so.
    What is produced after the command was started is not waited for.

    Exit codes: 0 all is accounted for, 1 not within the timeout, or Kafka or ClickHouse is absent.

    Examples:

        tally wait --timeout 60

        tally produce events.jsonl && tally wait && tally query "SELECT * FROM engagement_daily"
    """
    from connectors.clickhouse.service import Service
    from connectors.clickhouse.settings import target
    from pipeline import settings as tree

    settings = tree.load()
    place = target(settings)
    wanted = _held(settings)
    service = Service(place, QUERY_SECONDS_MAX)
    started = time.monotonic()
    try:
        left = _follow(service, wanted, started + timeout)
    finally:
        service.close()
    _report(wanted, left, time.monotonic() - started, format_)
    if left:
        console.fail(
            f"{sum(left.values()):,} of {sum(wanted.values()):,} events are not accounted for after {timeout:g} s: "
            "do worker and sink run? `tally status`"
        )


def missing(wanted: Mapping[Place, int], read: Mapping[Place, int]) -> dict[Place, int]:
    """Events of each partition that are not accounted for; empty when all are."""
    left = {place: count - read.get(place, 0) for place, count in wanted.items()}
    return {place: count for place, count in left.items() if count > 0}


def _held(settings: object) -> dict[Place, int]:
    from pipeline.kafka_cluster import KafkaAbsent
    from pipeline.topic_bounds import TopicsMissing, held

    try:
        return held(settings)  # type: ignore[arg-type]
    except (KafkaAbsent, TopicsMissing) as error:
        console.fail(str(error))


def _follow(service: Service, wanted: Mapping[Place, int], deadline: float) -> dict[Place, int]:
    """What is missing at the end; asks at least once. ClickHouse may be away in between, but not at the beginning."""
    total = sum(wanted.values())
    left, away = _ask(service, wanted, None)
    with console.Progress() as progress:
        while (left or away) and time.monotonic() < deadline:
            said = f"{total - sum(left.values()):,} of {total:,} events accounted for{away}"
            progress.show(functools.partial(str, said))
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))
            left, away = _ask(service, wanted, left)
    return left


def _ask(
    service: Service, wanted: Mapping[Place, int], before: dict[Place, int] | None
) -> tuple[dict[Place, int], str]:
    """What is missing now; while ClickHouse is away, what was missing before, and that it is away."""
    from connectors.clickhouse.service import Refused, Unavailable

    try:
        return missing(wanted, _read(service)), ""
    except Refused as error:
        console.fail(str(error))
    except Unavailable as error:
        if before is None:
            console.fail(f"{error}. Start it (`tally up`), or set TALLY_CLICKHOUSE__URL to one that answers")
        return before, f"; {error}"


def _read(service: Service) -> dict[Place, int]:
    answer = service.query(_READ.format(database=service.target.database))
    return {(str(topic), int(partition)): int(read) for topic, partition, read in answer.rows}


def _report(wanted: Mapping[Place, int], left: Mapping[Place, int], seconds: float, format_: console.Format) -> None:
    total = sum(wanted.values())
    rows = [
        {"topic": topic, "partition": partition, "events": wanted[topic, partition], "missing": count}
        for (topic, partition), count in left.items()
    ]
    if format_ is console.Format.JSON:
        accounted = total - sum(left.values())
        console.facts({"events": total, "accounted": accounted, "missing": rows, "seconds": round(seconds, 3)})
    elif rows:
        console.table(rows, ["topic", "partition", "events", "missing"])
    else:
        console.say(f"all {total:,} events are accounted for ({seconds:.1f} s)")
