"""What `tally rebuild clickhouse` says: before it begins, and of what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.cli import console

if TYPE_CHECKING:
    from connectors.clickhouse.rebuild import End, Rebuild
    from connectors.clickhouse.rebuild_plan import Plan
    from pipeline.audit.result import Audit
    from pipeline.settings import Settings

MIB = 1024 * 1024
SAMPLE_RECORDS = 20  # of each partition, by which the journal's bytes are estimated
_UNTOUCHED = "Nothing has changed for them"
_BEGUN = "They refuse to go on while tables are being exchanged"
_COLUMNS = ["partition", "records", "about_bytes", "rebuilt"]


def result(rebuild: Rebuild, end: End, audits: list[Audit]) -> dict[str, Any]:
    from connectors.clickhouse.rebuild import End
    from pipeline.audit import report

    return {
        "end": end.value,
        "fresh": rebuild.names.fresh,
        "former": rebuild.names.former if end is End.EXCHANGED else None,
        "drop": rebuild.dropping if end is End.EXCHANGED else None,
        "offsets": {} if end in (End.FINISHED, End.TAKEN) else rebuild.offsets(),
        "rows": rebuild.rows,
        "begun": rebuild.begun,
        "members": rebuild.members() if end is End.WAITS else [],
        "differences": [str(difference) for difference in rebuild.differences],
        "audit": report.as_json(audits[0]) if audits else None,
    }


def tell(settings: Settings, result: dict[str, Any], audits: list[Audit], format_: console.Format) -> None:
    """What came of it; ends the command with its exit code."""
    from pipeline.cli import audit

    if format_ is console.Format.JSON:
        console.facts(result)
    elif audits:
        audit.show(audits[0], format_)
    live, group = settings.clickhouse.database, settings.sink.group_id
    match result["end"]:
        case "waits":
            who = ", ".join(result["members"]) or "just now"
            console.fail(
                f"the fresh tables in {result['fresh']} are ready, but sinks are at work: group {group} has"
                f" {_count(result['members'])} ({who}; one that was killed, or has a name, counts for 10 s more)."
                f" {_BEGUN if result['begun'] else _UNTOUCHED}. Stop them and run this again: it finishes in seconds",
                console.Exit.WAITS,
            )
        case "different":
            for difference in result["differences"]:
                console.say(difference)
            console.fail(
                f"the fresh tables in {result['fresh']} are not what the journal says. Nothing was exchanged: the live"
                " tables and their sinks are as they were. `tally rebuild clickhouse --anew` drops the fresh tables and"
                " begins again",
                console.Exit.DIFFERENT,
            )
        case "taken":
            console.fail(
                "another `tally rebuild clickhouse` is at work, and only one can be: leave it to that one. Where it has"
                " ended too, run this again: it goes on where that one stopped",
                console.Exit.WAITS,
            )
        case "finished":
            console.say(
                f"another `tally rebuild clickhouse` has finished the work while this one was at it: database {live}"
                " has the fresh tables, and there is nothing left to do but to start the sinks again"
            )
            return
    records = sum(result["offsets"].values())
    console.say(f"database {live} has the tables filled from {records:,} journal records; start the sinks again")
    if former := result["former"]:
        console.say(f"the former tables are in {former}; to drop them: tally query '{result['drop']}'")


def show(settings: Settings, found: Plan, format_: console.Format) -> None:
    """What would be done."""
    sizes = asyncio.run(_sizes(settings, found))
    rows = [
        {"partition": p, "records": b.high, "about_bytes": sizes[p], "rebuilt": found.rebuilt[p]}
        for p, b in found.bounds.items()
    ]
    facts = {
        "database": settings.clickhouse.database,
        "fresh": found.at.names.fresh,
        "former": found.at.names.former,
        "group": found.at.names.group,
        "resumed": found.resumed,
        "members": list(found.members),
        "live_bytes": found.live_bytes,
        "free_bytes": found.free_bytes,
        "partitions": rows,
    }
    if format_ is console.Format.JSON:
        console.facts(facts)
        return
    console.table(rows, _COLUMNS)
    waits = f"; the exchange waits until {_count(found.members)} of the sinks' group are gone" if found.members else ""
    console.say(
        f"{intention(found)}, group {found.at.names.group}, then exchanged with those of {facts['database']}, which"
        f" are kept in {found.at.names.former}{waits}"
    )
    console.say(space(found))


def intention(found: Plan) -> str:
    records = sum(b.high - found.rebuilt[p] for p, b in found.bounds.items())
    what = "going on: " if found.resumed else ""
    return f"{what}{records:,} journal records into database {found.at.names.fresh}"


def space(found: Plan) -> str:
    return f"the live tables take {found.live_bytes / MIB:,.1f} MiB, {found.free_bytes / MIB:,.1f} MiB are free"


def _count(members: Sequence[str]) -> str:
    return f"{len(members)} member{'s' * (len(members) != 1)}"


async def _sizes(settings: Settings, found: Plan) -> dict[int, int]:
    """About how many bytes each partition of the journal has, by its last records."""
    from pipeline.journal.ports import Place
    from pipeline.journal.reader import KafkaReader
    from pipeline.kafka_security import aiokafka_client
    from pipeline.topics import JOURNAL, physical

    reader = KafkaReader(aiokafka_client(settings), settings.topics.journal_message_bytes)
    topic, sizes = physical(settings.topics.prefix, JOURNAL), dict[int, int]()
    async with reader.session() as session:
        for partition, bounds in found.bounds.items():
            begin, size = max(bounds.low, bounds.high - SAMPLE_RECORDS), 0
            async for entries in session.read(Place(topic, partition), begin, bounds.high):
                size += sum(len(entry.value or b"") for entry in entries)
            sizes[partition] = round(size * bounds.high / max(1, bounds.high - begin))
    return sizes
