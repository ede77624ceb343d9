"""The registry behind `pipeline.metrics`: makes a metric, enters it into the catalogue, serves a process's own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.core.context import RULES_VERSION

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # a third more series, of which nothing here makes use

REGISTRY = CollectorRegistry()


class Process(StrEnum):
    """Who serves a metric: a process shows none that others move, which would stay 0 there."""

    WORKER = "worker"
    SINK = "sink"
    AUDIT = "audit"
    NOTIFY = "notify"
    COLLECT = "collect"


EVERYWHERE = tuple(Process)


class Entry(NamedTuple):
    """What the docs say of a metric."""

    processes: tuple[Process, ...]
    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


CATALOGUE: list[Entry] = []
_OF_PROCESS = {process: CollectorRegistry() for process in Process}
_PREFIXES = {
    "tally_sink_": Process.SINK,
    "tally_audit_": Process.AUDIT,
    "tally_drift": Process.AUDIT,
    "tally_notify_": Process.NOTIFY,
    "tally_collect_": Process.COLLECT,
}

M = TypeVar("M", Counter, Gauge, Histogram)


def counter(name: str, text: str, *labels: str, of: tuple[Process, ...] = ()) -> Counter:
    """A counter. `of`: the processes that serve it; by default the one that its name says, else the worker."""
    return _entered(Counter(name, text, labels, registry=REGISTRY), name, text, of)


def gauge(name: str, text: str, *labels: str, of: tuple[Process, ...] = ()) -> Gauge:
    """A gauge."""
    return _entered(Gauge(name, text, labels, registry=REGISTRY), name, text, of)


def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
    """A histogram."""
    return _entered(Histogram(name, text, buckets=buckets, registry=REGISTRY), name, text, ())


class Family(NamedTuple):
    """A gauge whose values are not kept but made whenever somebody asks."""

    name: str
    text: str
    labels: tuple[str, ...]


class Sample(NamedTuple):
    """A value of a family, with those of its labels."""

    family: Family
    labels: tuple[str, ...]
    value: float


class Asked(Collector):
    """Asks its source for the values of the worker's families; each is served, also without one."""

    def __init__(self) -> None:
        self._families: list[Family] = []
        self._source: Callable[[], Iterable[Sample]] = tuple

    def ask(self, source: Callable[[], Iterable[Sample]]) -> None:
        """Ask this from now on, in the thread that serves."""
        self._source = source

    def gauge(self, name: str, text: str, *labels: str) -> Family:
        """Enter a family."""
        family = Family(name, text, labels)
        self._families.append(family)
        CATALOGUE.append(Entry((Process.WORKER,), name, "gauge", labels, text))
        return family

    def register(self) -> None:
        """Serve the families, once all are entered."""
        REGISTRY.register(self)
        _OF_PROCESS[Process.WORKER].register(self)

    def describe(self) -> Iterable[Metric]:
        """The families without values."""
        return self._empty().values()

    def collect(self) -> Iterable[Metric]:
        """The families with their values now."""
        made = self._empty()
        for family, labels, value in self._source():
            made[family.name].add_metric(labels, value)
        return made.values()

    def _empty(self) -> dict[str, GaugeMetricFamily]:
        return {name: GaugeMetricFamily(name, text, labels=labels) for name, text, labels in self._families}


def _entered(metric: M, name: str, text: str, of: tuple[Process, ...]) -> M:
    named = next((process for prefix, process in _PREFIXES.items() if name.startswith(prefix)), Process.WORKER)
    processes = of or (named,)
    for process in processes:
        _OF_PROCESS[process].register(metric)
    CATALOGUE.append(Entry(processes, name, metric._type, metric._labelnames, text))
    return metric


BUILD_INFO = gauge(
    "tally_build_info", "1; the version of the program, and of its rules.", "version", "rules", of=EVERYWHERE
)


def serve(process: Process, host: str, port: int) -> int:
    """Serve a process's metrics over HTTP in a thread of its own; returns the port (port 0: any free one).

    Raises:
        OSError: the address is taken or not this machine's.
    """
    BUILD_INFO.labels(metadata.version("tallystream"), RULES_VERSION).set(1)
    server, _thread = start_http_server(port, addr=host, registry=_OF_PROCESS[process])
    return int(server.server_port)


def write(path: Path, names: Collection[str]) -> None:
    """Write some metrics in the text format for node-exporter's textfile collector, whole or not at all.

    Raises:
        OSError: the file cannot be written there.
    """
    text = generate_latest(REGISTRY.restricted_registry(names))
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False) as file:
        written = Path(file.name)
        try:
            file.write(text)
            file.flush()
            written.chmod(0o644)  # the collector is another user
            written.replace(path)
        except OSError:
            written.unlink(missing_ok=True)
            raise
