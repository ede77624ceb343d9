"""`tally collect`: the HTTP collector."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import console

if TYPE_CHECKING:
    from pipeline.settings import Settings

_LOG = logging.getLogger("tally.collect")


def collect(
    port: Annotated[int | None, typer.Option(help="Port of deliveries; 0: any free one.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of the metrics on loopback; 0: any free one.")] = None,
) -> None:
    """Run a collector: vendors' deliveries over HTTP into the source topics. Any number of them may run.

    A delivery is answered with success once Kafka has acknowledged all of it; else its sender is told to try again,
    in the words that its vendor understands. docs/collect.md has the answers, the bounds and how to stand behind a
    proxy. Endpoints are made with `tally endpoints new`. Ends on SIGTERM or SIGINT with exit code 0, when what is at
    work has come to an end.

    Exit codes: 0 stopped, 1 the address is taken, topics are missing, or Kafka's client failed, 2 wrong setting.

    Examples:

      tally collect

      tally collect --port 8443 --metrics-port 9106
    """
    from connectors.collect import serving
    from connectors.collect.endpoints import Store, StoreError
    from connectors.collect.settings import tls
    from connectors.collect.sink import Failed
    from connectors.producer.service import NotReady
    from pipeline import logs, schema_ids
    from pipeline.settings import load

    settings = load({"collect.port": port, "collect.metrics_port": metrics_port})
    settings.kafka_address()
    logs.setup()
    try:
        store, context = Store(settings.endpoints_file()), tls(settings)
    except StoreError as error:
        console.fail(str(error))
    except OSError as error:
        console.fail(
            f"no TLS from TALLY_COLLECT__TLS_CERTIFICATE and TALLY_COLLECT__TLS_KEY: {error.strerror or error}"
        )
    if not store.all():
        _LOG.warning("there are no endpoints yet: make one with `tally endpoints new`; it is found within a second")
    _serve_metrics(settings)
    try:
        left = serving.run(settings, store, context)
    except (serving.CannotListen, Failed, NotReady, schema_ids.SchemaChanged, RuntimeError) as error:
        console.fail(f"tally collect stops: {error}")
    if left:
        _LOG.warning("%d messages were not acknowledged; their senders were told to try again", left)


def _serve_metrics(settings: Settings) -> None:
    from connectors.local import targets
    from pipeline import metrics

    host, port = settings.collect.metrics_host, settings.collect.metrics_port
    try:
        port = metrics.serve(metrics.Process.COLLECT, host, port)
    except OSError as error:
        console.fail(f"no metrics on {host}:{port}: {error.strerror}. Set TALLY_COLLECT__METRICS_PORT to a free port")
    targets.announce(settings.home, metrics.Process.COLLECT, None, host, port)
    _LOG.info("metrics on http://%s:%d/metrics", host, port)
