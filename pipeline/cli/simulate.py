"""`tally simulate`: seeded traffic, to Kafka or to a file, with the truth about it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import console
from pipeline.cli.produce import close_sender, open_sender

if TYPE_CHECKING:
    from connectors.producer.service import Sender
    from connectors.simulator.settings import Traffic
    from connectors.simulator.truth import Truth
    from pipeline.settings import Settings

KAFKA = "kafka"
DEFAULT_EVENTS = 20_000
_DAY_US = 86_400_000_000


class Kind(StrEnum):
    """The engine."""

    REALISTIC = "realistic"
    BULK = "bulk"


def simulate(  # style: a command's options are its parameters
    events: Annotated[int | None, typer.Option(min=1, help="How many; default 20,000, with --rate no end.")] = None,
    accounts: Annotated[int, typer.Option(min=1, max=10_000, help="How many tenants.")] = 6,
    seed: Annotated[int, typer.Option(help="One seed and start give one stream.")] = 1,
    start: Annotated[
        str | None, typer.Option(help="RFC 3339; the traffic is of the days before it. Default: now.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0, help="Events a second; 0: as fast as it goes.")] = 0,
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop after so long.")] = None,
    to: Annotated[
        str, typer.Option(metavar="kafka|FILE", help="Kafka, or a file of JSON lines for tally produce.")
    ] = KAFKA,
    traffic: Annotated[Kind, typer.Option(help="bulk: plain events at about 100,000/s, for benchmarks.")] = (
        Kind.REALISTIC
    ),
    format_: Annotated[console.Format, typer.Option("--format", help="How to print the summary.")] = (
        console.Format.TABLE
    ),
) -> None:
    """Publish seeded, realistic traffic of several accounts, and tell what must become of it.

    Campaigns with deliveries, opens, clicks, bounces; visits, purchases, merges, splits, plans; about 5 % exact
    copies, late and future events, unknown types, bad bytes, refused operations. The summary is the truth that
    `tally query "SELECT * FROM conservation"` can be compared with. Ctrl-C and SIGTERM stop it cleanly.

    Exit codes: 0 done or stopped, 1 Kafka failed, 2 wrong option or setting.

    Examples:

        tally simulate --events 50000

        tally simulate --rate 200 --seconds 60

        tally simulate --to events.jsonl --seed 7 --start 2026-11-21T10:00:00Z

        tally simulate --traffic bulk --accounts 300 --events 2000000 --format json
    """
    from connectors.simulator.truth import Truth
    from pipeline import settings as tree

    settings = tree.load()
    shape = _shape(settings, (events, accounts, seed, rate), start)
    if traffic is Kind.BULK and (to != KAFKA or rate):
        console.fail("--traffic bulk goes to Kafka, as fast as it goes: leave out --to and --rate", console.Exit.USAGE)
    truth = Truth()
    started = time.monotonic()
    failure = _run(settings, shape, to if traffic is Kind.REALISTIC else None, truth, seconds)
    _summarise(truth, to, time.monotonic() - started, format_)
    if failure:
        console.fail(failure)


def _run(settings: Settings, shape: Traffic, to: str | None, truth: Truth, seconds: float | None) -> str:
    """Publishes until the end, a signal or the time; `to` None: in bulk. Returns what failed, or nothing."""
    deadline = float("inf") if seconds is None else time.monotonic() + seconds
    with console.Progress() as progress, console.stop_on_signals() as signalled:

        def stopped() -> bool:
            return signalled.is_set() or time.monotonic() >= deadline

        def shown() -> None:
            progress.show(lambda: f"{truth.topics.total():,} events published")

        if to is None:
            return _bulk(settings, shape, truth, stopped, shown)
        return _realistic(settings, shape, to, truth, stopped, shown)


def _shape(settings: Settings, numbers: tuple[int | None, int, int, float], start: str | None) -> Traffic:
    from connectors.simulator.settings import Traffic
    from pipeline import rfc3339

    events, accounts, seed, rate = numbers
    now = time.time_ns() // 1000
    try:
        at = now if start is None else rfc3339.parse(start)
    except ValueError as error:
        console.fail(f"--start {start}: {error}", console.Exit.USAGE)
    if events is None and rate == 0:
        events = DEFAULT_EVENTS
    shape = Traffic(seed, events, accounts, at, rate, settings.rules)
    if not -settings.rules.future_minutes_max * 60_000_000 <= now - at <= shape.span:
        console.say(f"--start {start} is not about now: a worker that reads this now will judge other events too late")
    return shape


def _realistic(
    settings: Settings, shape: Traffic, to: str, truth: Truth, stopped: Callable[[], bool], shown: Callable[[], None]
) -> str:
    from connectors.producer.service import Undelivered
    from connectors.simulator.rows import Story
    from connectors.simulator.service import publish
    from pipeline.core import vocabulary

    story = Story(shape, vocabulary.load(), oversized=settings.topics.compression != "none")
    with _out(settings, to) as (out, sender):
        try:
            publish(story.items(), out, truth, shape.rate, stopped, shown)
        except Undelivered as error:
            close_sender(sender)
            return str(error)
        return close_sender(sender)


@contextlib.contextmanager
def _out(settings: Settings, to: str) -> Iterator[tuple[Any, Sender | None]]:
    from connectors.producer.rows import Translator
    from connectors.producer.settings import schema_ids
    from connectors.simulator.service import FileOut, KafkaOut
    from connectors.simulator.truth import Bytes
    from pipeline.core import vocabulary

    if to == KAFKA:
        sender = open_sender(settings)
        yield KafkaOut(sender, Bytes(schema_ids(settings))), sender
        return
    try:
        with Path(to).open("w", encoding="utf-8") as file:
            yield FileOut(file, Translator(vocabulary.load(), schema_ids(settings))), None
    except OSError as error:
        console.fail(f"cannot write {to}: {error.strerror}")


def _bulk(
    settings: Settings, shape: Traffic, truth: Truth, stopped: Callable[[], bool], shown: Callable[[], None]
) -> str:
    from connectors.producer.service import Undelivered
    from connectors.producer.settings import schema_ids
    from connectors.simulator.bulk import Bulk

    sender = open_sender(settings)
    try:
        for block in Bulk(shape, schema_ids(settings)).blocks():
            if stopped():
                break
            for topic, records in block.topics.items():
                sender.send_batch(topic, records)
            block.count(truth)
            shown()
    except Undelivered as error:
        close_sender(sender)
        return str(error)
    return close_sender(sender)


def _summarise(truth: Truth, to: str, seconds: float, format_: console.Format) -> None:
    facts = truth.facts()
    if format_ is console.Format.JSON:
        console.facts({**facts, "seconds": round(seconds, 3)})
        return
    expected = facts["expected"]
    console.table([{"topic": topic, "events": count} for topic, count in facts["topics"].items()], ["topic", "events"])
    rows = [
        {"expected": "accepted", "events": expected["accepted"]},
        {"expected": "duplicates", "events": expected["duplicates"]},
        *({"expected": f"rejected: {reason}", "events": count} for reason, count in expected["rejected"].items()),
    ]
    console.table(rows, ["expected", "events"])
    for why, count in facts["left_out"].items():
        console.say(f"left out of {to}: {count:,} ({why})")
    rate = f", {facts['published'] / seconds:,.0f} events/s" if seconds > 1 else ""
    console.say(f"{facts['published']:,} events to {to}; {seconds:.1f} s{rate}")
