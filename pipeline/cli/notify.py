"""`tally notify`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import console

if TYPE_CHECKING:
    from pipeline.settings import Settings

_LOG = logging.getLogger("tally.notify")


def notify(
    metrics_port: Annotated[int | None, typer.Option(help="Port of the metrics on loopback; 0: any free one.")] = None,
) -> None:
    """Run the alerts' service: the journal's alerts into the topic allowance.alerts, each exactly once, and from
    there to the webhook of notify.url, where it is set.

    Any number of them share the partitions. Ends on SIGTERM or SIGINT with exit code 0, when requests that are
    open have come to an end. A kill at any point loses nothing. docs/alerts.md says how to receive and verify.

    Exit codes: 0 stopped, 1 Kafka absent for too long, or topics missing, 2 wrong setting.

    Examples:

      tally notify

      TALLY_NOTIFY__SECRET_FILE=/run/secrets/key TALLY_NOTIFY__URL_FILE=/run/secrets/url tally notify
    """
    from confluent_kafka import KafkaException

    from connectors.alerts.sink import FATAL, Projection
    from connectors.webhook.settings import endpoint
    from connectors.webhook.sink import Courier
    from pipeline import logs, schema_ids
    from pipeline.settings import load

    settings = load({"notify.metrics_port": metrics_port})
    settings.kafka_address()
    logs.setup()
    try:
        ids = schema_ids.resolve(settings)
    except (schema_ids.SchemaChanged, RuntimeError) as error:  # a registry's error is a RuntimeError
        console.fail(str(error))
    _serve_metrics(settings)
    to = endpoint(settings)
    if to is None:
        _LOG.info("TALLY_NOTIFY__URL is not set: alerts go to the topic alone")
    projection = Projection(settings, ids["alert.v1.avsc"])
    courier = None if to is None else Courier(settings, to, ids["receipt.v1.avsc"])
    try:
        with console.stop_on_signals() as stop, ThreadPoolExecutor(1, "courier") as thread:
            delivering = None if courier is None else thread.submit(_until, courier.run, stop)
            _until(projection.run, stop)
            if delivering is not None:
                delivering.result()
    except (*FATAL, KafkaException) as error:
        console.fail(f"tally notify stops: {error}")


def _until(run: Callable[[threading.Event], None], stop: threading.Event) -> None:
    """Run one half; when it ends, however it does, the other one is to end too."""
    try:
        run(stop)
    finally:
        stop.set()


def _serve_metrics(settings: Settings) -> None:
    from connectors.local import targets
    from pipeline import metrics

    host, port = settings.notify.metrics_host, settings.notify.metrics_port
    try:
        port = metrics.serve(metrics.Process.NOTIFY, host, port)
    except OSError as error:
        console.fail(f"no metrics on {host}:{port}: {error.strerror}. Set TALLY_NOTIFY__METRICS_PORT to a free port")
    targets.announce(settings.home, metrics.Process.NOTIFY, None, host, port)
    _LOG.info("metrics on http://%s:%d/metrics", host, port)
