"""`tally rebuild clickhouse`: the whole journal into fresh tables, which then take the live ones' place."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import console
from pipeline.cli import rebuild_told as told

if TYPE_CHECKING:
    from connectors.clickhouse.rebuild_plan import Plan
    from connectors.clickhouse.service import Service
    from pipeline.audit.result import Audit
    from pipeline.settings import Settings

AUDIT_SECONDS = 60.0  # for a moment without an open insert; nobody else writes into fresh tables


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

    Of several at once one does the work; the others say so and end.

    The former tables are kept in a database of their own, whose name is printed.

    Exit codes: 0 exchanged, be it by another rebuild that ran at the same time, 3 the fresh tables are not what the
    journal says and nothing was exchanged, 4 the fresh tables are ready and the sinks run, or another rebuild is at
    work, 1 it cannot be done or went wrong, 2 wrong option or setting.

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
    course = _Course()
    with _told_faults(course), console.Progress() as progress:
        found = _plan(settings, anew, dry_run)
        if dry_run:
            told.show(settings, found, format_)
            return
        console.say(told.intention(found))
        if found.free_bytes < found.live_bytes:
            console.say(told.space(found) + ": the fresh ones may not fit beside them")
        result = _rebuilt(settings, found, drop_old, (progress, audits, course))
    told.tell(settings, result | {"seconds": round(time.monotonic() - began, 3)}, audits, format_)


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


@dataclass(slots=True)
class _Course:
    """How far it has come: whether there is something that the next run goes on with."""

    is_begun: Callable[[], bool] = lambda: False


def _rebuilt(
    settings: Settings, found: Plan, drop_old: bool, out: tuple[console.Progress, list[Audit], _Course]
) -> dict[str, Any]:
    """The work, and what came of it."""
    from connectors.clickhouse.rebuild import End, Rebuild

    progress, audits, course = out
    with Rebuild(settings, found, progress.show) as rebuild:
        course.is_begun = lambda: rebuild.is_there
        try:
            end = rebuild.run(lambda own, fresh: _agrees(own, fresh, progress, audits))
        except _faults_of_others() as error:
            overtaken = rebuild.overtaken() or (End.TAKEN if _is_fenced(error) else None)
            if overtaken is None:
                raise
            end = overtaken
        result = told.result(rebuild, end, audits)
        if drop_old and result["former"]:
            rebuild.drop_former()
            result |= {"former": None, "drop": None}
        is_over = end in (End.EXCHANGED, End.FINISHED)  # finished by another: this one may have joined again since
        if is_over and (left := rebuild.delete_groups()):
            console.say(f"consumer groups that are of no use any more and could not be deleted: {', '.join(left)}")
    return result


def _faults_of_others() -> tuple[type[Exception], ...]:
    """What a rebuild meets whose tables, or whose place in its group, another one has taken."""
    from confluent_kafka import KafkaException

    from connectors.clickhouse.ranges import JournalGone
    from connectors.clickhouse.rebuild_exchange import RebuildRefused
    from connectors.clickhouse.service import Refused
    from connectors.clickhouse.sink import FATAL
    from pipeline.audit.faults import AuditFailed

    return KafkaException, JournalGone, RebuildRefused, Refused, AuditFailed, *FATAL


def _is_fenced(error: Exception) -> bool:
    """Whether another member has this one's name."""
    from confluent_kafka import KafkaError, KafkaException

    fenced = (KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL)
    return isinstance(error, KafkaException) and error.args[0].code() in fenced


def _agrees(settings: Settings, service: Service, progress: console.Progress, audits: list[Audit]) -> bool:
    """Audit the fresh tables."""
    from pipeline.audit.run import audit

    audits.append(audit(settings, service, (), AUDIT_SECONDS, progress.show))
    return not audits[0].differences


@contextmanager
def _told_faults(course: _Course) -> Iterator[None]:
    """Faults end the command with one message."""
    from confluent_kafka import KafkaException

    from connectors.clickhouse.ranges import JournalGone
    from connectors.clickhouse.rebuild_exchange import RebuildRefused
    from connectors.clickhouse.service import Refused, Unavailable
    from connectors.clickhouse.sink import FATAL
    from connectors.kafka_faults import KafkaAway, NoTopic
    from pipeline.audit.faults import AuditFailed
    from pipeline.refusal import WrongSetting

    def again() -> str:
        if course.is_begun():
            return "Run `tally rebuild clickhouse` again: it goes on where it stopped"
        return "This run has begun nothing and changed nothing"

    try:
        yield
    except (RebuildRefused, JournalGone, NoTopic) as error:
        console.fail(str(error))
    except WrongSetting as error:
        console.fail(str(error), error.code)
    except Unavailable as error:
        mend = "Start it (`tally up`), or set TALLY_CLICKHOUSE__URL to one that answers"
        console.fail(f"{error}. {mend}. {again()}")
    except (KafkaAway, AuditFailed, Refused, *FATAL) as error:
        console.fail(f"{error}. {again()}")
    except KafkaException as error:
        console.fail(f"Kafka refuses: {error.args[0].str()}. {again()}")
