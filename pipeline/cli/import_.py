"""`tally import`: exported histories to Kafka."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from connectors.files.settings import FAULTS_SHOWN_MAX, Form
from pipeline.cli import console, import_told
from pipeline.cli.endpoint_of import endpoint_of
from pipeline.cli.import_told import File, Told
from pipeline.cli.produce import open_sender

if TYPE_CHECKING:
    from connectors.files.positions import Position
    from connectors.files.rows import Chosen, Reader, Rows
    from connectors.files.sink import Window
    from connectors.producer.service import Sender
    from pipeline.settings import Settings

_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}


class _Way(NamedTuple):
    """From files to Kafka; without a sender to nowhere."""

    settings: Settings
    reader: Reader
    window: Window
    chosen: Chosen
    encoding: str
    restart: bool
    sender: Sender | None


def import_(  # style: a command's options are its parameters
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE|-...", help="CSV or JSON, plain, gzip or zstd; - is standard input."),
    ],
    endpoint: Annotated[
        str, typer.Option(help="Id of the endpoint whose vendor, account and fields hold for the rows.")
    ],
    form: Annotated[
        Form, typer.Option(help="csv: a table; lines: a JSON value a line; list: a JSON list; auto: by its beginning.")
    ] = Form.AUTO,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV; without it, the one that fits the header.")] = None,
    encoding: Annotated[str, typer.Option(help="Of the file's text, such as cp1251 or utf-16.")] = "utf-8",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read all, send nothing; needs no Kafka.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin at the first row, wherever it had come to.")
    ] = False,
    format_: Annotated[console.Format, typer.Option("--format", help="How to print the summary.")] = (
        console.Format.TABLE
    ),
) -> None:
    """Publish the history that a vendor's tool exported, as the events that its deliveries would have been.

    A file may be imported again, also while deliveries bring the same events: copies are recognised. An import that
    ended in the middle goes on where Kafka had acknowledged everything. Rows that are no events are published as
    refusals: the worker keeps them as dead letters, with their bytes. Rows older than rules.window_days are published
    too, and rejected as too_late. docs/import.md says more.

    Exit codes: 0 all was sent, 1 a file or Kafka failed, 2 wrong option or setting, 3 all was sent, but some rows are
    no events, or lie outside the acceptance window, 130 Ctrl-C (SIGINT), 143 SIGTERM: started again with the same
    options, it goes on.

    Examples:

      tally import --endpoint altcraft-qn3gbn7wim --dry-run history.ndjson.gz

      tally import --endpoint connectif-8m2k4x6p1q --delimiter ";" january.csv february.csv.zst
    """
    from connectors.collect.rows import Translator
    from connectors.files.rows import Chosen, Reader
    from connectors.files.sink import window
    from connectors.producer.settings import schema_ids
    from pipeline import settings as tree
    from pipeline.core import vocabulary

    settings = tree.load()
    _check(encoding)
    place, vendor = endpoint_of(settings, endpoint)
    reader = Reader(Translator(vocabulary.load(), schema_ids(settings)), place, vendor)
    bounds = window(settings.rules, time.time_ns() // 1_000)
    chosen = Chosen(form, _delimiter(delimiter) or vendor.delimiters)
    sender = None if dry_run else open_sender(settings)
    way = _Way(settings, reader, bounds, chosen, encoding, restart, sender)
    told = import_told.Told([File(name) for name in files], settings.rules, dry_run)
    with _stopped_in_words(told):
        failure = _publish(way, told)
    if format_ is console.Format.JSON:
        import_told.as_json(told)
    else:
        import_told.as_tables(told, FAULTS_SHOWN_MAX)
    if failure:
        console.fail(failure)
    if not told.is_whole:
        raise SystemExit(int(console.Exit.DIFFERENT))


def _check(encoding: str) -> None:
    from connectors.files.source import Unreadable, check_encoding

    try:
        check_encoding(encoding)
    except Unreadable as error:
        console.fail(f"--encoding: a file {error}", console.Exit.USAGE)


@contextlib.contextmanager
def _stopped_in_words(told: Told) -> Iterator[None]:
    """Say how it goes on, where a signal ends it."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        is_signal = isinstance(error, KeyboardInterrupt) or error.code == console.Exit.TERMINATED
        if is_signal and not told.dry_run:
            console.say("start it again with the same options: it goes on (standard input begins anew)")
        raise


def _publish(way: _Way, told: Told) -> str:
    """All files, one behind another, also behind one that is broken; returns what failed, or nothing."""
    from connectors.files.source import Unreadable
    from connectors.producer.service import Undelivered
    from pipeline.kafka_cluster import KafkaAbsent

    started, failures = time.monotonic(), list[str]()
    with console.Progress() as progress:
        for file in told.files:
            try:
                _publish_file(way, file, progress)
            except Unreadable as error:
                file.failure = f"{file.name} {error}"
            except (Undelivered, KafkaAbsent) as error:
                failures.append(f"{file.name}: {error}; start it again: it goes on where Kafka had acknowledged all")
                break
            except OSError as error:
                file.failure = f"{file.name}: its state file cannot be written: {error}"
            failures += [file.failure] if file.failure else []
    told.seconds = time.monotonic() - started
    told.sent = 0 if way.sender is None else sum(way.sender.sent.values()) - way.sender.failed
    return "\n".join(failures)


def _publish_file(way: _Way, file: File, progress: console.Progress) -> None:
    from connectors.files.rows import rows
    from connectors.files.sink import Import
    from connectors.files.source import opened

    with opened(file.name, way.encoding) as content:
        found = rows(content, way.chosen)
        one = Import(way.reader, way.window, way.sender, _position(way, file.name, found, content.encoding))
        file.rows, file.tally = found, one.tally
        if one.tally.skipped:
            again = "--restart begins anew"
            console.say(f"{file.name}: going on behind row {one.tally.skipped:,}, up to which all is in Kafka; {again}")
        one.run(found, lambda: progress.show(lambda: _far(file, content.share())))


def _position(way: _Way, name: str, found: Rows, encoding: str) -> Position | None:
    """How far the file has come; None where nothing is sent, and for what can be read once only."""
    from connectors.files.positions import identity, position
    from connectors.files.service import destination
    from connectors.files.source import fingerprint

    whole = fingerprint(name) if way.sender is not None else None
    if whole is None:
        return None
    made_of = identity(way.reader.endpoint, found, encoding)
    at = position(way.settings.home, name, whole, (*made_of, *destination(way.settings)))
    if way.restart:
        at.forget()
    return at


def _far(file: File, share: float | None) -> str:
    assert file.tally is not None
    part = "" if share is None else f", {share:.0%} of the file"
    return f"{file.name}: {file.tally.rows:,} rows, {file.tally.refused:,} refused{part}"


def _delimiter(given: str | None) -> str | None:
    """One character; `\\t` and `tab` are a tabulator."""
    if given is None:
        return None
    found = _NAMED.get(given, given)
    if len(found) != 1 or found in '"\r\n':
        console.fail(f"--delimiter {given!r}: give one character, such as ';', or tab", console.Exit.USAGE)
    return found
