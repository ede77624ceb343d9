"""`tally collect`: the HTTP collector."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import console
from pipeline.cli.collect_from import Wanted, prepared, take_over

if TYPE_CHECKING:
    from pipeline.settings import Settings

_LOG = logging.getLogger("tally.collect")


def collect(  # style: a command's options are its parameters
    port: Annotated[int | None, typer.Option(help="Port of deliveries; 0: any free one.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of the metrics on loopback; 0: any free one.")] = None,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="A line for every request on standard error.")
    ] = False,
    from_topic: Annotated[
        str | None, typer.Option(metavar="TOPIC", help="Take a vendor's own Kafka topic over, instead of HTTP.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="With --from-topic: id of the endpoint that says vendor and account.")
    ] = None,
    from_bootstrap_servers: Annotated[
        str | None, typer.Option(help="With --from-topic: brokers of the topic; default those of kafka.")
    ] = None,
    from_group: Annotated[
        str | None, typer.Option(help="With --from-topic: the consumer group; default tally-collect.<endpoint>.")
    ] = None,
) -> None:
    """Run a collector: vendors' deliveries over HTTP into the source topics. Any number of them may run.

    A delivery is answered with success once Kafka has acknowledged all of it; else its sender is told to try again,
    in the words that its vendor understands. docs/collect.md has the answers, the bounds and how to stand behind a
    proxy. Endpoints are made with `tally endpoints new`. Ends on SIGTERM or SIGINT with exit code 0, when what is at
    work has come to an end.

    With --from-topic there is no HTTP: records of a topic that the vendor writes are taken over, each an object or a
    list of what it delivers otherwise. docs/import.md says more.

    Exit codes: 0 stopped, 1 the address is taken, topics are missing, or Kafka's client failed, 2 wrong option or
    setting, such as a topic of tally's own.

    Examples:

      tally collect

      tally collect --port 8443 --metrics-port 9106

      tally collect --from-topic altcraft.hooks --endpoint altcraft-qn3gbn7wim
    """
    from connectors.collect import access, serving
    from connectors.collect.endpoints import Store, StoreError
    from connectors.collect.settings import certificate
    from connectors.collect.sink import Failed
    from connectors.producer.service import NotReady
    from pipeline import logs, schema_ids
    from pipeline.settings import load

    settings = load({"collect.port": port, "collect.metrics_port": metrics_port})
    settings.kafka_address()
    logs.setup()
    if from_topic is not None:
        takeover = prepared(settings, Wanted(from_topic, endpoint, from_group, from_bootstrap_servers))
        _serve_metrics(settings)
        take_over(takeover)
        return
    if endpoint or from_group or from_bootstrap_servers:
        console.fail("--endpoint, --from-group and --from-bootstrap-servers go with --from-topic", console.Exit.USAGE)
    if access_log:
        access.setup()
    try:
        store, tls = Store(settings.endpoints_file()), certificate(settings)
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
        left = serving.run(settings, store, tls)
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
