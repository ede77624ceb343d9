"""`tally audit`: the journal's fold, the views and a recount from raw rows, compared while everything runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import console

if TYPE_CHECKING:
    from pipeline.audit.result import Audit
    from pipeline.settings import Settings

_LOG = logging.getLogger("tally.audit")
TIMEOUT_SECONDS = 60.0  # a busy sink's inserts take less than a second, and leave as much between two of them
TIMEOUT_SECONDS_MIN = 0.1  # two questions to Kafka and a look take about as long


def audit(
    account: Annotated[
        list[str] | None, typer.Option("--account", help="Only this account; may be given several times.")
    ] = None,
    format_: Annotated[console.Format, typer.Option("--format", help="How to print.")] = console.Format.TABLE,
    timeout: Annotated[
        float, typer.Option(min=TIMEOUT_SECONDS_MIN, help="Seconds to wait for a moment without an open insert.")
    ] = TIMEOUT_SECONDS,
    metrics_file: Annotated[
        Path | None, typer.Option(help="Write tally_drift there, for node-exporter's textfile collector (*.prom).")
    ] = None,
    every: Annotated[
        float | None, typer.Option(min=1, help="Audit again and again, so many seconds apart, and serve the metrics.")
    ] = None,
) -> None:
    """Compare three independent computations of a running system's numbers: journal, views, recount from raw rows.

    Compared: engagement with its uniques, allowance, alerts, persons, and of each source topic how many events were
    read, accepted, duplicates or dead letters (not with --account). Not compared: the contact sheet, links, properties
    and attributes, the bytes of dead letters.

    Nothing is stopped, and rows that are being inserted are no drift: all are as of one journal offset.

    With --every, drift is logged and served as tally_drift (audit.metrics_host, audit.metrics_port); SIGTERM ends it.

    Exit codes: 0 all agree, 3 drift, 1 no verdict (a server does not answer, no quiet moment), 2 wrong option, no
    address or a stopped local stack.

    Examples:

        tally audit --account acme-shop --format json

        tally audit --metrics-file /var/lib/node_exporter/textfile/tally_audit.prom

        tally audit --every 3600
    """
    from pipeline import settings as tree
    from pipeline.settings_faults import require

    _refuse(format_, metrics_file, every)
    settings = tree.load()
    require(settings.kafka_address, settings.clickhouse_address, settings.seed)
    wanted = tuple(account or ())
    if every is not None:
        _again_and_again(settings, wanted, timeout, (metrics_file, every))
        return
    _once(_audited(settings, wanted, timeout), metrics_file, format_)


def _once(found: Audit, metrics_file: Path | None, format_: console.Format) -> None:
    """Tell what was found; its exit code."""
    _measure(found, metrics_file)
    show(found, format_)
    if found.differences:
        console.say("where ClickHouse is off, `tally rebuild clickhouse` fills its tables anew from the journal")
        raise SystemExit(int(console.Exit.DIFFERENT))


def _refuse(format_: console.Format, metrics_file: Path | None, every: float | None) -> None:
    """End the command where options do not go together or would do nothing."""
    if every is not None and format_ is console.Format.JSON:
        console.fail("--every logs what it finds and prints no JSON: leave --format out", console.Exit.USAGE)
    if metrics_file is None:
        return
    if metrics_file.suffix != ".prom":
        told = f"--metrics-file {metrics_file}: node-exporter reads files named *.prom only; name it so"
        console.fail(told, console.Exit.USAGE)
    if not metrics_file.parent.is_dir():
        console.fail(f"--metrics-file: there is no folder {metrics_file.parent}", console.Exit.USAGE)


def _audited(settings: Settings, wanted: Sequence[str], timeout: float) -> Audit:
    """One audit; ends the command where there is no verdict."""
    try:
        return _attempt(settings, wanted, timeout)
    except _no_verdict() as error:
        console.fail(_words(error))


def _attempt(settings: Settings, wanted: Sequence[str], timeout: float) -> Audit:
    """One audit; ends the command where it is asked for what there is not. Without a verdict: see `_no_verdict`."""
    from connectors.clickhouse.service import Service
    from connectors.clickhouse.settings import QUERY_SECONDS_MAX, target
    from pipeline.audit.faults import UnknownAccounts
    from pipeline.audit.run import audit as audited
    from pipeline.refusal import WrongSetting

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its faults are told by ours, once
    service = Service(target(settings), QUERY_SECONDS_MAX)
    try:
        with console.Progress() as progress:
            return audited(settings, service, wanted, timeout, progress.show)
    except UnknownAccounts as error:
        console.fail(str(error), console.Exit.USAGE)
    except WrongSetting as error:
        console.fail(str(error), error.code)
    finally:
        service.close()


def _no_verdict() -> tuple[type[Exception], ...]:
    from connectors.clickhouse.migrations import MigrationRefused
    from connectors.clickhouse.service import Refused, Unavailable
    from pipeline.audit.faults import AuditFailed

    return AuditFailed, MigrationRefused, Refused, Unavailable


def _words(error: Exception) -> str:
    from connectors.clickhouse.service import Unavailable

    if isinstance(error, Unavailable):
        return f"{error}. Start it (`tally up`), or set TALLY_CLICKHOUSE__URL to one that answers"
    return str(error)


def show(found: Audit, format_: console.Format) -> None:
    """Print an audit."""
    from pipeline.audit import report
    from pipeline.audit.meaning import persons_apart

    if format_ is console.Format.JSON:
        console.facts(report.as_json(found))
        return
    console.table(report.summary(found), ["", "comparison", "numbers", "differ", "what"])
    console.table(report.partitions(found), ["partition", "up to journal offset", "behind", "accounts", "events"])
    if found.not_recounted:
        console.say(report.not_recounted(found))
    out = console.console()
    apart = persons_apart(found.differences)
    for difference in found.differences[: report.DIFFERENCES_SHOWN]:
        out.print("\n".join(report.told(difference, apart)))
    rest = len(found.differences) - report.DIFFERENCES_SHOWN
    if rest > 0:
        out.print(f"and {rest:,} more: --format json tells up to {report.DIFFERENCES_MAX:,}")
    for line in report.rows(found):
        out.print(line)
    out.print(report.verdict(found), style="red" if found.differences else "green")


def _measure(found: Audit, path: Path | None) -> None:
    """Set the gauges, and write them to a file where one is wanted."""
    from pipeline import metrics

    for kind, count in found.drift.items():
        metrics.DRIFT.labels(kind.value).set(count)
    metrics.AUDIT_LAST_SUCCESS_TIMESTAMP_SECONDS.set_to_current_time()
    if path is None:
        return
    try:
        metrics.write(path, ("tally_drift", "tally_audit_last_success_timestamp_seconds"))
    except OSError as error:
        console.fail(f"--metrics-file {path} cannot be written: {error.strerror}")


def _again_and_again(settings: Settings, wanted: Sequence[str], timeout: float, out: tuple[Path | None, float]) -> None:
    """Audits until a signal; one without a verdict is logged and tried again at the next time."""
    from connectors.local import targets
    from pipeline import logs, metrics

    path, every = out
    logs.setup()
    host, port = settings.audit.metrics_host, settings.audit.metrics_port
    try:
        port = metrics.serve(metrics.Process.AUDIT, host, port)
    except OSError as error:
        mend = "Set TALLY_AUDIT__METRICS_PORT to a free port, or 0"
        console.fail(f"no metrics on {host}:{port}: {error.strerror}. {mend}")
    targets.announce(settings.home, metrics.Process.AUDIT, None, host, port)
    _LOG.info("auditing every %g s; metrics on http://%s:%d/metrics", every, host, port)
    with console.stop_on_signals() as stop:
        while not stop.is_set():
            _audit_and_log(settings, wanted, timeout, path)
            stop.wait(every)


def _audit_and_log(settings: Settings, wanted: Sequence[str], timeout: float, path: Path | None) -> None:
    from pipeline.audit import report
    from pipeline.audit.meaning import persons_apart

    try:
        found = _attempt(settings, wanted, timeout)
    except _no_verdict() as error:
        _LOG.warning("no verdict: %s", _words(error))
        return
    _measure(found, path)
    _LOG.log(logging.ERROR if found.differences else logging.INFO, "%s", report.verdict(found))
    apart = persons_apart(found.differences)
    for difference in found.differences[: report.DIFFERENCES_SHOWN]:
        _LOG.error("%s", " | ".join(line.strip() for line in report.told(difference, apart)))
    if (rest := len(found.differences) - report.DIFFERENCES_SHOWN) > 0:
        _LOG.error("and %d more: `tally audit` tells them", rest)
