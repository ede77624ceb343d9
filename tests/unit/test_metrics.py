"""Metrics: names by the convention, bounded labels, served from a registry of their own."""

from __future__ import annotations

import re
import urllib.request

from prometheus_client import REGISTRY as GLOBAL
from prometheus_client import generate_latest

from pipeline import metrics

UNITS = ("events", "records", "batches", "seconds", "rows", "inserts", "errors", "rivals", "bytes", "ready", "drift")
LABELS = {"topic", "reason", "partition", "table", "comparison"}


def test_names_follow_the_convention() -> None:
    for entry in metrics.CATALOGUE:
        assert re.fullmatch(r"tally_[a-z_]+", entry.name), entry.name
        assert entry.name.endswith("_total") == (entry.kind == "counter"), entry.name
        assert set(entry.name.split("_")) & set(UNITS), f"{entry.name} has no unit"


def test_labels_are_bounded() -> None:
    assert {label for entry in metrics.CATALOGUE for label in entry.labels} <= LABELS


def test_each_metric_stands_in_the_catalogue_once_and_on_no_other_registry() -> None:
    names = [entry.name for entry in metrics.CATALOGUE]
    assert len(names) == len(set(names))
    assert b"tally_" not in generate_latest(GLOBAL)
    exposed = generate_latest(metrics.REGISTRY).decode()
    assert not [name for name in names if f"# TYPE {name} " not in exposed]


def test_they_are_served_on_a_free_port() -> None:
    metrics.BATCHES.inc()
    served = {process: scraped(process) for process in metrics.Process}
    assert "tally_batches_total" in served[metrics.Process.WORKER]


def test_a_process_serves_its_own_metrics_and_no_other_s() -> None:
    served = {process: scraped(process) for process in metrics.Process}
    for entry in metrics.CATALOGUE:
        showing = [process for process, text in served.items() if f"# TYPE {entry.name} " in text]
        assert showing == [entry.process], entry.name
    assert {entry.process for entry in metrics.CATALOGUE} == set(metrics.Process)


def scraped(process: metrics.Process) -> str:
    """What a process shows to Prometheus."""
    port = metrics.serve(process, "127.0.0.1", 0)
    assert port > 0
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
    return text
