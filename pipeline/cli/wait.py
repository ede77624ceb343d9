"""`tally wait`: until ClickHouse accounts for all that the source topics held when it was asked."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import console

if TYPE_CHECKING:
    from connectors.clickhouse.service import Service
    from pipeline.first_reads import Place
    from pipeline.refusals import Refusal, Refusals
    from pipeline.settings import Settings
    from pipeline.topic_bounds import Extent

STILL_SECONDS = 3.0  # without progress: then it is looked whether what is missing is refused, and again after as long
REFUSED_SHOWN = 3  # in full
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
    What is produced after the command was started is not waited for. Nor is what a worker or sink refuses: as soon as
    events of such a partition are missing and nothing moves any more, the command ends and says what to do.

    Exit codes: 0 all is accounted for, 1 not within the timeout, or some of it is refused, or Kafka or ClickHouse is
    absent.

    Examples:

        tally wait --timeout 60

        tally produce events.jsonl && tally wait && tally query "SELECT * FROM engagement_daily"
    """
    from connectors.clickhouse.service import Service
    from connectors.clickhouse.settings import target
    from pipeline import settings as tree

    settings = tree.load()
    place = target(settings)
    wanted = _extents(settings)
    service = Service(place, QUERY_SECONDS_MAX)
    started = time.monotonic()
    try:
        left, refused = _follow(service, wanted, _Watch(settings, service, started + timeout))
    finally:
        service.close()
    _report(wanted, (left, refused), time.monotonic() - started, format_)
    if refused:
        console.say_some(refused, REFUSED_SHOWN)
        console.fail(f"{_count(left, wanted)} events are not accounted for, and nothing comes of waiting: see above")
    if left:
        console.fail(
            f"{_count(left, wanted)} events are not accounted for after {timeout:g} s: do worker and sink run?"
            " `tally status`"
        )


def _extents(settings: Settings) -> dict[Place, Extent]:
    from pipeline.kafka_cluster import KafkaAbsent
    from pipeline.topic_bounds import TopicsMissing, extents

    try:
        return extents(settings)
    except (KafkaAbsent, TopicsMissing) as error:
        console.fail(str(error))


class _Watch:
    """When to give up: at the deadline, or once nothing moves and what is missing is refused."""

    def __init__(self, settings: Settings, service: Service, deadline: float) -> None:
        self._settings, self._service, self._deadline = settings, service, deadline
        self._left: dict[Place, int] = {}
        self._since = time.monotonic()
        self._refusals: Refusals | None = None

    def refused(self, left: Mapping[Place, int]) -> list[Refusal]:
        """The refusals of partitions of which events are missing, where it is time to look."""
        now = time.monotonic()
        if left != self._left:
            self._left, self._since = dict(left), now
        is_over = now >= self._deadline
        if not left or (now - self._since < STILL_SECONDS and not is_over):
            return []
        found = self._look()
        self._since = time.monotonic()
        return [refusal for refusal in found if refusal.partition in {partition for _, partition in left}]

    @property
    def left_seconds(self) -> float:
        """Until the deadline; 0 behind it."""
        return max(0.0, self._deadline - time.monotonic())

    def _look(self) -> list[Refusal]:
        from pipeline.refusals import Refusals, Unknown

        self._refusals = self._refusals or Refusals(self._settings, self._service)
        with contextlib.suppress(Unknown):  # a server is away for a moment: that is waited for
            return self._refusals.steady()
        return []


def _follow(service: Service, wanted: Mapping[Place, Extent], watch: _Watch) -> tuple[dict[Place, int], list[Refusal]]:
    """What is missing at the end, and the refusals that ended it; asks at least once.

    ClickHouse may be away in between, but not at the beginning.
    """
    total = _events(wanted)
    left, away = _ask(service, wanted, None)
    with console.Progress() as progress:
        while left or away:
            is_last = not watch.left_seconds
            if refused := watch.refused(left):
                return left, refused
            if is_last:
                break
            said = f"{total - sum(left.values()):,} of {total:,} events accounted for{away}"
            progress.show(functools.partial(str, said))
            time.sleep(min(POLL_SECONDS, watch.left_seconds))
            left, away = _ask(service, wanted, left)
    return left, []


def _ask(
    service: Service, wanted: Mapping[Place, Extent], before: dict[Place, int] | None
) -> tuple[dict[Place, int], str]:
    """What is missing now; while ClickHouse is away, what was missing before, and that it is away."""
    from connectors.clickhouse.service import Refused, Unavailable
    from pipeline.topic_bounds import missing

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


def _count(left: Mapping[Place, int], wanted: Mapping[Place, Extent]) -> str:
    return f"{sum(left.values()):,} of {_events(wanted):,}"


def _events(wanted: Mapping[Place, Extent]) -> int:
    return sum(extent.events for extent in wanted.values())


def _report(
    wanted: Mapping[Place, Extent],
    ended: tuple[Mapping[Place, int], Sequence[Refusal]],
    seconds: float,
    format_: console.Format,
) -> None:
    """What came of it: `ended` is what is missing, and what is refused."""
    left, refused = ended
    total = _events(wanted)
    rows = [
        {"topic": topic, "partition": partition, "events": wanted[topic, partition].events, "missing": count}
        for (topic, partition), count in left.items()
    ]
    if format_ is console.Format.JSON:
        accounted = total - sum(left.values())
        told = [refusal._asdict() for refusal in refused]
        facts = {"events": total, "accounted": accounted, "missing": rows, "refused": told}
        console.facts(facts | {"seconds": round(seconds, 3)})
    elif rows:
        console.table(rows, ["topic", "partition", "events", "missing"])
    else:
        console.say(f"all {total:,} events are accounted for ({seconds:.1f} s)")
