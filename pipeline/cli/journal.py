"""`tally journal show` and `tally journal verify`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline import settings as settings_module
from pipeline.cli import console
from pipeline.settings import Settings
from pipeline.topics import ALL_TOPICS, JOURNAL, SOURCE_TOPICS, physical

if TYPE_CHECKING:
    from pipeline.journal.ports import Bounds, Described, Describes, Session
    from pipeline.journal.verify import Check, Seen

PROGRESS_S = 2.0  # between two lines of progress
FAULTS_SHOWN = 20

_Format = Annotated[console.Format, typer.Option("--format", help="How to print the records.")]
_SHOWN = [
    *("partition", "offset", "chain", "id", "prev", "writer", "stream_time", "read", "accepted", "duplicates"),
    *("rejected", "bytes", "sources"),
]
_CHECKED = ["partition", "records", "valid", "rivals", "unplaced", "events", "bytes", "faults"]


def show(
    partition: Annotated[int, typer.Option(help="Partition number.", min=0)] = 0,
    from_: Annotated[
        int | None, typer.Option("--from", help="First offset; default: the last LIMIT records.", min=0)
    ] = None,
    limit: Annotated[int, typer.Option(help="Records to show.", min=1)] = 20,
    format_: _Format = console.Format.TABLE,
) -> None:
    """The journal, record by record: how each stands to the chain, what it read and what became of it.

    A record is valid if it names the last valid one before it, else a rival, which every reader
    ignores. To know that, the partition is read from its beginning. Where that is gone, a record
    is unplaced until a later one names one that is there.

    Examples:

        tally journal show

        tally journal show --partition 2 --from 1000 --limit 5

        tally journal show --limit 1 --format json
    """
    settings = settings_module.load()
    rows = asyncio.run(_shown(settings, partition, from_, limit))
    if format_ is console.Format.JSON:
        console.facts(rows)
    else:
        console.table(rows, _SHOWN)


def verify(format_: _Format = console.Format.TABLE) -> None:
    """Check the whole chain of every partition: offsets, positions of every source topic, their bounds.

    Also whether the topics are the ones that were read, by Kafka's ids, with as many partitions.

    Rivals are counted; they are no fault. A beginning that is gone (retention, deleted records) is one:
    the chain is checked from the first record that a later one names, and what is before is unplaced.
    Exit codes: 0 sound, 3 at least one fault, 1 Kafka absent.

    Examples:

        tally journal verify

        tally journal verify --format json
    """
    settings = settings_module.load()
    checks = asyncio.run(_verified(settings))
    if format_ is console.Format.JSON:
        console.facts([_checked(check) | _told(check) for check in checks])
    else:
        console.table([_checked(check) for check in checks], _CHECKED)
        for check in checks:
            _tell(check)
    if any(check.faults for check in checks):
        raise SystemExit(int(console.Exit.DIFFERENT))


async def _shown(settings: Settings, number: int, first: int | None, limit: int) -> list[dict[str, Any]]:
    from pipeline.journal.verify import Check

    count = _partitions(settings)
    if number >= count:
        console.fail(f"there is no partition {number}; the journal has 0 to {count - 1}", console.Exit.USAGE)
    async with _reader(settings).session() as session:
        bounds, _ = await _bounds(session, settings, number, [])
        if first and first >= bounds.next:
            held = f"the offsets {bounds.first} to {bounds.next - 1}" if bounds.next > bounds.first else "no record"
            console.fail(f"partition {number} holds {held}; there is none from {first} on", console.Exit.USAGE)
        begin = max(bounds.first, bounds.next - limit) if first is None else first
        check = Check(number, bounds.first)
        walk = _walk(session, settings, check, min(bounds.next, begin + limit))
        return [_row(number, seen) async for seen in walk if seen.entry.offset >= begin]


async def _verified(settings: Settings) -> list[Check]:
    from pipeline.journal.verify import Check

    checks = []
    from pipeline.journal.topics import KafkaTopics
    from pipeline.kafka_security import kafka_client

    count, topics = _partitions(settings), KafkaTopics(kafka_client(settings))
    async with _reader(settings).session() as session:
        for number in range(count):
            journal, _ = await _bounds(session, settings, number, [])
            check = Check(number, journal.first)
            async for _ in _walk(session, settings, check, journal.next):
                pass
            # A worker goes on meanwhile: the sources' bounds are asked after the journal was read.
            found = await _described(topics, settings)
            there = [topic for topic in SOURCE_TOPICS if topic in found and found[topic].partitions > number]
            _, sources = await _bounds(session, settings, number, there)
            check.end(sources, found)
            checks.append(check)
    return checks


async def _described(topics: Describes, settings: Settings) -> dict[str, Described]:
    """The topics that there are, by unprefixed name."""
    names = {physical(settings.topics.prefix, topic): topic for topic in ALL_TOPICS}
    return {names[name]: said for name, said in (await topics.describe(names)).items()}


async def _walk(session: Session, settings: Settings, check: Check, end: int) -> AsyncIterator[Seen]:
    """Every record up to `end`, with a line of progress where it takes long."""
    from pipeline.journal.ports import Place

    told = monotonic()
    place = Place(physical(settings.topics.prefix, JOURNAL), check.partition)
    async for entries in session.read(place, check.offset, end):
        for entry in entries:
            yield check.take(entry)
        if monotonic() - told >= PROGRESS_S:
            told = monotonic()
            console.say(f"partition {check.partition}: {check.offset:,} of {end:,} records")


def _reader(settings: Settings) -> Any:
    from pipeline.journal.reader import KafkaReader
    from pipeline.kafka_security import aiokafka_client

    return KafkaReader(aiokafka_client(settings), settings.topics.journal_message_bytes)


def _partitions(settings: Settings) -> int:
    """The journal's partitions; ends the command where there is no journal."""
    from pipeline.kafka_cluster import KafkaAbsent, connect

    name = physical(settings.topics.prefix, JOURNAL)
    try:
        _, cluster = connect(settings)
    except KafkaAbsent as error:
        console.fail(str(error))
    if name not in cluster.topics:
        console.fail(f"there is no topic {name} at {settings.kafka_address()}: run `tally topics apply`")
    return len(cluster.topics[name].partitions)


async def _bounds(
    session: Session, settings: Settings, number: int, topics: list[str]
) -> tuple[Bounds, dict[str, Bounds]]:
    """What the journal's partition holds, and those of source topics by unprefixed name."""
    from pipeline.journal.ports import Place

    prefix = settings.topics.prefix
    names = {topic: Place(physical(prefix, topic), number) for topic in (*topics, JOURNAL)}
    bounds = await session.bounds(list(names.values()))
    held = {topic: bounds[place] for topic, place in names.items()}
    return held.pop(JOURNAL), held


def _row(partition: int, seen: Seen) -> dict[str, Any]:
    row: dict[str, Any] = {"partition": partition, "offset": seen.entry.offset, "bytes": len(seen.entry.value or b"")}
    if seen.link is None or seen.record is None:
        return row | {"chain": "unreadable"}
    record = seen.record
    return row | {
        "chain": ("valid" if seen.valid else "rival") if seen.placed else "unplaced",
        "id": f"{seen.link.id:016x}",
        "prev": f"{seen.link.prev:016x}",
        "writer": seen.link.writer,
        "stream_time": datetime.fromtimestamp(record.stream_time / 1e6, UTC).isoformat(timespec="milliseconds"),
        "read": record.read,
        "accepted": record.accepted,
        "duplicates": sum(duplicates.events for duplicates in record.duplicates),
        "rejected": len(record.rejects),
        "sources": " ".join(f"{source.topic}:{source.first}-{source.next - 1}" for source in record.sources),
        "runs": record.runs,
        "topics": record.topics,
        "partitions": record.partitions,
    }


def _told(check: Check) -> dict[str, Any]:
    """What a table has no room for."""
    read = {"positions": check.positions, "topics": check.topics, "partitions": check.partitions}
    return {"faults": check.faults, **read}


def _checked(check: Check) -> dict[str, Any]:
    return {
        "partition": check.partition,
        "records": check.records,
        "valid": check.valid,
        "rivals": check.rivals,
        "unplaced": check.unplaced,
        "events": check.events,
        "bytes": check.size,
        "faults": len(check.faults) + check.faults_untold,
    }


def _tell(check: Check) -> None:
    for fault in check.faults[:FAULTS_SHOWN]:
        console.say(f"partition {check.partition}: {fault}")
    rest = len(check.faults) + check.faults_untold - FAULTS_SHOWN
    if rest > 0:
        console.say(f"partition {check.partition}: and {rest} faults more; --format json tells {len(check.faults)}")
