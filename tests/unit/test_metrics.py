"""Metrics: names by the convention, bounded labels, served from a registry of their own."""

from __future__ import annotations

import re
import urllib.request

from prometheus_client import REGISTRY as GLOBAL
from prometheus_client import generate_latest

from pipeline import metrics
from pipeline.core.reasons import Reject

UNITS = (
    "events", "records", "batches", "seconds", "rows", "inserts", "errors", "rivals", "bytes", "ready", "drift",
    "rebalances", "refused", "entries", "failures", "info", "crossings",
    "used", "remaining", "ratio", "dropped", "accounts", "alerts", "deliveries", "requests",
)  # fmt: skip
LABELS = {
    "topic",
    "reason",
    "partition",
    "table",
    "comparison",
    "kind",
    "version",
    "rules",
    "account_id",
    "band",
    "state",
    "vendor",
    "answer",
    "outcome",
}


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
        showing = tuple(process for process, text in served.items() if f"# TYPE {entry.name} " in text)
        assert showing == entry.processes, entry.name
    assert {process for entry in metrics.CATALOGUE for process in entry.processes} == set(metrics.Process)


def test_a_process_says_which_program_and_rules_it_runs() -> None:
    for process in metrics.Process:
        assert re.search(r'tally_build_info\{rules="\d+",version="\d+\.\d+\.\d+.*"\} 1\.0', scraped(process)), process


def test_counters_of_fates_are_there_before_their_first_step() -> None:
    text = scraped(metrics.Process.WORKER)
    for reason in Reject:
        assert f'tally_events_rejected_total{{reason="{reason}",topic="events.email"}}' in text


def scraped(process: metrics.Process) -> str:
    """What a process shows to Prometheus."""
    port = metrics.serve(process, "127.0.0.1", 0)
    assert port > 0
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
    return text
