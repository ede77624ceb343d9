"""The ladder to Kafka: an address given, else Docker where an engine answers, else Kafka from its jars."""

from __future__ import annotations

import logging
import subprocess
import time
from pathlib import Path
from typing import Any

from connectors.local import broker, docker
from connectors.local.faults import StackError, tail
from connectors.local.processes import end, mark
from connectors.local.progress import Progress
from connectors.local.service import Service, Wish
from pipeline.kafka_security import kafka_client
from pipeline.settings import Settings

ANSWER_SECONDS = 10.0  # an address given must answer within it, or it is said
READY_SECONDS = 60.0  # from start to ready: 3 s on an idle laptop, more where many start at once
PORT_ATTEMPTS_MAX = 3  # another process may take a free port between choosing and using it
STOP_SECONDS = 15.0  # a clean stop takes 0.5
_SILENT = logging.getLogger("tally.local.kafka")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def start(settings: Settings, wish: Wish, progress: Progress) -> Service:
    """A Kafka that answers metadata requests, by the first rung that holds.

    Raises:
        StackError: no rung holds; the message has the way out.
    """
    if settings.kafka.bootstrap_servers is not None:
        return _given(settings)
    if wish.use_docker and docker.engine_answers():
        return _from_docker(settings.home, wish, progress)
    return from_jars(settings.home / "kafka", wish, progress)


def from_jars(folder: Path, wish: Wish, progress: Progress) -> Service:
    """Kafka as a process of its own on the data of `folder`, ready.

    Raises:
        StackError: it cannot be started; the message has the log's end.
    """
    for _ in range(PORT_ATTEMPTS_MAX):
        started = broker.start(folder, wish, progress)
        try:
            return _ready(started, wish)
        except StackError:
            if wish.port is not None or not broker.port_was_taken(started):
                raise
    raise StackError(
        f"every port chosen for Kafka was taken at once, {PORT_ATTEMPTS_MAX} times; name one with --kafka-port."
    )


def await_answer(client: dict[str, Any], seconds: float, process: subprocess.Popen[bytes] | None = None) -> None:
    """Return when a metadata request is answered with a broker.

    Raises:
        TimeoutError: no answer in time.
        ChildProcessError: the process ended before.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    deadline = time.monotonic() + seconds
    quick = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "log_level": 0}
    admin = AdminClient({**client, **quick}, logger=_SILENT)
    while (left := deadline - time.monotonic()) > 0:
        if process is not None and process.poll() is not None:
            raise ChildProcessError(process.returncode)
        try:
            if admin.list_topics(timeout=min(left, 1.0)).brokers:
                return
        except KafkaException:
            time.sleep(min(left, 0.05))
    raise TimeoutError


def _from_docker(home: Path, wish: Wish, progress: Progress) -> Service:
    progress("Kafka: starting in Docker", 0, 0)
    service = docker.start_kafka(home, wish.port, bound_to_parent=wish.bound_to_parent)
    try:
        await_answer({"bootstrap.servers": service.address}, READY_SECONDS)
    except BaseException as error:
        docker.stop(service.container or "")
        if isinstance(error, TimeoutError):
            raise StackError(
                f"Kafka in Docker did not answer at {service.address} within {READY_SECONDS:g} s and was removed. "
                "Leave Docker out with --no-docker, or see what `docker run apache/kafka` says."
            ) from None
        raise
    return service


def _given(settings: Settings) -> Service:
    address = settings.kafka_address()
    try:
        await_answer(kafka_client(settings), ANSWER_SECONDS)
    except TimeoutError:
        raise StackError(
            f"no Kafka answers at {address} within {ANSWER_SECONDS:g} s (TALLY_KAFKA__BOOTSTRAP_SERVERS). "
            "Start it, correct the address or the security settings, or unset the address to get a local one."
        ) from None
    return Service(address=address, by="address")


def _ready(started: broker.Broker, wish: Wish) -> Service:
    marked = mark(started.process.pid)
    try:
        wish.born(marked)
        await_answer({"bootstrap.servers": started.address}, READY_SECONDS, started.process)
    except BaseException as error:
        end(marked, STOP_SECONDS)
        if isinstance(error, TimeoutError | ChildProcessError):
            raise StackError(_why(started, error)) from None
        raise
    return Service(address=started.address, by="jars", pid=marked.pid, started=marked.started)


def _why(started: broker.Broker, error: OSError) -> str:
    what = "did not answer in time" if isinstance(error, TimeoutError) else f"ended at once, exit code {error.args[0]}"
    console = tail(started.log.with_name("console.log"))
    return (
        f"Kafka {what}, at {started.address}. The end of {started.log}:\n{tail(started.log)}\n{console}\n"
        "If its data is damaged, remove the folder `kafka` of the home (its topics go with it)."
    )
