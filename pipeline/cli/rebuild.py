"""`tally rebuild clickhouse`: the whole journal into fresh tables, which then take the live ones' place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import console

if TYPE_CHECKING:
    from connectors.clickhouse.rebuild import End, Rebuild
    from connectors.clickhouse.rebuild_plan import Plan
    from connectors.clickhouse.service import Service
    from pipeline.audit.result import Audit
    from pipeline.settings import Settings

MIB = 1024 * 1024
AUDIT_SECONDS = 60.0  # for a moment without an open insert; nobody else writes into fresh tables
SAMPLE_RECORDS = 20  # of each partition, by which the journal's bytes are estimated
_UNTOUCHED = "Nothing has changed for them"
_BEGUN = "They refuse to go on while tables are being exchanged"
_COLUMNS = ["partition", "records", "about_bytes", "rebuilt"]


def clickhouse(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Drop the fresh tables of a rebuild that was begun.")] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Drop the former tables after the exchange.")] = False,
    format_: Annotated[console.Format, typer.Option("--format", help="How to print.")] = console.Format.TABLE,
) -> None:
    """Fill fresh tables from the whole journal, audit them, and exchange them with the live ones.

    For a partition that the sink refuses because the journal was truncated or replaced, for tables that were damaged,
    and for tables whose layout is to be made anew. The journal must be whole: it must begin at offset 0.

    The live tables and their sinks go on while the fresh tables are filled beside them. The exchange needs the sinks
    stopped; where they run, the command ends with exit code 4: stop them and run it again, which takes seconds.
    Whatever ended it (Ctrl-C, kill -9), run it again: it goes on where it stopped.

    The former tables are kept in a database of their own, whose name is printed.

    Exit codes: 0 exchanged, 3 the fresh tables are not what the journal says and nothing was exchanged, 4 the fresh
    tables are ready and the sinks run, 1 it cannot be done or went wrong, 2 wrong option or setting.

    Examples:

        tally rebuild clickhouse --dry-run

        tally rebuild clickhouse

        tally rebuild clickhouse --drop-old --format json
    """
    from pipeline import settings as tree
    from pipeline.settings_faults import require

    settings = tree.load()
    require(settings.kafka_address, settings.clickhouse_address, settings.seed)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its faults are told by ours, once
    began = time.monotonic()
    audits: list[Audit] = []
    with _told_faults(), console.Progress() as progress:
        found = _plan(settings, anew, dry_run)
        if dry_run:
            _show(settings, found, format_)
            return
        console.say(_intention(found))
        if found.free_bytes < found.live_bytes:
            console.say(_space(found) + ": the fresh ones may not fit beside them")
        result = _rebuilt(settings, found, drop_old, (progress, audits))
    _tell(settings, result | {"seconds": round(time.monotonic() - began, 3)}, audits, format_)


def _plan(settings: Settings, anew: bool, dry_run: bool) -> Plan:
    """What is to be done; where it is to begin anew, what was begun is dropped."""
    from connectors.clickhouse import rebuild_plan
    from connectors.clickhouse.rebuild import Rebuild

    found = rebuild_plan.plan(settings, datetime.now(UTC))
    if not (anew and found.resumed):
        return found
    if not dry_run:
        with Rebuild(settings, found, lambda text: None) as begun:
            begun.discard()
    return rebuild_plan.after(found, settings, datetime.now(UTC))


def _rebuilt(
    settings: Settings, found: Plan, drop_old: bool, out: tuple[console.Progress, list[Audit]]
) -> dict[str, Any]:
    """The work, and what came of it."""
    from connectors.clickhouse.rebuild import Rebuild

    progress, audits = out
    with Rebuild(settings, found, progress.show) as rebuild:
        end = rebuild.run(lambda own, fresh: _agrees(own, fresh, progress, audits))
        result = _result(rebuild, end, audits)
        if drop_old and result["former"]:
            rebuild.drop_former()
            result |= {"former": None, "drop": None}
    return result


def _agrees(settings: Settings, service: Service, progress: console.Progress, audits: list[Audit]) -> bool:
    """Audit the fresh tables."""
    from pipeline.audit.run import audit

    audits.append(audit(settings, service, (), AUDIT_SECONDS, progress.show))
    return not audits[0].differences


@contextmanager
def _told_faults() -> Iterator[None]:
    """Faults end the command with one message."""
    from confluent_kafka import KafkaError, KafkaException

    from connectors.clickhouse.ranges import JournalGone
    from connectors.clickhouse.rebuild_exchange import RebuildRefused
    from connectors.clickhouse.service import Refused, Unavailable
    from connectors.clickhouse.sink import FATAL
    from connectors.clickhouse.source import KafkaAway, NoJournal
    from pipeline.audit.faults import AuditFailed
    from pipeline.refusal import WrongSetting

    again = "Run `tally rebuild clickhouse` again: it goes on where it stopped"
    try:
        yield
    except (RebuildRefused, JournalGone, NoJournal) as error:
        console.fail(str(error))
    except WrongSetting as error:
        console.fail(str(error), error.code)
    except Unavailable as error:
        mend = "Start it (`tally up`), or set TALLY_CLICKHOUSE__URL to one that answers"
        console.fail(f"{error}. {mend}. {again}")
    except (KafkaAway, AuditFailed, Refused, *FATAL) as error:
        console.fail(f"{error}. {again}")
    except KafkaException as error:
        if error.args[0].code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL):
            console.fail("another `tally rebuild clickhouse` has taken this one's place: leave the work to it")
        console.fail(f"Kafka refuses: {error.args[0].str()}. {again}")


def _intention(found: Plan) -> str:
    records = sum(b.high - found.rebuilt[p] for p, b in found.bounds.items())
    what = "going on: " if found.resumed else ""
    return f"{what}{records:,} journal records into database {found.at.names.fresh}"


def _result(rebuild: Rebuild, end: End, audits: list[Audit]) -> dict[str, Any]:
    from connectors.clickhouse.rebuild import End
    from pipeline.audit import report

    return {
        "end": end.value,
        "fresh": rebuild.names.fresh,
        "former": rebuild.names.former if end is End.EXCHANGED else None,
        "drop": rebuild.dropping if end is End.EXCHANGED else None,
        "offsets": rebuild.offsets(),
        "rows": rebuild.rows,
        "begun": rebuild.begun,
        "members": rebuild.members() if end is End.WAITS else [],
        "differences": [str(difference) for difference in rebuild.differences],
        "audit": report.as_json(audits[0]) if audits else None,
    }


def _tell(settings: Settings, result: dict[str, Any], audits: list[Audit], format_: console.Format) -> None:
    """What came of it; ends the command with its exit code."""
    from pipeline.cli.audit import show

    if format_ is console.Format.JSON:
        console.facts(result)
    elif audits:
        show(audits[0], format_)
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
    records = sum(result["offsets"].values())
    console.say(f"database {live} has the tables filled from {records:,} journal records; start the sinks again")
    if former := result["former"]:
        console.say(f"the former tables are in {former}; to drop them: tally query '{result['drop']}'")


def _show(settings: Settings, found: Plan, format_: console.Format) -> None:
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
        f"{_intention(found)}, group {found.at.names.group}, then exchanged with those of {facts['database']}, which"
        f" are kept in {found.at.names.former}{waits}"
    )
    console.say(_space(found))


def _space(found: Plan) -> str:
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
