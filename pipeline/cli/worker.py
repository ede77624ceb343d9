"""`tally worker`."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import signal
import tempfile
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from connectors.local import targets
from pipeline import logs, metrics
from pipeline import settings as settings_module
from pipeline.allocator import keep_little
from pipeline.cli import console
from pipeline.refusal import Unstartable, WrongSetting
from pipeline.settings import Settings
from pipeline.settings_faults import require

if TYPE_CHECKING:
    from pipeline.state.core import Core
    from pipeline.transport.bootstrap import Reach

log = logging.getLogger(__name__)

BROKER_WAIT_S = 300.0  # for a broker that is absent at start; then exit 1, and the supervisor decides
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
GC_THRESHOLDS = 100_000, 50, 1_000  # a batch makes few objects that live long: 0.5 to 1 µs an event saved


def worker(
    name: Annotated[str | None, typer.Option(help="Name in the journal and in logs; default host.pid.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of the metrics on loopback; 0: any free one.")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Where snapshots are; default <home>/state.")] = None,
    broker_wait: Annotated[float, typer.Option(help="Seconds to wait for an absent broker.", min=0)] = BROKER_WAIT_S,
) -> None:
    """Run a worker: it reads its share of the events, decides each once, and writes the journal.

    Any number of workers share the partitions of a group; give each a number of partitions that
    is the same. It stops cleanly on SIGTERM and Ctrl-C, within worker.stop_seconds, with exit 0;
    a kill at any point loses nothing. Exit codes: 0 stopped, 1 Kafka absent or topics wrong,
    2 wrong setting, or no folder for the state, 70 broken assumption (start it again; it folds the
    journal).

    Examples:

        tally worker

        tally worker --name worker-1 --metrics-port 9101

        TALLY_KAFKA__BOOTSTRAP_SERVERS=kafka-1:9092 tally worker --state-dir /var/lib/tally
    """
    _stop_on_signals()
    settings = settings_module.load(
        {"worker.name": name, "worker.metrics_port": metrics_port, "worker.state_dir": state_dir}
    )
    require(settings.kafka_address, settings.seed)
    from pipeline.context import build_context
    from pipeline.schema_ids import SchemaChanged

    try:
        core = build_context(settings)
    except (SchemaChanged, RuntimeError) as error:  # a registry's error is a RuntimeError; its module is an extra
        console.fail(str(error))
    run(settings, core, broker_wait)


def run(settings: Settings, core: Core, broker_wait: float = BROKER_WAIT_S) -> NoReturn:
    """Run a worker with a core, to its exit code."""
    logs.setup(kafka=settings.kafka_address())
    _stop_on_signals()
    try:
        _prepare(settings)
        from pipeline.transport.bootstrap import Reach
        from pipeline.transport.precheck import await_topics

        reach = Reach(settings.kafka_address(), broker_wait)
        await_topics(settings, broker_wait)
    except Unstartable as error:
        console.fail(str(error), error.code)
    gc.set_threshold(*GC_THRESHOLDS)
    keep_little()
    _serve(settings, core, reach)


def _prepare(settings: Settings) -> None:
    """What the worker needs of its machine.

    Raises:
        Unstartable: the metrics' port is taken; a WrongSetting where the state's folder cannot be made or written.
    """
    host, port, folder = settings.worker.metrics_host, settings.worker.metrics_port, settings.state_dir()
    try:
        port = metrics.serve(metrics.Process.WORKER, host, port)
    except OSError as error:
        mend = "Set TALLY_WORKER__METRICS_PORT to another, or to 0 for any free one"
        raise Unstartable(f"the metrics cannot be served on {host}:{port}: {error}. {mend}") from error
    targets.announce(settings.home, metrics.Process.WORKER, settings.worker.name, host, port)
    _require_folder(folder)
    log.info("worker %s: metrics on http://%s:%s/metrics, state in %s", settings.worker.name, host, port, folder)


def _require_folder(folder: Path) -> None:
    """Return when files can be made in the folder, which is made where it is not there.

    A disk that is full is no reason not to start: a snapshot is a cache, and the next one waits for room.

    Raises:
        WrongSetting: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        if error.errno in _FULL and folder.is_dir():
            log.warning("no room for snapshots in %s: %s; the next start folds more", folder, error.strerror)
            return
        raise WrongSetting(
            f"the state cannot be kept in {folder}: {error.strerror}. Set TALLY_WORKER__STATE_DIR (--state-dir; by "
            "default <home>/state) to a folder that this user can make and write in"
        ) from error


def _serve(settings: Settings, core: Core, reach: Reach) -> NoReturn:
    import pyarrow as pa

    from pipeline.topology import topology
    from pipeline.transport.service import Service

    pa.set_cpu_count(1)  # one partition is one core's work; its threads would only wait for each other
    pa.set_io_thread_count(1)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    parts = topology(settings, core, reach)
    log.info("worker %s: group %s at %s", settings.worker.name, settings.worker.group_id, settings.kafka_address())
    Service(parts.app, loop, settings.worker.stop_seconds).execute_from_commandline()


def _stop_on_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop_before_start)


def _stop_before_start(_signum: int, _frame: FrameType | None) -> NoReturn:
    """Nothing is at work before Faust takes the signals over."""
    raise SystemExit(int(console.Exit.OK))
