"""`tally produce`: JSON lines to Kafka."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NamedTuple

import typer

from pipeline.cli import console

if TYPE_CHECKING:
    from connectors.producer.rows import Fault, Message, Translator
    from connectors.producer.service import Sender
    from connectors.producer.source import Line

FAULTS_KEPT_MAX = 1_000  # of the summary in JSON; every fault is a line on standard error
_PLANS = "events.account"  # the topic of plans
_LOOK_EVENTS = 256  # how often the progress looks at the clock


class OnError(StrEnum):
    """What a bad line does."""

    STOP = "stop"
    SKIP = "skip"


@dataclass
class Run:
    """What one run has done."""

    started: float = field(default_factory=time.monotonic)
    lines: int = 0
    bad: int = 0
    faults: list[Fault] = field(default_factory=list)
    topics: Counter[str] = field(default_factory=Counter)
    stopped_at: int | None = None

    @property
    def events(self) -> int:
        """Good lines."""
        return self.topics.total()


class _Way(NamedTuple):
    """From a line to Kafka; without a sender only to a message."""

    translator: Translator
    sender: Sender | None


def produce(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON lines; - is standard input; .gz is unpacked.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every line, send nothing; needs no Kafka.")] = False,
    on_error: Annotated[OnError, typer.Option("--on-error", help="At a bad line: stop there, or skip it.")] = (
        OnError.STOP
    ),
    format_: Annotated[console.Format, typer.Option("--format", help="How to print the summary.")] = (
        console.Format.TABLE
    ),
) -> None:
    """Publish events from JSON lines: one object a line, its fields as in docs/semantics.md.

    Each bad line is told with its number, field and reason. With --on-error stop (the default) nothing after it
    is sent; with skip all good lines are. Either way a bad line makes the exit code 1. Sending a file again
    is harmless: copies are recognised. Lines keep their order within a topic, and those of events.account
    (plans) keep their place among all; between other topics the broker's clock decides.

    Exit codes: 0 all lines sent, 1 a bad line or Kafka failed, 2 wrong option or setting.

    Examples:

      tally produce events.jsonl

      tally produce --dry-run --on-error skip events.jsonl.gz

      echo '{"account_id":"a1","source":"crm","type":"sms_sent","occurred_at":"2026-11-21T10:00:00Z"}' | tally produce -
    """
    from connectors.producer.rows import Translator
    from connectors.producer.settings import schema_ids
    from connectors.producer.source import lines
    from pipeline import settings as tree
    from pipeline.core import vocabulary

    settings = tree.load()
    translator = Translator(vocabulary.load(), schema_ids(settings))
    with contextlib.ExitStack() as stack:
        source = _open(file, stack)
        sender = None if dry_run else open_sender(settings)
        run, failure = _publish(lines(source), _Way(translator, sender), file, on_error)
    _summarise(run, dry_run, sender, format_)
    if failure:
        console.fail(failure)
    if run.bad:
        raise SystemExit(int(console.Exit.FAILED))


def _open(file: str, stack: contextlib.ExitStack) -> BinaryIO:
    """The file's bytes, or the end of the command, before anything is asked of Kafka."""
    from connectors.producer.source import opened

    try:
        return stack.enter_context(opened(file))
    except OSError as error:
        console.fail(f"cannot read {file}: {error.strerror or error}")


def _publish(lines: Iterable[Line], way: _Way, file: str, on_error: OnError) -> tuple[Run, str]:
    """Translates and sends until the end or the first fault that ends it; returns what was done and what failed."""
    from connectors.producer.service import Undelivered

    run, failure = Run(), ""
    try:
        _send_lines(lines, way, run, on_error)
    except Undelivered as error:
        failure = str(error)
    except (OSError, EOFError) as error:  # EOFError: a gzip file that was cut off
        failure = f"cannot read {file}: {getattr(error, 'strerror', None) or error}"
    return run, close_sender(way.sender) or failure


def open_sender(settings: Any) -> Sender:
    """A sender, or the end of the command with what to do."""
    from connectors.producer.service import NotReady, Sender
    from pipeline.kafka_cluster import KafkaAbsent

    try:
        return Sender(settings)
    except (KafkaAbsent, NotReady) as error:
        console.fail(str(error))


def close_sender(sender: Sender | None) -> str:
    """Waits for the acknowledgements; returns what failed, or nothing."""
    from connectors.producer.service import Undelivered

    if sender is None:
        return ""
    try:
        sender.close()
    except Undelivered as error:
        return str(error)
    return ""


def _send_lines(lines: Iterable[Line], way: _Way, run: Run, on_error: OnError) -> None:
    before = None
    with console.Progress() as progress:
        for message in _messages(lines, way.translator, run, on_error, progress):
            run.topics[message.topic] += 1
            if way.sender is not None:
                _send(way.sender, message, before)
            before = message
            if run.lines % _LOOK_EVENTS == 0:
                progress.show(lambda: f"{run.events:,} events, {run.bad:,} bad lines")


def _send(sender: Sender, message: Message, before: Message | None) -> None:
    """Plans hold for what arrives after them: they keep their place among the lines of other topics."""
    if before is not None and (message.topic == _PLANS) != (before.topic == _PLANS):
        sender.barrier()
    sender.send(*message)


def _messages(
    lines: Iterable[Line], translator: Translator, run: Run, on_error: OnError, progress: console.Progress
) -> Iterator[Message]:
    """The good lines' messages; bad lines are told, the first one ends it unless they are to be skipped."""
    from connectors.producer.rows import Fault

    for line in lines:
        run.lines = line.number
        found = _translate(translator, line)
        if not isinstance(found, Fault):
            yield found
            continue
        _tell(run, found, progress)
        if on_error is OnError.STOP:
            run.stopped_at = line.number
            return


def _translate(translator: Translator, line: Line) -> Message | Fault:
    from connectors.producer.rows import Fault
    from connectors.producer.source import LINE_BYTES_MAX

    if line.content is None:
        return Fault(line.number, "line", f"is longer than {LINE_BYTES_MAX} bytes")
    return translator.translate(line.content, line.number)


def _tell(run: Run, fault: Fault, progress: console.Progress) -> None:
    run.bad += 1
    if len(run.faults) < FAULTS_KEPT_MAX:
        run.faults.append(fault)
    progress.clear()
    console.say(f"line {fault.line}: {fault.field}: {fault.reason}")


def _summarise(run: Run, dry_run: bool, sender: Sender | None, format_: console.Format) -> None:
    seconds = time.monotonic() - run.started
    failed = sender.failed if sender else 0
    sent = 0 if sender is None else sum(sender.sent.values()) - failed
    if format_ is console.Format.JSON:
        console.facts(
            {
                "lines": run.lines,
                "events": run.events,
                "sent": sent,
                "undelivered": failed,
                "bad": run.bad,
                "faults": [fault._asdict() for fault in run.faults],
                "topics": dict(run.topics),
                "stopped_at": run.stopped_at,
                "dry_run": dry_run,
                "seconds": round(seconds, 3),
            }
        )
        return
    if run.topics:
        console.table([{"topic": topic, "events": count} for topic, count in run.topics.items()], ["topic", "events"])
    verb = "would be sent" if dry_run else "sent"
    count = run.events if dry_run else sent
    rate = f", {count / seconds:,.0f} events/s" if seconds > 1 else ""
    counts = f"{_count(run.lines, 'line')}: {_count(count, 'event')} {verb}, {_count(run.bad, 'bad line')}"
    console.say(f"{counts}; {seconds:.1f} s{rate}")
    if run.stopped_at is not None:
        again = "mend it and send the file again (copies are recognised), or use --on-error skip"
        console.say(f"stopped at line {run.stopped_at}: {again}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
